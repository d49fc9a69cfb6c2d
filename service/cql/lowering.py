"""From an ELM node to Python source: where a node is lowered, and the table of rules.

A rule takes a `Frame` (where we are) and a node, writes statements to the frame's body and returns
the `Term` that has the node's value. The rules are in `service.cql.operators`, by ELM chapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn

from service.cql.assembly import Assembly
from service.cql.library import Library, Node
from service.cql.source import Body, Term
from service.cql.trace import Sites
from service.cql.types import (
    ANY,
    CLASSES,
    ChoiceType,
    IntervalType,
    ListType,
    NamedType,
    TupleType,
    Type,
    is_subtype,
    parse_specifier,
    result_type,
)
from service.errors import CompileError

Rule = Callable[["Frame", Node], Term]
Condition = Callable[["Frame", Node], str]

RULES: dict[str, Rule] = {}
CONDITIONS: dict[str, Condition] = {}


def lowers(*kinds: str) -> Callable[[Rule], Rule]:
    """Registers the decorated rule for the node types `kinds`."""

    def register(rule: Rule) -> Rule:
        for kind in kinds:
            assert kind not in RULES, f"{kind} is lowered twice"
            RULES[kind] = rule
        return rule

    return register


def tests(*kinds: str) -> Callable[[Condition], Condition]:
    """Registers how a node is lowered where all that matters is whether it is true."""

    def register(condition: Condition) -> Condition:
        CONDITIONS.update(dict.fromkeys(kinds, condition))
        return condition

    return register


# Nodes that are as cheap as what a hoisted value would cost.
LEAVES = {
    "Literal", "Null", "Quantity", "AliasRef", "QueryLetRef", "OperandRef", "IdentifierRef",
    "ExpressionRef", "ParameterRef", "ValueSetRef", "CodeSystemRef", "CodeRef", "ConceptRef",
    "Current", "Iteration", "Total", "Retrieve", "MinValue", "MaxValue",
}  # fmt: skip


def _is_null(node: Node) -> bool:
    return node.get("type") == "As" and node["operand"].get("type") == "Null"


@dataclass(frozen=True)
class Frame:
    """Where a node is lowered: in which definition, into which body, with which names bound.

    `context` is the Python expression for the evaluation's context: `c`, one patient's, or `U`,
    the session's own. `everyone`: it is in the Unfiltered context, and U has all patients' data.
    """

    unit: Assembly
    library: Library
    definition: str
    body: Body = field(default_factory=Body)
    context: str = "c"
    scope: Mapping[str, Term] = field(default_factory=dict)
    everyone: bool = False
    lent: bool = False  # in a function of the Patient context that the Unfiltered one calls

    # Lowering

    def lower(self, node: Node) -> Term:
        """The term for `node`. Raises CompileError when it is not understood."""
        kind = node.get("type")
        rule = RULES.get(kind) if isinstance(kind, str) else None
        if rule is None:
            self.fail(f"The engine does not know the ELM node {kind!r}", node)
        try:
            if self.unit.sites is not None and self.unit.sites.traces(self.library, node):
                return self._traced(self.unit.sites, rule, node)
            return self._hoist(rule, node) if self.hoists(node) else rule(self, node)
        except (AttributeError, IndexError, KeyError, TypeError):
            self.fail(f"The ELM node {kind} lacks a part or has one of another kind", node)

    def _traced(self, sites: Sites, rule: Rule, node: Node) -> Term:
        """The term for `node`, of whose start and value a trace is told."""
        aliases = {name: term for name, term in self.scope.items() if name.startswith("alias:")}
        names = tuple(name.partition(":")[2] for name in aliases)
        apart = self.hoists(node)
        site = sites.open(self.library, self.definition, node, names, self.everyone)
        self.body.line(f"T.enter({site})")
        term = self._hoist(rule, node) if apart else rule(self, node)
        bound = "".join(f", {one.code}" for one in aliases.values())
        told = f"T.leave({site}, {term.code}{bound})"
        is_kept = apart or node.get("type") == "ExpressionRef"
        sites.close(site, term.type, term.code.rpartition(".")[2] if is_kept else None)
        if term.atom or term.code in ("True", "False", "None"):
            self.body.line(told)
            return term
        return self.body.assign(replace(term, code=told))

    def atom(self, node: Node, hint: str = "t") -> Term:
        """The term for `node`, as a name or a constant."""
        return self.body.assign(self.lower(node), hint)

    def condition(self, node: Node) -> str:
        """A Python expression that is true when `node` is true, and only then."""
        test = CONDITIONS.get(node.get("type", ""))
        if test is None or self.unit.sites is not None or self.hoists(node):
            return self.lower(node).code
        return test(self, node)

    def hoists(self, node: Node) -> bool:
        """Whether `node` is computed outside of where it stands, once per patient or session."""
        if node.get("type") in LEAVES or _is_null(node):
            return False
        depends = self.unit.dependences.of(node, self.library)
        if depends.names or depends.effect:
            return False
        return bool(self.scope) or (self.context == "c" and not depends.patient)

    def _hoist(self, rule: Rule, node: Node) -> Term:
        """`node` computed outside of the loop, function or patient it stands in."""
        session = self.everyone or not self.unit.dependences.of(node, self.library).patient
        return self.lazy("k" if session else "p", lambda at: rule(at, node), session=session)

    def lazy(self, prefix: str, write: Callable[[Frame], Term], *, session: bool) -> Term:
        """A value computed once per context; `write` lowers it in a function of its own."""
        inner = replace(self, body=Body(), context="U" if session else "c", scope={})
        term = write(inner)
        text = (prefix, *inner.body.lines, term.code)
        name = self.unit.texts.get(text)
        if name is None:
            name = self.unit.texts[text] = self.unit.fresh(prefix)
            self.unit.write(name, [], inner.body, term.code, self.place)
            self.unit.lazies.append(name)
        context = "U" if session else self.context
        return replace(term, code=f"{context}.{name}", atom=False)

    # Names

    def bind(self, **terms: Term) -> Frame:
        """The frame with names bound; keys are `alias:E`, `operand:x`, `$this`."""
        return replace(self, scope={**self.scope, **terms})

    def bound(self, kind: str, name: str, node: Node) -> Term:
        """The term of the name that is bound here. Raises CompileError when none is."""
        term = self.scope.get(f"{kind}:{name}")
        if term is None:
            self.fail(f"There is no {kind} {name!r} here", node)
        return term

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """Collects the statements written inside `with`."""
        with self.body.aside() as lines:
            yield lines

    # Types

    def declared(self, node: Node) -> Type | None:
        """The type that the node states for its result, if the engine knows it.

        It may be one of a profile that the translator knew by name; no value is of such a type.
        """
        try:
            found = result_type(node)
        except ValueError as error:
            self.fail(str(error), node)
        return found if found is not None and self._knows(found) else None

    def typed(self, node: Node, name: str) -> Type | None:
        """The type that `node` states under `name` (as `asType`), known to the engine."""
        try:
            found = result_type(node, name)
        except ValueError as error:
            self.fail(str(error), node)
        if found is not None:
            self._check(found, node)
        return found

    def specified(self, specifier: Node, node: Node) -> Type:
        """The type of a TypeSpecifier, known to the engine."""
        try:
            found = parse_specifier(specifier)
        except ValueError as error:
            self.fail(str(error), node)
        self._check(found, node)
        return found

    def is_subtype(self, sub: Type, base: Type) -> bool:
        """Whether every value of type `sub` is one of `base`; never for an unknown `sub`."""
        return (sub != ANY or base == ANY) and is_subtype(sub, base, self.unit.model.bases)

    def may_be(self, static: Type, type_: Type) -> bool:
        """Whether a value of type `static` may turn out to be of `type_`."""
        return static == ANY or self.is_subtype(static, type_) or self.is_subtype(type_, static)

    def _check(self, type_: Type, node: Node) -> None:
        if not self._knows(type_):
            self.fail(f"The engine does not know the type {type_}", node)

    def _knows(self, type_: Type) -> bool:
        match type_:
            case NamedType(name):
                return name in CLASSES or name in self.unit.model.classes or type_ == ANY
            case ListType(inner) | IntervalType(inner):
                return self._knows(inner)
            case TupleType(elements):
                return all(self._knows(inner) for _, inner in elements)
            case ChoiceType(choices):
                return all(map(self._knows, choices))

    # Errors

    def fail(self, what: str, node: Node) -> NoReturn:
        """Raises the CompileError for `node`: library, definition, locator."""
        raise CompileError(what, where=self.where(node))

    def where(self, node: Node) -> str:
        """Library, definition and place of `node`."""
        locator = f", {node['locator']}" if node.get("locator") else ""
        return self.place + locator

    @property
    def place(self) -> str:
        """Library and definition."""
        return f"{self.library.name}, {self.definition!r}"
