"""Reading the NDJSON lines of a pull: what is kept of each, whose it is, what it refers to.

Most lines are as expected and are read many at a time; any that is not is read again by itself, so
that one bad line costs its neighbours nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import Enum, auto
from typing import Any

import msgspec
from msgspec import Raw

from service.fhir.compartment import SHARED, resource_types
from service.fhir.outcome import issues
from service.fhir.reference import parse_reference
from service.fhir.surrogates import without_halves
from service.site.contained import BETWEEN, Lifted, lift
from service.site.plan import AcquisitionPlan
from service.site.shape import Meta, Shape, shape_of
from service.site.verdict import Fault

LONGEST = 4 * 2**20  # bytes of a record as kept
SURE = 1500  # bytes: no shorter record is too deep, or has too long a number, to be read again
DEEPEST = 200  # levels of arrays and objects: FHIR has a dozen
OWNERS = 2**16  # references to patients that are remembered
_BIRTH_DATE = re.compile(rb'"(\d{4})(-\d\d(-\d\d)?)?"')
OLDEST = 1880  # no patient of today was born before
_INSTANT = re.compile(r"[-0-9T:.Z+]{1,40}")
_ID = re.compile(r"[-A-Za-z0-9.]{1,256}|[^/?#\s\x00-\x20\x7f]{1,256}")  # the usual ones first
_DAY = re.compile(rb'"(\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)')
_LIFTED_ID = re.compile(r"[-A-Za-z0-9.~]{1,256}")
_REFERENCE, _TO_PATIENT = b'"reference"', b'"reference":"Patient/'
_URN = re.compile(rb'"reference"\s*:\s*"(urn:[^"\\\s]{1,256})')
_VERSIONED = re.compile(rb'("reference"\s*:\s*"[^"\\]*?)/_history/[^"\\]*(?=")')
_NAMED = re.compile(rb'"reference"\s*:\s*"[^"]')
_WITHIN = re.compile(rb'"reference"\s*:\s*"#([^"]*)')
_CHOSEN_WITHIN = re.compile(rb'[a-z]Reference"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"reference"\s*:\s*"#')
# None of the forms of http://hl7.org/fhir/R4/references.html#literal.
_ODD = re.compile(
    rb'"reference"\s*+:\s*+(?!null|\{|"(?:urn:|#|(?:https?://[^"\\\s]*/)?[A-Z][A-Za-z]+/'
    rb'[^/?#"\\\s\x00-\x20]{1,256}"))'
)
# What is dated and may never be (http://hl7.org/fhir/R4/valueset-event-status.html and others).
PLANNED = frozenset(
    {
        *("planned", "proposed", "pending", "booked", "waitlist", "scheduled", "not-started"),
        *("draft", "on-hold", "preparation", "registered"),
    }
)
REDACTED = (b'"REDACTED"', b'"MASKED"')  # http://hl7.org/fhir/R4/security-labels.html
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
ESCAPED_SLASH = b"\\/"
OF_ANY_TYPE = "Resource"  # of which all are (http://hl7.org/fhir/R4/resource.html)
EMPTY = len(b"null")  # bytes: no shorter value than that, {}, [] or "" holds anything
_matches_id, _matches_instant, _find_day = _ID.fullmatch, _INSTANT.fullmatch, _DAY.search


class Row(msgspec.Struct, gc=False):
    """A record as it is stored. ``patient`` is None for what is nobody's, as a Location is.

    ``updated`` is meta.lastUpdated; ``day`` (YYYY-MM-DD, or YYYY-MM) when it was, as far as its
    type tells; ``doubt`` is what makes it doubtful that it is counted right; ``references`` are the
    (type, id) of the plan's types that it refers to; ``parts`` what it contains (see `contained`),
    and ``beside`` the ids of what it contained of other types.
    """

    type: str
    id: str
    patient: str | None
    updated: str
    day: str
    doubt: Fault | None = None
    json: bytes = b""
    references: frozenset[tuple[str, str]] = frozenset()
    parts: list["Row"] = []
    beside: frozenset[bytes] = frozenset()


class Unasked(Enum):
    """What no measure needs: a message that nothing is wrong, a record of none of the patients."""

    UNASKED = auto()


Read = Row | Fault | Unasked


class Intake:
    """Reads lines for one plan and one EHR.

    ``aliases`` are patients that another one replaces (Patient.link): their records are read as the
    other's. Raises ConfigError when the plan has a type that is no patient's and that none refers
    to.
    """

    def __init__(
        self, plan: AcquisitionPlan, base_url: str, aliases: Mapping[str, str] | None = None
    ) -> None:
        self._base_url = base_url
        self._base = base_url.encode()
        self._absolute = re.compile(rb'("reference"\s*:\s*")' + re.escape(self._base) + b"/")
        self._shapes = {name: shape_of(name, elements) for name, elements in plan.elements.items()}
        self._aliases = aliases or {}
        self._owners: dict[str, str] = {}
        self._this_year = date.today().year
        # Whose a record is stands apart; references to other patients are not followed.
        named = b"|".join(name.encode() for name in sorted(plan.types - {"Patient"})) or b"(?!)"
        self._referred = re.compile(
            rb'"reference"\s*:\s*"(https?://[^"\\\s]*/)?('
            + named
            + rb')/([^/?#"\\\s\x00-\x20\x7f]{1,256})'
        )

    def read_lines(self, lines: bytes, expected: str) -> list[Read | None]:
        """What becomes of each of some whole lines; None for blank ones.

        ``expected`` is the type that the resources of the file should be of.
        """
        shape = self._shapes[expected]
        records = self._decoded(lines, shape)
        if records is None:
            apart = lines.removesuffix(b"\n").split(b"\n")
            return [self.read(line, expected) if line.strip() else None for line in apart]
        reads = self._read_all(records, shape)
        if None in reads:
            apart = lines.split(b"\n")
            reads = [self.read(apart[n], expected) if r is None else r for n, r in enumerate(reads)]
        return reads

    def read(self, line: bytes, expected: str) -> Read:
        """The record on a line of a file whose resources should be of type ``expected``."""
        found = self._read(line, expected)
        if found is Fault.UNREADABLE and (mended := without_halves(line)) != line:
            return self._read(mended, expected)
        return found

    def _read(self, line: bytes, expected: str) -> Read:
        try:
            if not line.isascii():
                line.decode()  # what is kept is not looked into, so UTF-8 is checked here
            shape = self._shapes[expected]
            record = shape.decoder.decode(line)
            if record.resourceType not in self._shapes:
                return _stranger(record.resourceType, line)
            if record.resourceType != expected:
                shape = self._shapes[record.resourceType]
                record = shape.decoder.decode(line)
            return self._with_text(self._row(record, shape), _encode(record))
        except _Unusable as unusable:
            return unusable.why
        except (ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
            return Fault.UNREADABLE

    def _decoded(self, lines: bytes, shape: Shape) -> list[Any] | None:
        """The records on lines of which every one is a record; else None."""
        try:
            if not lines.isascii():
                lines.decode()
            records: list[Any] = shape.decoder.decode_lines(lines)
        except (ValueError, RecursionError):
            return None
        ends = lines.count(b"\n") + (not lines.endswith(b"\n"))
        return records if len(records) == ends else None

    def _read_all(self, records: list[Any], shape: Shape) -> list[Read | None]:
        """What becomes of records that stood on one line each; None for one to be read alone."""
        reads: list[Read | None] = []
        for record in records:
            read: Read | None = None
            try:
                if record.resourceType == shape.type:
                    read = self._row(record, shape)
            except _Unusable as unusable:
                read = unusable.why
            except (ValueError, RecursionError):  # what stands inside is no JSON that we can read
                pass
            reads.append(read)
        text = _encode_lines(records)
        simple = _is_simple(text)
        for number, json in enumerate(text.split(b"\n")[:-1]):
            row = reads[number]
            if isinstance(row, Row):
                if simple and len(json) <= SURE:
                    row.json = json
                else:
                    reads[number] = self._with_text_or_alone(row, json)
        return reads

    def _with_text_or_alone(self, row: Row, json: bytes) -> Read | None:
        """The row with its text; None for one to be read alone."""
        try:
            return self._with_text(row, json)
        except (ValueError, RecursionError):
            return None

    def _row(self, record: Any, shape: Shape) -> Row:
        """The record as a row that still lacks its text; takes off the record what is not kept.

        This is where the time goes: what is rare has functions of its own.
        """
        id: str = record.id
        if not _matches_id(id):
            raise _Unusable(Fault.UNREADABLE)
        link = getattr(record, shape.link[0]) if shape.plain else None
        if link is not None:
            owner = self._owners.get(link.reference)
            if owner is None:
                owner = self._found(link.reference)
                link.reference = f"Patient/{owner}"
        else:
            owner = self._own(id) if shape.type == "Patient" else self._owner(record, shape.link)
        sure = _is_whole(record, shape) and (shape.plain or self._is_of_one(record, shape.link))
        doubt = None if sure else Fault.NOT_UNDERSTOOD
        if shape.born and not self._is_birth_date(record.birthDate):
            doubt = Fault.NO_BIRTH_DATE
        updated = ""
        if (meta := record.meta) is not None:
            told = meta.lastUpdated
            if told and _matches_instant(told):
                updated = told
            if meta.security:
                doubt = doubt or _redacted(meta.security)
            record.meta = Meta(meta.profile) if meta.profile else None
        day = ""
        for name in shape.dates:
            if found := _find_day(getattr(record, name)):
                day = found[1].decode()
                break
        if day and shape.planned and record.status in PLANNED:
            day = day[:7]
        row = Row(shape.type, id, owner, updated, day, doubt)
        if record.contained:
            self._keep_contained(row, record)
        return row

    def _keep_contained(self, row: Row, record: Any) -> None:
        """Keep what is contained and of a type that a measure needs; whose it is the row tells."""
        kept = []
        for held in record.contained:
            head = msgspec.json.decode(held, type=_Head)
            if shape := self._shapes.get(head.resourceType):
                part = shape.decoder.decode(held)
                if shape.type in SHARED and shape.plain:
                    setattr(part, shape.link[0], None)
                kept.append(part)
            else:
                row.beside = row.beside | {head.id.encode()}
        record.contained = kept or None

    def _with_text(self, row: Row, json: bytes) -> Read:
        """The row with its text, and with what that refers to."""
        try:
            json = self._plain(json)
        except (ValueError, RecursionError):
            return Fault.UNREADABLE
        if len(json) > SURE and _is_unwieldy(json):
            return Fault.UNREADABLE
        if _WITHIN.search(json):
            json = self._with_parts(row, json)
        row.json, row.references = json, self._references(json)
        if _ODD.search(json):
            row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        return row

    def _with_parts(self, row: Row, json: bytes) -> bytes:
        """The row's text after what it contains was made rows of their own; it is doubted when
        something that it contains is referred to all the same, or is doubtful itself."""
        json, lifted = lift(json, f"{row.type}{BETWEEN}{row.id}", self._is_wanted)
        for each in lifted:
            part = self._lifted(each)
            if isinstance(part, Row):
                part.updated = row.updated
                row.parts.append(part)
                row.doubt = row.doubt or part.doubt
            else:
                row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        # What no measure needs is contained no more, and may be referred to.
        if not row.beside.issuperset(_WITHIN.findall(json)) or _CHOSEN_WITHIN.search(json):
            row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        return json

    def _lifted(self, part: Lifted) -> Read:
        """What was contained as a row that is nobody's."""
        shape = self._shapes[part.type]
        record = shape.decoder.decode(part.json)
        record.id = part.id
        try:
            return self._with_text(self._row(record, shape), _encode(record))
        except _Unusable:
            return Fault.NOT_UNDERSTOOD

    def _is_wanted(self, type_name: str, id: str) -> bool:
        return type_name in self._shapes and _LIFTED_ID.fullmatch(id) is not None

    def _references(self, json: bytes) -> frozenset[tuple[str, str]]:
        """What is referred to; what is on another server goes by its whole address there.

        A urn:uuid names something within one Bundle, and nothing that could be found by it.
        """
        found = self._referred.findall(json)
        named = {(name.decode(), (base + id).decode()) for base, name, id in found}
        if b"urn:" in json:
            named |= {(OF_ANY_TYPE, urn.decode()) for urn in _URN.findall(json)}
        return frozenset(named)

    def _is_birth_date(self, told: Raw) -> bool:
        found = _BIRTH_DATE.fullmatch(told)
        return found is not None and OLDEST <= int(found[1]) <= self._this_year

    def _own(self, id: str) -> str:
        """A patient is their own, unless another one stands for them."""
        if id in self._aliases:
            raise _Unusable(Unasked.UNASKED)
        return id

    def _owner(self, record: Any, link: tuple[str, ...]) -> str | None:
        """The id of the patient at the end of a path; None if the record is nobody's."""
        followed = list(_follow(getattr(record, link[0]), link[1:])) if link else []
        if not followed and record.resourceType in SHARED:
            return None
        return self._patient(followed)

    def _is_of_one(self, record: Any, link: tuple[str, ...]) -> bool:
        """Whether it is not of several patients, as an Appointment for two: one of them has it."""
        followed = _follow(getattr(record, link[0]), link[1:]) if link else ()
        parsed = {parse_reference(text, self._base_url) for text in followed}
        named = (found[1] for found in parsed if found and found[0] == "Patient")
        return len({self._aliases.get(id, id) for id in named}) < 2

    def _found(self, reference: str) -> str:
        """The id of the patient whom a reference means; neighbouring records have the same, and
        one that is as it is kept is remembered."""
        if len(self._owners) >= OWNERS:
            self._owners.clear()
        owner = self._patient([reference])
        if reference == f"Patient/{owner}":
            self._owners[reference] = owner
        return owner

    def _patient(self, references: list[str]) -> str:
        """The first patient among references."""
        parsed = [parse_reference(text, self._base_url) for text in references]
        for target in parsed:
            if target is not None and target[0] == "Patient":
                return self._aliases.get(target[1], target[1])
        stranger = not parsed or any(t is None or t[0] not in resource_types() for t in parsed)
        raise _Unusable(Fault.UNKNOWN_PATIENT if stranger else Unasked.UNASKED)

    def _plain(self, json: bytes) -> bytes:
        """A record on one line, without a tab, slashes as such, its references relative and to no
        version: versions are not kept."""
        if b"\t" in json or b"\r" in json:
            json = msgspec.json.format(json, indent=-1)
        if ESCAPED_SLASH in json:
            json = _ESCAPE.sub(lambda found: b"/" if found[1] == b"/" else found[0], json)
        if self._base in json:
            json = self._absolute.sub(rb"\1", json)
        return _VERSIONED.sub(rb"\1", json) if b"/_history/" in json else json


