"""What the value of an ELM node depends on, so that it is computed as rarely as that allows.

A node that depends on no patient is computed once per session, one inside a loop or function that
depends on none of the names bound there once per patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from service.cql.library import Library, Node

THIS = "$this"  # what an iteration or a sort binds without a name


class Dependence(NamedTuple):
    """On the patient's data, on names bound further out; `effect`: it also says something."""

    patient: bool = False
    names: frozenset[str] = frozenset()
    effect: bool = False

    def join(self, other: Dependence) -> Dependence:
        """Depends on what either does."""
        return Dependence(
            self.patient or other.patient, self.names | other.names, self.effect or other.effect
        )

    def bind(self, *names: str) -> Dependence:
        """The same where `names` are bound."""
        return self._replace(names=self.names - set(names))


NOTHING = Dependence()
Definition = tuple[Node, Library]  # an expression or function definition and where it stands
# Parts of a node that are not evaluated.
SKIPPED = {"annotation", "signature", "resultTypeSpecifier", "locator", "localId"}
# Nodes that bind the current item, by the part that is evaluated outside of that.
UNFILTERED = {"Unfiltered", "Population"}  # the context, and its name before CQL 1.4
ITERATIONS = dict.fromkeys(("ForEach", "Filter", "Repeat", "Sort", "Aggregate"), "source")


class Dependences:
    """The dependence of every node that is asked for, each found once."""

    def __init__(self) -> None:
        self._found: dict[int, Dependence] = {}
        self._scanned: dict[int, tuple[Dependence, list[Definition]]] = {}
        self._kept: list[Node] = []  # so that ids stay theirs

    def of(self, node: Node, library: Library) -> Dependence:
        """What `node` of `library` depends on."""
        found = self._found.get(id(node))
        if found is None:
            self._kept.append(node)
            try:
                found = self._find(node, library)
            except (AttributeError, KeyError, TypeError):
                found = NOTHING  # it lacks a part; lowering it says so
            self._found[id(node)] = found
        return found

    def _all(self, nodes: Iterable[Node], library: Library) -> Dependence:
        found = NOTHING
        for node in nodes:
            found = found.join(self.of(node, library))
        return found

    def _find(self, node: Node, library: Library) -> Dependence:
        kind = node.get("type")
        if kind == "Query":
            return self._query(node, library)
        if kind in ("With", "Without"):
            inner = self.of(node["suchThat"], library).bind(f"alias:{node['alias']}")
            return self.of(node["expression"], library).join(inner)
        if kind in ITERATIONS:
            return self._iteration(node, ITERATIONS[kind], library)
        return self._all(children(node), library).join(self._own(node, library))

    def _own(self, node: Node, library: Library) -> Dependence:
        """What the node depends on besides its parts."""
        match node.get("type"):
            case "Retrieve":
                return Dependence(patient=True)
            case "Message":
                # One that is always an error says nothing: it ends the evaluation.
                return Dependence(effect=(node.get("severity") or {}).get("value") != "Error")
            case "AliasRef" | "QueryLetRef":
                return _name(f"alias:{node['name']}")
            case "OperandRef":
                return _name(f"operand:{node['name']}")
            case "IdentifierRef":
                return _name(THIS)
            case "Current" | "Iteration" | "Total":
                return _name(f"alias:{node['scope']}" if node.get("scope") else THIS)
            case "Property" if "scope" in node:
                return _name(f"alias:{node['scope']}")
            case "ExpressionRef" | "FunctionRef":
                return self._reach(node, library)
        return NOTHING

    def _query(self, node: Node, library: Library) -> Dependence:
        """A query's names are bound in all its parts but its sources."""
        outer = self._all((source["expression"] for source in node["source"]), library)
        inside = [part for key, part in _parts(node) if key != "source"]
        aliases = [f"alias:{source['alias']}" for source in node["source"]]
        aliases += [f"alias:{let['identifier']}" for let in node.get("let") or ()]
        if aggregate := node.get("aggregate"):
            aliases.append(f"alias:{aggregate['identifier']}")
        return outer.join(self._all(inside, library).bind(*aliases, THIS))

    def _iteration(self, node: Node, source: str, library: Library) -> Dependence:
        outer = self._all((part for key, part in _parts(node) if key == source), library)
        inner = self._all((part for key, part in _parts(node) if key != source), library)
        scope = (f"alias:{node['scope']}",) if node.get("scope") else ()
        return outer.join(inner.bind(THIS, *scope))

    def _reach(self, node: Node, library: Library) -> Dependence:
        """What the definitions depend on that a reference reaches, over all they refer to."""
        found = NOTHING
        seen: set[int] = set()
        queue = list(definitions(node, library))
        while queue:
            definition, home = queue.pop()
            if id(definition) not in seen:
                seen.add(id(definition))
                if is_unfiltered(definition):
                    continue  # one value for all patients
                own, referred_to = self._scan(definition, home)
                found = found.join(own)
                queue.extend(referred_to)
        return found

    def _scan(self, definition: Node, library: Library) -> tuple[Dependence, list[Definition]]:
        """What a definition depends on itself, and the definitions that it refers to."""
        scanned = self._scanned.get(id(definition))
        if scanned is None:
            # An external function may look into the record, as `resolve` does.
            found = Dependence(patient="expression" not in definition)
            below: list[Definition] = []
            for part in _nodes(definition.get("expression", {})):
                below.extend(definitions(part, library))
                if part.get("type") in ("Retrieve", "Message"):
                    found = found.join(self._own(part, library))
            scanned = self._scanned[id(definition)] = (found, below)
        return scanned


def definitions(node: Node, library: Library) -> Iterator[Definition]:
    """The definitions that a node may refer to by name, each with its library."""
    target = referred(node, library)
    if target is None:
        return  # the compiler says so
    if node.get("type") == "ExpressionRef" and node["name"] in target.expressions:
        yield target.expressions[node["name"]], target
    elif node.get("type") == "FunctionRef":
        yield from ((one, target) for one in target.functions.get(node["name"], ()))


def is_unfiltered(definition: Node) -> bool:
    """Whether an expression is about all patients; a function is about whom its caller is."""
    return definition.get("context") in UNFILTERED and definition.get("type") != "FunctionDef"


def is_lent(function: Node) -> bool:
    """Whether a function that is called in the Unfiltered context is of another."""
    return function.get("context") not in UNFILTERED


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all that is part of it."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(children(here))


def referred(node: Node, library: Library) -> Library | None:
    """The library that a reference's `libraryName` means; None if there is none of that name."""
    name = node.get("libraryName")
    return library if name is None else library.includes.get(name)


def children(node: Node) -> Iterator[Node]:
    """The nodes that are directly part of `node`."""
    return (part for _, part in _parts(node))


def _parts(node: Node) -> Iterator[tuple[str, Node]]:
    for key, value in node.items():
        if key in SKIPPED:
            continue
        if isinstance(value, Mapping):
            yield key, value
        elif isinstance(value, list):
            yield from ((key, item) for item in value if isinstance(item, Mapping))


def _name(name: str) -> Dependence:
    return Dependence(names=frozenset((name,)))
