"""The pages of a search: how they are asked for, and how one leads to the next.

http://hl7.org/fhir/R4/http.html#paging, http://hl7.org/fhir/R4/search.html#Introduction. Searches
go by POST: in an address patients' ids would stand in the logs of every server on the way.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from msgspec import Raw

from service.errors import AuthorizationError, EhrError, UnavailableError
from service.fhir.endpoint import Body, Endpoint
from service.fhir.patience import patiently
from service.fhir.status import status_text
from service.fhir.surrogates import without_halves
from service.progress import notice

FORM = "application/x-www-form-urlencoded"
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

    def in_smaller_pages(self, fullest: int) -> "Query":
        """The same search, in pages that end elsewhere than those of which the fullest had so many
        matches."""
        size = max(1, min(self.page_size or fullest, fullest) * 2 // 3)
        kept = tuple(one for one in self.parameters if one[0] != "_count")
        return replace(self, parameters=(*kept, ("_count", str(size))))


@dataclass(frozen=True)
class Manner:
    """How a server is searched. ``harmless``: its own codes of issues that mean nothing;
    ``totals``: whether what it says of how many matches there are is right. ``declined`` are the
    types that it was found not to answer by POST, ``counted`` those of which it said how many there
    are."""

    method: Method = "post"
    harmless: frozenset[str] = frozenset()
    totals: bool = True
    declined: set[str] = field(default_factory=set, compare=False)
    counted: set[str] = field(default_factory=set, compare=False)

    def posts(self, type_name: str) -> bool:
        """Whether a type is searched by POST."""
        return self.method == "post" or (
            self.method == "post-else-get" and type_name not in self.declined
        )


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Mode(msgspec.Struct):
    mode: str = "match"


class Entry(msgspec.Struct):
    """What stands on a page: a resource, and why it is there."""

    resource: Raw = Raw()
    search: _Mode | None = None

    @property
    def mode(self) -> str:
        """It matches, unless something else is said."""
        return self.search.mode if self.search else "match"


class Page(msgspec.Struct):
    """A searchset Bundle."""

    resource_type: str = msgspec.field(name="resourceType", default="")
    total: int | None = None
    link: list[_Link] = []
    entry: list[Entry] = []

    def address(self, relation: str) -> str | None:
        """Where a link leads."""
        return next((link.url for link in self.link if link.relation.lower() == relation), None)

    def size(self, asked: int | None) -> int | None:
        """How many matches it may have: servers that give fewer than were asked for say so in
        `self`, if at all."""
        _, _, text = (self.address("self") or "").partition("?")
        told = [value for name, value in parse_qsl(text) if name == "_count"]
        sizes = [int(value) for value in told if value.isdecimal() and int(value)]
        return min([*sizes, *([asked] if asked is not None else [])], default=None)

    def ends_in_doubt(self, matches: int, size: int | None) -> bool:
        """Whether it is the last that can be read, and there may be more: it has as many matches as
        a page may have, or its link to the next page has no address."""
        following = self.address("next")
        return following == "" or (following is None and size is not None and matches >= size)


class Refused(Exception):
    """The server answers a search with something else; the text may be shown."""

    def __init__(self, told: str, status: int | None = None) -> None:
        super().__init__(told)
        self.status = status


class Circle(Exception):
    """A page links to one that was read."""


def pages(endpoint: Endpoint, query: Query, manner: Manner) -> Iterator[Page]:
    """The pages of a search, one after the other.

    Raises Refused, Circle, UnavailableError when patience is at an end, EhrError when a page leads
    to another server.
    """
    strictly = "handling=strict" if query.strict else None
    page = patiently(
        endpoint.patience, lambda: _asked(endpoint, query.type, query.text, manner, strictly)
    )
    yield page
    seen: set[str] = set()
    while url := page.address("next"):
        url = _here(endpoint, url, page.address("self"), query.type)
        if url in seen:
            raise Circle
        seen.add(url)
        page = patiently(
            endpoint.patience,
            lambda url=url: _following(endpoint, query.type, url, manner),  # type: ignore[misc]
        )
        yield page


def _following(endpoint: Endpoint, type_name: str, url: str, manner: Manner) -> Page:
    """The page at an address; where the address repeats who is meant, it is asked by POST, too."""
    path, _, text = url.partition("?")
    named = {name.partition(":")[0] for name, _ in parse_qsl(text)}
    if manner.posts(type_name) and named & PERSONAL and _base(path, type_name):
        return _asked(endpoint, type_name, text, manner)
    return _answered(endpoint, url)


def _asked(
    endpoint: Endpoint, type_name: str, text: str, manner: Manner, prefer: str | None = None
) -> Page:
    """Search by POST, or by GET where that is allowed and the server knows no POST."""
    by_get = f"{type_name}?{text}"
    if not manner.posts(type_name):
        return _answered(endpoint, by_get, prefer=prefer)
    try:
        body = Body(text.encode(), FORM)
        return _answered(endpoint, f"{type_name}/_search", body, prefer)
    except Refused as refused:
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
) -> Page:
    try:
        return _page(endpoint.ask(url, body=body, prefer=prefer))
    except AuthorizationError as error:
        raise Refused(error.what) from None


def _page(response: httpx.Response) -> Page:
    if response.status_code != 200:
        raise Refused(status_text(response), response.status_code)
    page = _decoded(response.content) or _decoded(without_halves(response.content)) or Page()
    if page.resource_type != "Bundle":
        # A message of trouble under a good status: perhaps not so the next time.
        raise UnavailableError(
            f"The EHR does not answer a search with a Bundle ({status_text(response)})",
            where=response.request.url.host,
            todo="Ask the EHR's administrator whether this client may search",
        )
    return page


def _decoded(content: bytes) -> Page | None:
    try:
        return msgspec.json.decode(content.removeprefix(BOM_UTF8), type=Page)
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