class _Unusable(Exception):
    """A record that is not kept, and why."""

    def __init__(self, why: Fault | Unasked) -> None:
        self.why = why
        super().__init__()


class _Head(msgspec.Struct):
    resourceType: str
    id: str = ""


_encode, _encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
_look_through = msgspec.json.Decoder(float_hook=str).decode  # a number of any size


def _is_whole(record: Any, shape: Shape) -> bool:
    """Whether it has what FHIR demands, as far as that is kept: else no measure may understand it,
    and it would count for nothing. So it would with a medication that has a name or a number in
    place of a reference; and what modifies it in a way that nobody here knows must not be left out
    of account."""
    for name in shape.modifiers:
        value = getattr(record, name)
        if len(value) >= EMPTY and bytes(value) != b"null":
            return False
    for name, codes in shape.codes:
        if getattr(record, name) not in codes:
            return False
    for names in shape.demanded:
        for name in names:
            value = getattr(record, name)
            if len(value) > EMPTY and (name[-9:] != "Reference" or _NAMED.search(value)):
                break
        else:
            return False
    return True


def _redacted(security: Raw) -> Fault | None:
    """A doubt when the labels say that something was taken out of a record."""
    text = bytes(security)
    return Fault.NOT_UNDERSTOOD if any(label in text for label in REDACTED) else None


