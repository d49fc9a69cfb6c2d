"""Searching for resources, page by page, and knowing whether all of them came.

http://hl7.org/fhir/R4/search.html: a searchset Bundle has matches, what was included with them, and
outcomes; its total counts the matches of all pages; its link `next` leads on. Servers get each of
these wrong, so a search is `whole` only if nothing speaks against it.

Searches go by POST: in an address patients' ids would stand in the logs of every server on the way.
"""

from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from msgspec import Raw

from service.errors import AuthorizationError, EhrError, UnavailableError
from service.fhir.endpoint import Body, Endpoint
from service.fhir.outcome import Issue, issues, status_text
from service.fhir.patience import patiently
from service.fhir.surrogates import without_halves
from service.progress import notice

FORM = "application/x-www-form-urlencoded"
IDLE_PAGES = 5  # in a row that bring nothing new: the pages lead in a circle
SMALLEST_PAGE = 10  # no server cuts answers shorter than this unasked

UNWILLING = frozenset({400, 404, 405, 415, 501})  # statuses of servers that know no POST
PERSONAL = frozenset({"_id", "identifier", "patient", "subject"})  # parameters that name patients

Method = Literal["get", "post", "post-else-get"]


@dataclass(frozen=True)
class Query:
    """A search for resources of one type; ``parameters`` in the order in which they are sent.

    ``strict``: a server that does not know a parameter is to say so, and not to leave it out of
    account (http://hl7.org/fhir/R4/search.html#errors).
    """

    type: str
    parameters: tuple[tuple[str, str], ...]
    strict: bool = False

    @property
    def text(self) -> str:
        """The parameters as they stand in an address or a form."""
        return urlencode(self.parameters, safe=",/:|")

    @property
    def page_size(self) -> int | None:
        """How many matches are wanted on a page, where that is said."""
        told = next((value for name, value in self.parameters if name == "_count"), "")
        return int(told) if told.isdecimal() else None

    def in_smaller_pages(self) -> "Query":
        """The same search, in pages that end elsewhere."""
        size = max(1, (self.page_size or 1) * 2 // 3)
        kept = tuple(one for one in self.parameters if one[0] != "_count")
        return replace(self, parameters=(*kept, ("_count", str(size))))


@dataclass
class Matches:
    """What a search brought, each resource once, as JSON on one line, by type and id.

    ``included`` are those that did not match but came with matches. ``refused`` is what the server
    said in place of an answer. ``issues`` are what it says of the search. ``mismatch`` counts the
    matches that came more or fewer than announced; ``circles``: its pages lead to no end; ``cut``:
    its last page is as full as it may be, and nothing says that there are no more.
    """

    found: dict[tuple[str, str], bytes] = field(default_factory=dict)
    included: dict[tuple[str, str], bytes] = field(default_factory=dict)
    nameless: list[bytes] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    refused: str | None = None
    mismatch: int = 0
    circles: bool = False
    cut: bool = False
    pages: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing speaks against its being all that there is."""
        return not (self.mismatch or self.circles or self.cut or self.refused)


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Mode(msgspec.Struct):
    mode: str = "match"


class _Entry(msgspec.Struct):
    resource: Raw = Raw()
    search: _Mode | None = None


class _Bundle(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")
    total: int | None = None
    link: list[_Link] = []
    entry: list[_Entry] = []

    def address(self, relation: str) -> str | None:
        """Where a link leads."""
        return next((link.url for link in self.link if link.relation.lower() == relation), None)

    def is_full(self, size: int | None) -> bool:
        """Whether it holds as many matches as a page may."""
        return size is not None and sum(_is_match(entry) for entry in self.entry) >= size


def _is_match(entry: _Entry) -> bool:
    return entry.search is None or entry.search.mode == "match"


class _Head(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")
    id: str = ""


@dataclass(frozen=True)
class Manner:
    """How a server is searched. ``harmless``: its own codes of issues that mean nothing;
    ``totals``: whether what it says of how many matches there are is right. ``declined`` are the
    types that it was found not to answer by POST."""

    method: Method = "post"
    harmless: frozenset[str] = frozenset()
    totals: bool = True
    declined: set[str] = field(default_factory=set, compare=False)

    def posts(self, type_name: str) -> bool:
        """Whether a type is searched by POST."""
        return self.method == "post" or (
            self.method == "post-else-get" and type_name not in self.declined
        )


def search(endpoint: Endpoint, query: Query, manner: Manner = Manner()) -> Matches:
    """All pages of a search. If they do not add up, they are read once more from the start: after
    a last page that is full in smaller ones, which shows whether that was the end.

    Raises UnavailableError when patience is at an end, EhrError when a page leads to another
    server.
    """
    matches = _once(endpoint, query, manner)
    broke_off = not matches.whole and (matches.found or not matches.refused)
    if not broke_off:
        return matches
    if not matches.cut:
        return _once(endpoint, query, manner)
    again = _once(endpoint, query.in_smaller_pages(), manner)
    # The same end, although pages end elsewhere: it is no page that ended there.
    again.cut = again.pages <= matches.pages or again.found.keys() != matches.found.keys()
    if len(again.found) < len(matches.found):
        again.found, again.nameless = matches.found, matches.nameless
    return again


def first_page(endpoint: Endpoint, query: Query, manner: Manner = Manner()) -> Matches:
    """What the first page of a search brings, whether there are more or not. Raises as `search`."""
    matches = Matches()
    try:
        for entry in next(_pages(endpoint, query, manner)).entry:
            _take(entry, matches, query, manner.harmless)
    except _Refused as refused:
        matches.refused = str(refused)
    return matches


def _once(endpoint: Endpoint, query: Query, manner: Manner) -> Matches:
    matches = Matches()
    totals: set[int] = set()
    idle = 0
    try:
        for page in _pages(endpoint, query, manner):
            matches.pages += 1
            known = len(matches.found)
            for entry in page.entry:
                _take(entry, matches, query, manner.harmless)
            if query.strict and matches.pages == 1 and _is_ignored(query, page):
                matches.issues.append(Issue("warning", "not-supported"))
            totals |= {page.total} if page.total is not None else set()
            matches.cut = page.is_full(query.page_size) and page.address("next") is None
            idle = 0 if len(matches.found) > known else idle + 1
            if idle == IDLE_PAGES:
                matches.circles = True
                break
    except _Refused as refused:
        matches.refused = str(refused)
        return matches
    except _Circle:
        matches.circles = True
    if manner.totals:
        doubtful = matches.pages > 1 or matches.circles or matches.cut
        # The total of a page that is full and the only one may count what is on it.
        own = matches.cut and matches.pages == 1
        if own or (not totals and (doubtful or len(matches.found) >= SMALLEST_PAGE)):
            told = _ask_total(endpoint, query, manner)
            own = own and not told
            totals |= told
        _compare(matches, totals)
        matches.cut = matches.cut and (own or not totals)
    return matches


def _is_ignored(query: Query, page: _Bundle) -> bool:
    """Whether a parameter is not among those that the server says it has looked at."""
    _, _, text = (page.address("self") or "").partition("?")
    seen = {name.partition(":")[0] for name, _ in parse_qsl(text, keep_blank_values=True)}
    asked = {name.partition(":")[0] for name, _ in query.parameters if not name.startswith("_")}
    return bool(seen) and not asked <= seen


def _compare(matches: Matches, totals: set[int]) -> None:
    """Compare with what the server announced."""
    came = len(matches.found) + len(matches.nameless)
    if totals:
        # Totals that differ from page to page: the data changed under the search.
        matches.mismatch = max(abs(total - came) for total in totals)
        matches.circles = matches.circles and matches.mismatch > 0


def _ask_total(endpoint: Endpoint, query: Query, manner: Manner) -> set[int]:
    kept = tuple(one for one in query.parameters if one[0] not in ("_count", "_include"))
    counting = replace(query, parameters=(*kept, ("_summary", "count")))
    try:
        page = next(_pages(endpoint, counting, manner))
    except (_Refused, EhrError):
        return set()
    return set() if page.total is None else {page.total}


def _take(entry: _Entry, matches: Matches, query: Query, harmless: Collection[str]) -> None:
    raw = bytes(entry.resource) or b"null"  # an entry of nothing is for the quarantine
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (ValueError, RecursionError):
        head = _Head()
    mode = entry.search.mode if entry.search else "match"
    if mode == "outcome" or head.resource_type == "OperationOutcome":
        matches.issues += _told(raw, harmless)
        return
    line = _one_line(raw)
    key = head.resource_type, head.id
    # Of the type that was asked for nothing is merely included: none is asked to be.
    if mode == "include" and head.resource_type != query.type:
        matches.included.setdefault(key, line)
    elif not head.id:
        matches.nameless.append(line)  # it is for the quarantine
    elif key in matches.found and matches.found[key] != line:
        matches.found[key] = _later(matches.found[key], line)
    else:
        matches.found[key] = line


def _told(raw: bytes, harmless: Collection[str]) -> Iterator[Issue]:
    try:
        outcome = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        outcome = None
    return (issue for issue in issues(outcome) if not (issue.is_harmless or issue.means(harmless)))


class _Versioned(msgspec.Struct):
    class Meta(msgspec.Struct):
        lastUpdated: str = ""

    meta: Meta | None = None


def _later(one: bytes, other: bytes) -> bytes:
    """The later of two versions of a record, which changed between two pages."""
    try:
        return max(one, other, key=_updated)
    except ValueError:
        return other


def _updated(line: bytes) -> str:
    meta = msgspec.json.decode(line, type=_Versioned).meta
    return meta.lastUpdated if meta else ""


def _one_line(raw: bytes) -> bytes:
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return msgspec.json.format(raw, indent=-1)
    except msgspec.DecodeError:
        return raw.replace(b"\n", b" ").replace(b"\r", b" ")


class _Refused(Exception):
    """The server answers a search with something else; the text may be shown."""

    def __init__(self, told: str, status: int | None = None) -> None:
        super().__init__(told)
        self.status = status


class _Circle(Exception):
    """A page links to one that was read."""


def _pages(endpoint: Endpoint, query: Query, manner: Manner) -> Iterator[_Bundle]:
    """The pages of a search. Raises _Refused, _Circle."""
    strictly = "handling=strict" if query.strict else None
    page = patiently(
        endpoint.patience, lambda: _asked(endpoint, query.type, query.text, manner, strictly)
    )
    yield page
    seen: set[str] = set()
    while url := page.address("next"):
        url = _here(endpoint, url, page.address("self"), query.type)
        if url in seen:
            raise _Circle
        seen.add(url)
        page = patiently(
            endpoint.patience,
            lambda url=url: _following(endpoint, query.type, url, manner),  # type: ignore[misc]
        )
        yield page


def _following(endpoint: Endpoint, type_name: str, url: str, manner: Manner) -> _Bundle:
    """The page at an address; where the address repeats who is meant, it is asked by POST, too."""
    path, _, text = url.partition("?")
    named = {name.partition(":")[0] for name, _ in parse_qsl(text)}
    if manner.posts(type_name) and named & PERSONAL and _base(path, type_name):
        return _asked(endpoint, type_name, text, manner)
    return _answered(endpoint, url)


def _asked(
    endpoint: Endpoint, type_name: str, text: str, manner: Manner, prefer: str | None = None
) -> _Bundle:
    """Search by POST, or by GET where that is allowed and the server knows no POST."""
    by_get = f"{type_name}?{text}"
    if not manner.posts(type_name):
        return _answered(endpoint, by_get, prefer=prefer)
    try:
        body = Body(text.encode(), FORM)
        return _answered(endpoint, f"{type_name}/_search", body, prefer)
    except _Refused as refused:
        if refused.status not in UNWILLING:
            raise
        if manner.method == "post":
            _tell(manner, type_name, f"{refused}; only `fhir.get_searches` would let GET be used")
            raise
    page = _answered(endpoint, by_get, prefer=prefer)
    _tell(manner, type_name, "GET is used, with patients' ids in addresses")
    return page


def _tell(manner: Manner, type_name: str, how: str) -> None:
    """Say once for a type that it is not answered by POST."""
    if type_name not in manner.declined:
        manner.declined.add(type_name)
        notice(f"The EHR does not answer a search for {type_name} by POST: {how}")


def _answered(
    endpoint: Endpoint, url: str, body: Body | None = None, prefer: str | None = None
) -> _Bundle:
    try:
        return _page(endpoint.ask(url, body=body, prefer=prefer))
    except AuthorizationError as error:
        raise _Refused(error.what) from None


def _page(response: httpx.Response) -> _Bundle:
    if response.status_code != 200:
        raise _Refused(status_text(response), response.status_code)
    page = _decoded(response.content) or _decoded(without_halves(response.content)) or _Bundle()
    if page.resource_type != "Bundle":
        # A message of trouble under a good status: perhaps not so the next time.
        raise UnavailableError(
            f"The EHR does not answer a search with a Bundle ({status_text(response)})",
            where=response.request.url.host,
            todo="Ask the EHR's administrator whether this client may search",
        )
    return page


def _decoded(content: bytes) -> _Bundle | None:
    try:
        return msgspec.json.decode(content.removeprefix(BOM_UTF8), type=_Bundle)
    except (ValueError, RecursionError):
        return None


def _here(endpoint: Endpoint, url: str, itself: str | None, type_name: str) -> str:
    """A page's address on the server that we speak to.

    Behind a gateway servers write links with an inner address: `self` tells which part of it is
    the FHIR base. Nothing is ever sent elsewhere.
    """
    if endpoint.is_here(url):
        return endpoint.absolute(url)
    inner = _base(itself, type_name)
    if inner and url.startswith(inner):
        return endpoint.base_url + url.removeprefix(inner)
    raise EhrError(
        "A page of a search leads to another server",
        where=httpx.URL(url).host,
        todo="Ask the EHR's administrator to set the server's own address right",
    )


def _base(itself: str | None, type_name: str) -> str | None:
    path = (itself or "").partition("?")[0].rstrip("/").removesuffix("/_search")
    return path.removesuffix(f"/{type_name}") if path.endswith(f"/{type_name}") else None


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
