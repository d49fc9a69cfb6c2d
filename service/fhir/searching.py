"""Searching for resources, page by page, and knowing whether all of them came.

http://hl7.org/fhir/R4/search.html: a searchset Bundle has matches, what was included with them, and
outcomes; its total counts the matches of all pages; its link `next` leads on. Servers get each of
these wrong, so a search is `whole` only if nothing speaks against it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

import msgspec

from service.errors import EhrError, StoppedError
from service.fhir.endpoint import Endpoint
from service.fhir.outcome import Issue, issues
from service.fhir.paging import Circle, Entry, Manner, Page, Query, Refused, pages

IDLE_PAGES = 5  # in a row that bring nothing new: the pages lead in a circle
BESIDES = frozenset({"_count", "_elements", "_include"})  # parameters that change no total
COUNTING_TRIES = 3  # some servers fail whenever they are asked for a count alone
SMALLEST_PAGE = 10  # no server cuts answers shorter than this unasked
# Parameters that choose how an answer looks, and not what is found.
SHAPING = frozenset(
    {
        "_contained",
        "_containedType",
        "_count",
        "_elements",
        "_format",
        "_include",
        "_pretty",
        "_revinclude",
        "_sort",
        "_summary",
        "_total",
    }
)


@dataclass
class Matches:
    """What a search brought, each resource once, as JSON on one line, by type and id.

    ``versions`` are others of the same type and id: a resource may change between two pages, and
    which is the latest is decided where all are stored, or is not to be told.
    ``included`` are those that did not match but came with matches. ``refused`` is what the server
    said in place of an answer. ``issues`` are what it says of the search. ``mismatch`` counts the
    matches that came more or fewer than announced; ``circles``: its pages lead to no end, or
    one is empty or has what an earlier one had; ``cut``: its last page is as full as it may be, or
    empty, or says that another follows and not where. ``filled`` pages had matches, the ``fullest``
    so many. ``agreed``: as many came as were announced.
    """

    found: dict[tuple[str, str], bytes] = field(default_factory=dict)
    included: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: list[tuple[tuple[str, str], bytes]] = field(default_factory=list)
    nameless: list[bytes] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    refused: str | None = None
    mismatch: int = 0
    circles: bool = False
    cut: bool = False
    pages: int = 0
    filled: int = 0
    fullest: int = 0
    agreed: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing speaks against its being all that there is."""
        return not (self.mismatch or self.circles or self.cut or self.refused)

    @property
    def number(self) -> int:
        """How many matches came."""
        return len(self.found) + len(self.nameless)


