"""Operators that are pure functions: how a node becomes a call.

A null among the inputs of an operator that propagates nulls is seen before the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from inspect import signature
from math import inf

from service.cql.library import Node
from service.cql.lowering import RULES, Frame, Rule
from service.cql.operators.inference import infer
from service.cql.operators.registry import OPERATORS, Operator, overload
from service.cql.source import NULL, Term
from service.cql.types import ListType, union


def register() -> None:
    """Gives every operator function that has no rule of its own the rule that calls it."""
    for name, operator in OPERATORS.items():
        RULES.setdefault(name, rule(operator))


def rule(operator: Operator) -> Rule:
    """The rule that calls `operator` with the node's inputs."""
    known = NOTES | set(operator.inputs) | ({"precision"} if operator.precision else set())

    def lower(at: Frame, node: Node) -> Term:
        for part in node:
            if part not in known and node[part]:
                at.fail(f"The engine does not know `{part}` of {operator.name}", node)
        return call(at, node, operator, list(inputs(at, node, operator)))

    return lower


# What a node says besides its operands.
NOTES = {
    "type", "annotation", "localId", "locator", "signature", "resultTypeName",
    "resultTypeSpecifier",
}  # fmt: skip


def inputs(at: Frame, node: Node, operator: Operator) -> Iterator[Term]:
    """The terms of the node's inputs, in the operator's order."""
    for name in operator.inputs:
        part = node.get(name)
        if isinstance(part, list):
            terms = [at.atom(item) for item in part]
            if operator.spread:
                yield from terms
            else:
                yield list_of(terms)
        elif part is None and name in _REQUIRED:
            at.fail(f"{operator.name} lacks its `{name}`", node)
        else:
            yield NULL if part is None else at.atom(_typed(name, part))


_REQUIRED = {"operand", "source"}
# Inputs whose node type goes without saying.
_IMPLIED = {"valueset": "ValueSetRef", "codesystem": "CodeSystemRef"}


def _typed(name: str, part: Node) -> Node:
    return {"type": _IMPLIED[name], **part} if name in _IMPLIED else part


def list_of(terms: Sequence[Term]) -> Term:
    """A list of the terms."""
    items = ", ".join(term.code for term in terms)
    type_ = ListType(union(term.type for term in terms))
    return Term(f"[{items}]", type_, nullable=False, exact=all(term.exact for term in terms))


def call(at: Frame, node: Node, operator: Operator, arguments: Sequence[Term]) -> Term:
    """The call of `operator`, or its overload for lists; its arguments are atoms."""
    of_list = bool(arguments) and isinstance(arguments[0].type, ListType)
    operator = overload(operator.name, of_list) or operator
    fewest, most = _arity(operator)
    if not fewest <= len(arguments) <= most:
        at.fail(f"{operator.name} does not take {len(arguments)} operands", node)
    type_, exact = infer(at, node, arguments)
    code = [argument.code for argument in arguments]
    if operator.precision:
        code.append(f"precision={_precision(at, node)!r}")
    if operator.context:
        code.insert(0, "S")
    called = f"{at.unit.call(operator.function)}({', '.join(code)})"
    if operator.nulls == "handle":
        return Term(called, type_, exact=exact)
    if any(argument.code == NULL.code for argument in arguments):
        return Term("None", type_, atom=True)
    nulls = [argument.code for argument in arguments if argument.nullable]
    tests = " or ".join(f"{name} is None" for name in dict.fromkeys(nulls))
    return Term(f"(None if {tests} else {called})" if tests else called, type_, exact=exact)


@cache
def _arity(operator: Operator) -> tuple[int, float]:
    """How many operands the operator's function takes, at least and at most."""
    parameters = list(signature(operator.function).parameters.values())[operator.context :]
    if operator.precision:
        parameters = [one for one in parameters if one.name != "precision"]
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return 0, inf
    return sum(one.default is one.empty for one in parameters), len(parameters)


def _precision(at: Frame, node: Node) -> str | None:
    precision = node.get("precision")
    if precision is None:
        return None
    if not isinstance(precision, str) or precision.lower() not in PRECISIONS:
        at.fail(f"There is no precision {precision!r}", node)
    return precision.lower()


PRECISIONS = {
    "year", "month", "week", "day", "hour", "minute", "second", "millisecond",
}  # fmt: skip


def combine(at: Frame, node: Node, kind: str, *arguments: Term) -> Term:
    """The call of the operator function `kind` with terms that are lowered already."""
    return call(at, node, OPERATORS[kind], [at.body.assign(term) for term in arguments])
