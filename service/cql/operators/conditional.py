"""15. Conditional Operators, and the operators of 13 and 14 that need not look at every operand.

What is not looked at is not computed. Section numbers are those of
https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from service.cql.library import Node
from service.cql.lowering import Frame, lowers, tests
from service.cql.operators.calls import combine
from service.cql.operators.registry import OPERATORS
from service.cql.source import Term
from service.cql.types import BOOLEAN, union

# 13.1 And, 13.2 Implies, 13.4 Or: the left operand may decide alone

_DECIDES = {"And": "False", "Or": "True", "Implies": "False"}


@lowers("And", "Or", "Implies")
def junction(at: Frame, node: Node) -> Term:
    """Three-valued; the right operand is computed when the left one does not decide."""
    kind = node["type"]
    left = at.body.assign(at.lower(node["operand"][0]))
    with at.body.aside() as lines:
        right = at.lower(node["operand"][1])
    function = at.unit.call(OPERATORS[kind].function)
    decided = "True" if kind == "Implies" else _DECIDES[kind]
    if at.unit.sites is not None:
        lines, right = _looked_at(at, f"{left.code} is {_DECIDES[kind]}", lines, right)
    if not lines:
        code = (
            f"({decided} if {left.code} is {_DECIDES[kind]} "
            f"else {function}({left.code}, {right.code}))"
        )
        return Term(code, BOOLEAN, left.nullable or right.nullable)
    result = at.body.name()
    at.body.line(f"{result} = {decided}")
    with at.body.block(f"if {left.code} is not {_DECIDES[kind]}:"):
        at.body.add(lines)
        at.body.line(f"{result} = {function}({left.code}, {right.code})")
    return Term(result, BOOLEAN, left.nullable or right.nullable, atom=True)


def _looked_at(at: Frame, decided: str, lines: list[str], term: Term) -> tuple[list[str], Term]:
    """The term as a call; where it was decided without, a trace looks at it all the same."""
    name = at.body.name("later")
    with at.body.block(f"def {name}():"):
        at.body.add(lines)
        at.body.line(f"return {term.code}")
    with at.body.block(f"if {decided}:"):
        at.body.line(f"T.look({name})")
    result = at.body.name()
    return [f"{result} = {name}()"], replace(term, code=result, atom=True)


@tests("And")
def both(at: Frame, node: Node) -> str:
    """True when both operands are."""
    return _test(at, node, "and")


@tests("Or")
def either(at: Frame, node: Node) -> str:
    """True when either operand is."""
    return _test(at, node, "or")


def _test(at: Frame, node: Node, junction: str) -> str:
    left = at.condition(node["operand"][0])
    with at.body.aside() as lines:
        right = at.condition(node["operand"][1])
    if not lines and len(left) < 500:
        return f"({left} {junction} {right})"
    result = at.body.name()
    at.body.line(f"{result} = {left}")
    with at.body.block(f"if {'' if junction == 'and' else 'not '}{result}:"):
        at.body.add(lines)
        at.body.line(f"{result} = {right}")
    return result


@tests("Not")
def negation(at: Frame, node: Node) -> str:
    """True when the operand is false."""
    term = at.lower(node["operand"])
    return f"{term.code} is False" if term.nullable else f"(not {term.code})"


# 14.2. Coalesce


@lowers("Coalesce")
def coalesce(at: Frame, node: Node) -> Term:
    """The first operand that is not null; of a single list, its first element that is not."""
    operands = node["operand"]
    first = at.atom(operands[0])
    if len(operands) == 1:
        return combine(at, node, "Coalesce", first)
    result = at.body.name()
    at.body.line(f"{result} = {first.code}")
    terms = [first]
    for operand in operands[1:]:
        with at.body.block(f"if {result} is None:"):
            terms.append(_give(at, result, operand))
    return _joined(at, node, result, terms)


# 14.3 IsFalse, 14.4 IsNull, 14.5 IsTrue


@lowers("IsNull")
def is_null(at: Frame, node: Node) -> Term:
    """True of null only."""
    return Term(f"({at.lower(node['operand']).code} is None)", BOOLEAN, nullable=False)


@lowers("IsTrue")
def is_true(at: Frame, node: Node) -> Term:
    """True of true only."""
    return Term(f"({at.lower(node['operand']).code} is True)", BOOLEAN, nullable=False)


@lowers("IsFalse")
def is_false(at: Frame, node: Node) -> Term:
    """True of false only."""
    return Term(f"({at.lower(node['operand']).code} is False)", BOOLEAN, nullable=False)


# What a condition tells of the names in it, where it holds


def where_true(at: Frame, node: Node) -> Frame:
    """The frame in which the condition `node` is known to be true."""
    match node.get("type"):
        case "And":
            return where_true(where_true(at, node["operand"][0]), node["operand"][1])
        case "Not":
            return where_false(at, node["operand"])
        case "Is" if (name := _named(at, node["operand"])) is not None:
            type_ = at.typed(node, "isType")
            if type_ is not None and at.may_be(at.scope[name].type, type_):
                kept = replace(at.scope[name], type=type_, nullable=False, exact=True)
                return at.bind(**{name: kept})
    return at


def where_false(at: Frame, node: Node) -> Frame:
    """The frame in which the condition `node` is known not to be true."""
    name = _named(at, node["operand"]) if node.get("type") == "IsNull" else None
    return at if name is None else at.bind(**{name: replace(at.scope[name], nullable=False)})


def _named(at: Frame, node: Node) -> str | None:
    """The key in the scope of what a reference names."""
    kind = {"AliasRef": "alias", "QueryLetRef": "alias", "OperandRef": "operand"}
    key = f"{kind.get(node.get('type', ''))}:{node.get('name')}"
    return key if key in at.scope else None


# 15.1. Case

Branch = tuple[Callable[[Frame], str], Node, Node | None]


@lowers("Case")
def case(at: Frame, node: Node) -> Term:
    """The value of the first item whose condition is true or equals the comparand."""
    comparand = at.atom(node["comparand"]) if node.get("comparand") is not None else None
    branches: list[Branch] = [
        (
            _when(item["when"], comparand, node),
            item["then"],
            item["when"] if comparand is None else None,
        )
        for item in node.get("caseItem") or ()
    ]
    return _choose(at, node, branches, node.get("else"))


def _when(when: Node, comparand: Term | None, node: Node) -> Callable[[Frame], str]:
    if comparand is None:
        return lambda at: at.condition(when)
    equal = {"type": "Equal", "operand": ()}
    return lambda at: combine(at, equal, "Equal", comparand, at.lower(when)).code


# 15.2. If


@lowers("If")
def if_(at: Frame, node: Node) -> Term:
    """`then` when the condition is true, else (false or null) `else`."""
    condition = node["condition"]
    branch: Branch = (lambda at: at.condition(condition), node["then"], condition)
    return _choose(at, node, [branch], node.get("else"))


def _choose(at: Frame, node: Node, branches: Sequence[Branch], otherwise: Node | None) -> Term:
    result = at.body.name()
    terms: list[Term] = []
    with ExitStack() as nested:
        for test, then, when in branches:
            with at.body.aside() as lines:
                condition = test(at)
            if condition == "False":
                continue
            if terms and lines:  # what the test needs comes after the tests before it
                nested.enter_context(at.body.block("else:"))
            at.body.add(lines)
            with at.body.block(f"{'elif' if terms and not lines else 'if'} {condition}:"):
                terms.append(_give(where_true(at, when) if when else at, result, then))
            at = where_false(at, when) if when else at
        if terms:
            nested.enter_context(at.body.block("else:"))
        terms.append(_give(at, result, otherwise or {"type": "Null"}))
    return _joined(at, node, result, terms)


def _give(at: Frame, result: str, node: Node) -> Term:
    term = at.lower(node)
    at.body.line(f"{result} = {term.code}")
    return term


def _joined(at: Frame, node: Node, result: str, terms: Sequence[Term]) -> Term:
    """The name that holds one of the terms."""
    exact = all(term.exact or term.code == "None" for term in terms)
    type_ = union(term.type for term in terms)
    return Term(result, type_ if exact else at.declared(node) or type_, atom=True, exact=exact)