def _is_simple(text: bytes) -> bool:
    """Whether text is kept as it is (see `Intake._plain`), and refers to nothing but patients."""
    if b"\t" in text or b"\r" in text or b"\\" in text:
        return False
    return text.count(_REFERENCE) == text.count(_TO_PATIENT)


def _is_unwieldy(json: bytes) -> bool:
    """Whether a record is too long, or what stands in it can be skipped and not be read."""
    if len(json) > LONGEST:
        return True
    try:
        levels = [_look_through(json)]
    except (ValueError, RecursionError):
        return True
    if json.count(b"[") + json.count(b"{") <= DEEPEST:
        return False
    for _ in range(DEEPEST):
        levels = [held for one in levels for held in _held(one)]
    return bool(levels)


def _held(value: Any) -> Iterable[Any]:
    """The arrays and objects in one."""
    values = value.values() if isinstance(value, dict) else value
    return (one for one in values if isinstance(one, dict | list))


def _stranger(type_name: str, line: bytes) -> Fault | Unasked:
    if type_name == "OperationOutcome":
        harmless = all(issue.is_harmless for issue in issues(msgspec.json.decode(line)))
        return Unasked.UNASKED if harmless else Fault.OUTCOME_AMONG_RECORDS
    return Fault.MISPLACED if type_name in resource_types() else Fault.UNKNOWN_TYPE


def _follow(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The references at the end of a path, through lists."""
    if isinstance(value, Raw):
        value = msgspec.json.decode(value) if bytes(value) else None
    if isinstance(value, list):
        for item in value:
            yield from _follow(item, path)
    elif isinstance(value, dict) and path:
        yield from _follow(value.get(path[0]), path[1:])
    elif isinstance(value, dict):
        yield str(value.get("reference", ""))
