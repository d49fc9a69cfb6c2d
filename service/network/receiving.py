"""From bytes to stored reports, or to a clear refusal: the network's front door.

The order is the point. The signature is checked over the exact bytes before anything in them is
read; then the bytes must be aggregates of the closed schema, so that patient-level content is
refused before it is stored and is never repeated in an answer or a log; then they must be this
site's to send, and numbers that can be true. What is kept is kept in one transaction
(`keeping.py`): after a crash a delivery is either all there, with its receipts, or not at all, and
the site sends it again.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from joserfc.jwk import OKPKey
from sqlalchemy import Engine
from sqlmodel import Session

from service.errors import RefusedError, RequestError
from service.fhir import signature
from service.measure.summary import Summary
from service.network import delivery, plausibility, window
from service.network.config import NetworkConfig
from service.network.delivery import Row
from service.network.keeping import Delivery, Receipt, keep
from service.network.roster import Site, SiteKey, sites_of_keys
from service.network.submission import Envelope, Submission
from service.network.table import instant

log = logging.getLogger("weir.network.receiving")

KEY_HEADER = "Idempotency-Key"
Read = TypeVar("Read")
Signers = Mapping[str, tuple[Site, SiteKey]]


@dataclass(frozen=True)
class Letter:
    """What arrived: the exact body, and the two headers that go with it.

    A ``bundle`` is signed as a whole; another letter is one report, and comes with its key.
    """

    body: bytes
    signature: str | None
    idempotency_key: str | None = None
    bundle: bool = False


Answer = list[Receipt] | RequestError


def receive(
    engine: Engine, config: NetworkConfig, letter: Letter, now: str | None = None
) -> list[Receipt]:
    """Check and keep what a letter holds, all of it or nothing: a receipt for each report.

    Safe to repeat, and to run many times at once. ``now`` is the instant of arrival, by default
    the present one. Raises RequestError with the HTTP status that says whose fault it is: 401 for
    the signature, 403 for what the site may not report, 409 for a key used twice, 422 for the
    content.
    """
    (answer,) = receive_all(engine, config, [letter], now)
    if isinstance(answer, RequestError):
        raise answer
    return answer


def receive_all(
    engine: Engine, config: NetworkConfig, letters: Sequence[Letter], now: str | None = None
) -> list[Answer]:
    """The same for many letters with one commit: each is taken or refused for itself."""
    answers: list[Answer] = []
    taken: list[Delivery] = []
    with Session(engine, expire_on_commit=False) as session:
        signers = sites_of_keys(session, _key_ids(letters))
        for letter in letters:
            try:
                taken.append(_delivery(signers, config, letter))
                answers.append([])
            except RequestError as error:
                answers.append(error)
        kept = iter(keep(session, taken, now or instant()) if taken else [])
    answers = [next(kept) if answer == [] else answer for answer in answers]
    for answer in answers:
        _log(answer)
    return answers


def _key_ids(letters: Sequence[Letter]) -> Iterator[str]:
    """The keys that letters claim to be signed with; one that claims none is refused later."""
    for letter in letters:
        with suppress(RefusedError):
            yield signature.key_id(letter.signature)


def _delivery(signers: Signers, config: NetworkConfig, letter: Letter) -> Delivery:
    """What a letter holds, checked and ready to be kept; raises RequestError."""
    site, kid = _signer(signers, letter)
    signed = letter.signature or ""
    rows = _read(delivery.bundle, letter.body) if letter.bundle else [_single(letter)]
    envelope = _envelope(letter, kid) if letter.bundle else None
    made = [_submission(row, _permitted(config, site, row), kid, signed) for row in rows]
    return Delivery(tuple(rows), tuple(made), envelope)


def _envelope(letter: Letter, kid: str) -> Envelope:
    signed = letter.signature or ""
    return Envelope(sha256=_hash(letter.body), signature=signed, key_id=kid, body=letter.body)


def _single(letter: Letter) -> Row:
    row = _read(delivery.single, letter.body)
    if letter.idempotency_key != row.report.key:
        todo = "Send the report's identifier in this header"
        what = "the key is not the report's"
        raise RequestError(400, "invalid", what, where=KEY_HEADER, todo=todo)
    return row


def _log(answer: Answer) -> None:
    for receipt in () if isinstance(answer, RequestError) else answer:
        again = "" if receipt.new else " again"
        log.info("site %s: receipt %s%s", receipt.site, receipt.receipt, again)


def _signer(signers: Signers, letter: Letter) -> tuple[Site, str]:
    """The site whose key signed exactly these bytes, and the key's id."""

    def key_of(kid: str) -> OKPKey | None:
        known = signers.get(kid)
        return known[1].public_key if known and known[1].state(instant()) == "good" else None

    try:
        kid = signature.verify(letter.body, letter.signature, key_of)
    except RefusedError as error:
        raise RequestError(
            401, "security", error.what, where=error.where, todo=error.todo
        ) from error
    return signers[kid][0], kid


def _read(reader: Callable[[bytes], Read], body: bytes) -> Read:
    try:
        return reader(body)
    except RefusedError as error:
        raise RequestError(
            422, "invalid", error.what, where=error.where, todo=error.todo
        ) from error


def _permitted(config: NetworkConfig, site: Site, row: Row) -> str:
    """The name of the report's period, if this site may report this measure for it."""
    summary = row.report.summary
    if summary.site != site.id:
        todo = "A site signs its own reports with its own key"
        raise _forbidden("the reporter is not the site that signed", row.at(".reporter"), todo)
    measure = config.measure_of_url(summary.measure)
    if measure is None or measure.url not in site.measures:
        todo = "The network's staff list the measures that a site may report"
        raise _forbidden("the site may not report this measure", row.at(".measure"), todo)
    if measure.versions and summary.version not in measure.versions:
        what = f"the network takes version {', '.join(measure.versions)} of this measure"
        raise RequestError(422, "business-rule", what, where=row.at(".measure"))
    permitted = (measure.window, *measure.ladder)
    names = (window.name(summary.period, each) for each in permitted)
    period = next((name for name in names if name), None)
    if period is None:
        what = f"the period is not one calendar {' or '.join(permitted)}"
        raise RequestError(422, "business-rule", what, where=row.at(".period"))
    _possible(summary, row)
    return period


def _possible(summary: Summary, row: Row) -> None:
    found = plausibility.contradiction(summary)
    if found is not None:
        path, population = found
        raise RequestError(
            422,
            "business-rule",
            f"no whole numbers fit these counts: {population} is too small for what is in it",
            where=row.at(path),
            todo="Check the measure and how its counts are made",
        )


def _forbidden(what: str, where: str, todo: str) -> RequestError:
    return RequestError(403, "forbidden", what, where=where, todo=todo)


def _submission(row: Row, period: str, kid: str, signed: str) -> Submission:
    summary, rests_on = row.report.summary, row.report.summary.provenance
    return Submission(
        receipt=str(uuid4()),
        received="",  # when its turn comes
        site=summary.site,
        measure=summary.measure,
        period=period,
        revision=0,
        reason="",
        release_key=row.report.key,
        key_id=kid,
        signature=signed,
        sha256=_hash(row.report.body),
        body=row.report.body,
        measure_version=summary.version,
        package=rests_on.package,
        mapping=rests_on.mapping,
        engine=rests_on.engine,
        policy=rests_on.policy,
        timezone=rests_on.timezone,
        scoring=summary.scoring,
        improvement=summary.improvement,
        verdict=summary.completeness.verdict,
        reasons=" ".join(sorted(summary.completeness.reasons)),
        rounding=summary.rounding,
    )


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
