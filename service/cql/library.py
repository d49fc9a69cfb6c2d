"""ELM libraries and how they find each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.errors import CompileError

Node = Mapping[str, Any]


class LibraryName(NamedTuple):
    """A library's name and its version, None where it states none."""

    id: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.id} {self.version}" if self.version else self.id


@dataclass(eq=False)
class Library:
    """One ELM library: its definitions by name, its includes by their local names."""

    name: LibraryName
    usings: tuple[Node, ...]
    expressions: dict[str, Node]
    functions: dict[str, list[Node]]
    parameters: dict[str, Node]
    value_sets: dict[str, Node]
    code_systems: dict[str, Node]
    codes: dict[str, Node]
    concepts: dict[str, Node]
    include_defs: tuple[Node, ...]
    includes: dict[str, Library] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Library:
        """The library of a decoded ELM JSON document. Raises CompileError if it is not one."""
        elm = document.get("library", document)
        identifier = elm.get("identifier") or {}
        if not identifier.get("id"):
            raise CompileError("An ELM document has no library identifier")
        name = LibraryName(identifier["id"], identifier.get("version"))
        statements = _definitions(elm, "statements")
        functions: dict[str, list[Node]] = {}
        for node in statements:
            if node.get("type") == "FunctionDef":
                functions.setdefault(node["name"], []).append(node)
        return cls(
            name,
            tuple(_definitions(elm, "usings")),
            _named(name, [node for node in statements if node.get("type") != "FunctionDef"]),
            functions,
            _named(name, _definitions(elm, "parameters")),
            _named(name, _definitions(elm, "valueSets")),
            _named(name, _definitions(elm, "codeSystems")),
            _named(name, _definitions(elm, "codes")),
            _named(name, _definitions(elm, "concepts")),
            tuple(_definitions(elm, "includes")),
        )


def _definitions(elm: Node, section: str) -> list[Node]:
    return list((elm.get(section) or {}).get("def") or ())


def _named(library: LibraryName, nodes: list[Node]) -> dict[str, Node]:
    named = {node["name"]: node for node in nodes}
    if len(named) < len(nodes):
        raise CompileError("Two definitions share a name", where=f"library {library}")
    return named


def link(documents: Iterable[Mapping[str, Any]], main: str) -> Library:
    """The library called `main`, with all it includes linked to it.

    Main is found by its name alone (its own version label may be stale), an include by name and
    version. Raises CompileError for two libraries of one name and version, an include that is not
    there, and libraries that include each other.
    """
    libraries: dict[LibraryName, Library] = {}
    for document in documents:
        library = Library.read(document)
        if library.name in libraries:
            raise CompileError(f"Library {library.name} is there twice", todo="Remove one of them")
        libraries[library.name] = library
    found = [library for library in libraries.values() if library.name.id == main]
    if len(found) != 1:
        versions = "no version" if not found else "more than one version"
        raise CompileError(f"There is {versions} of the main library {main}")
    _link(found[0], libraries, ())
    return found[0]


def _link(
    library: Library, libraries: Mapping[LibraryName, Library], above: tuple[LibraryName, ...]
) -> None:
    if library.name in above:
        raise CompileError(f"Library {library.name} includes itself")
    for include in library.include_defs:
        included = _included(include, libraries, library.name)
        library.includes[include["localIdentifier"]] = included
        _link(included, libraries, (*above, library.name))


def _included(include: Node, libraries: Mapping[LibraryName, Library], by: LibraryName) -> Library:
    path = (include.get("path") or "").rpartition("/")[2]
    wanted = LibraryName(path, include.get("version"))
    if wanted in libraries:
        return libraries[wanted]
    found = [library for name, library in libraries.items() if name.id == path]
    if wanted.version is None and len(found) == 1:
        return found[0]
    there = ", ".join(str(library.name) for library in found) or "none of that name"
    raise CompileError(
        f"Included library {wanted} is missing",
        where=f"library {by} {include.get('locator', '')}".strip(),
        todo=f"Add it to the package; it has {there}",
    )