class _Head(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")
    id: str = ""


def search(endpoint: Endpoint, query: Query, manner: Manner) -> Matches:
    """All pages of a search. If they do not add up, they are read once more from the start: after
    a last page that ends in doubt in smaller ones, which shows whether that was the end.

    Raises UnavailableError when patience is at an end, EhrError when a page leads to another
    server.
    """
    matches = _once(endpoint, query, manner)
    broke_off = not matches.whole and (matches.found or not matches.refused)
    if not broke_off:
        return matches
    again = _once(
        endpoint, query.in_smaller_pages(matches.fullest) if matches.cut else query, manner
    )
    if matches.cut:
        # The same end, although pages end elsewhere: it is no page that ended there.
        again.cut = again.filled <= matches.filled or again.found.keys() != matches.found.keys()
    elif not again.agreed and matches.found.keys() - again.found.keys():
        again.circles = True  # what came once does not come again, and nobody says that it is gone
    if len(again.found) < len(matches.found):
        again.found, again.nameless = matches.found, matches.nameless
        again.versions = matches.versions
    return again


def count(endpoint: Endpoint, query: Query, manner: Manner) -> int | None:
    """How many matches the server says a search has when it is asked for nothing else; None when it
    does not say, or not soundly.

    A total beside the matches may be that of the page: a server that cuts its answers and counts
    what is left seems whole. Raises StoppedError.
    """
    return max(_ask_total(endpoint, query, manner), default=None) if manner.totals else None


def missed(endpoint: Endpoint, query: Query, manner: Manner, came: int) -> int:
    """By how many a server counts more matches than came; 0 when it does not say, or when as many
    come by now: they are new. Raises as `search`."""
    told = count(endpoint, query, manner) or 0
    return max(0, told - search(endpoint, query, manner).number) if told > came else 0


def first_page(endpoint: Endpoint, query: Query, manner: Manner) -> Matches:
    """What the first page of a search brings, whether there are more or not. Raises as `search`."""
    matches = Matches()
    try:
        for entry in next(pages(endpoint, query, manner)).entry:
            _take(entry, matches, query, manner.harmless)
    except Refused as refused:
        matches.refused = str(refused)
    return matches


def _once(endpoint: Endpoint, query: Query, manner: Manner) -> Matches:
    matches = Matches()
    totals: set[int] = set()
    idle = 0
    try:
        for page in pages(endpoint, query, manner):
            matches.pages += 1
            known = len(matches.found)
            came = [_take(entry, matches, query, manner.harmless) for entry in page.entry]
            if query.strict and matches.pages == 1 and _is_ignored(query, page):
                matches.issues.append(Issue("warning", "not-supported"))
            totals |= {page.total} if page.total is not None else set()
            new = len(matches.found) - known
            _weigh(page, [key for key in came if key], new, query, matches)
            idle = 0 if new else idle + 1
            if idle == IDLE_PAGES:
                matches.circles = True
                break
    except Refused as refused:
        matches.refused = str(refused)
        return matches
    except Circle:
        matches.circles = True
    if manner.totals:
        manner.counted.update({query.type} if totals else ())
        # A server that says how many there are is asked where it did not.
        doubtful = matches.pages > 1 or matches.circles or matches.cut or bool(manner.counted)
        # The total of a page that is full and the only one may count what is on it.
        own = matches.cut and matches.pages == 1
        if own or (not totals and (doubtful or len(matches.found) >= SMALLEST_PAGE)):
            told = _ask_total(endpoint, query, manner)
            own = own and not told
            totals |= told
        _compare(matches, totals)
        matches.cut = matches.cut and (own or not totals)
    return matches


def _weigh(
    page: Page, came: list[tuple[str, str]], new: int, query: Query, matches: Matches
) -> None:
    """What a page says of whether all matches come. ``came`` are its own, of which some are new.

    Matches that stood on an earlier page may stand in the place of others, where the order is not
    always the same. A page to which another led and that is empty may stand for all that were still
    to come, as where a cursor has expired; between others it may stand for one of them. Some
    servers end with an empty page whenever the one before was full, and some always do: as little
    as a full one does it tell an end from a cut. Only after a single match, or none, on a page that
    may have more nothing can have been cut.
    """
    repeated = len({key for key in came if key[1]}) > new
    empty = matches.pages > 1 and not came
    last = page.address("next") is None
    matches.filled += bool(came)
    matches.fullest = max(matches.fullest, len(came))
    matches.circles = matches.circles or repeated or (empty and not last)
    size = page.size(query.page_size)
    sparse = size is not None and matches.fullest <= 1 < size
    matches.cut = page.ends_in_doubt(len(came), size) or (empty and last and not sparse)


def _is_ignored(query: Query, page: Page) -> bool:
    """Whether a filter is not among those that the server says it has looked at; so, too, when it
    does not say what it has looked at."""
    _, _, text = (page.address("self") or "").partition("?")
    seen = {_filter(name) for name, _ in parse_qsl(text, keep_blank_values=True)}
    asked = {_filter(name) for name, _ in query.parameters}
    return not asked - SHAPING <= seen


def _filter(name: str) -> str:
    """A parameter without its modifier; of `_has` what follows is what it looks for."""
    base = name.partition(":")[0]
    return name if base == "_has" else base


def _compare(matches: Matches, totals: set[int]) -> None:
    """Compare with what the server announced."""
    if totals:
        # Totals that differ from page to page: the data changed under the search.
        matches.mismatch = max(abs(total - matches.number) for total in totals)
        matches.agreed = matches.mismatch == 0
        matches.circles = matches.circles and not matches.agreed


def _ask_total(endpoint: Endpoint, query: Query, manner: Manner) -> set[int]:
    kept = tuple(one for one in query.parameters if one[0] not in BESIDES)
    counting = replace(query, parameters=(*kept, ("_summary", "count")))
    patience = endpoint.patience
    brief = replace(patience, attempts=min(patience.attempts, COUNTING_TRIES))
    try:
        page = next(pages(replace(endpoint, patience=brief), counting, manner))
    except StoppedError:
        raise
    except (Refused, EhrError):
        return set()
    return set() if page.total is None else {page.total}


def _take(
    entry: Entry, matches: Matches, query: Query, harmless: Collection[str]
) -> tuple[str, str] | None:
    """Put an entry where it belongs; its type and id, if it is a match."""
    raw = bytes(entry.resource) or b"null"  # an entry of nothing is for the quarantine
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (ValueError, RecursionError):
        head = _Head()
    if entry.mode == "outcome" or head.resource_type == "OperationOutcome":
        matches.issues += _told(raw, harmless)
        return None
    line = _one_line(raw)
    key = head.resource_type, head.id
    # Of the type that was asked for nothing is merely included: none is asked to be.
    if entry.mode == "include" and head.resource_type != query.type:
        matches.included.setdefault(key, line)
        return None
    if not head.id:
        matches.nameless.append(line)  # it is for the quarantine
    elif not _is_same(matches.found.setdefault(key, line), line):
        matches.versions.append((key, line))
    return key


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether two lines say the same, in whatever layout."""
    if one == other:
        return True
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except (ValueError, RecursionError):
        return False


def _told(raw: bytes, harmless: Collection[str]) -> Iterator[Issue]:
    try:
        outcome = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        outcome = None
    return (issue for issue in issues(outcome) if not (issue.is_harmless or issue.means(harmless)))


def _one_line(raw: bytes) -> bytes:
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return msgspec.json.format(raw, indent=-1)
    except msgspec.DecodeError:
        return raw.replace(b"\n", b" ").replace(b"\r", b" ")


def chunks(values: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """The values in their order, so many at a time."""
    waiting: list[str] = []
    for value in values:
        waiting.append(value)
        if len(waiting) == size:
            yield tuple(waiting)
            waiting = []
    if waiting:
        yield tuple(waiting)
