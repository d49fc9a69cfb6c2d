"""10. Queries: sources, let, with and without, where, return, aggregate, sort.

A query becomes nested loops. Section numbers are those of
https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cmp_to_key
from typing import Any

from service.cql.library import Node
from service.cql.lowering import Frame, lowers, tests
from service.cql.operators.calls import combine
from service.cql.operators.conditions import note_conditions
from service.cql.operators.inference import element
from service.cql.operators.structured_values import element_of
from service.cql.source import Term
from service.cql.types import ANY, BOOLEAN, ChoiceType, ListType, Type, tuple_type, union
from service.cql.values.ordering import sort_order

Each = Callable[[Frame], None]

# 10.1. Query


@lowers("Query")
def query(at: Frame, node: Node) -> Term:
    """The rows of the sources that the clauses keep; a single value where all sources are one."""
    note_conditions(at, node)
    sources = [at.atom(source["expression"], "source") for source in node["source"]]
    if node.get("aggregate"):
        return _aggregate(at, node, sources)
    rows = at.body.name("rows")
    at.body.line(f"{rows} = []")
    row: list[Term] = []

    def append(inner: Frame) -> None:
        row.append(_row(inner, node))
        inner.body.line(f"{rows}.append({row[0].code})")

    _loop(at, node, sources, append)
    made = Term(rows, ListType(row[0].type), nullable=False, atom=True, exact=row[0].exact)
    single = all(_is_single(source.type) for source in sources)
    return _result(at, sources, _arranged(at, node, made, single))


def _arranged(at: Frame, node: Node, rows: Term, single: bool) -> Term:
    """The rows without duplicates and in order, as the query's clauses say."""
    clause = node.get("return")
    if clause is not None and clause.get("distinct", True) and not single:
        distinct = combine(at, {"type": "Distinct"}, "Distinct", rows)
        rows = at.body.assign(replace(rows, code=distinct.code, atom=False))
    by = (node.get("sort") or {}).get("by") or ()
    return sort(at, rows, by) if by else rows


def _result(at: Frame, sources: Sequence[Term], rows: Term) -> Term:
    """The rows; of sources that are no lists the one row; null if a source is."""
    lists = " or ".join(f"type({source.code}) is list" for source in sources)
    if any(isinstance(source.type, ListType) for source in sources):
        code, type_ = rows.code, rows.type
    elif all(_is_single(source.type) for source in sources):
        code, type_ = f"({rows.code}[0] if {rows.code} else None)", element(rows.type)
    else:
        one = f"({rows.code}[0] if {rows.code} else None)"
        code, type_ = f"({rows.code} if {lists} else {one})", ANY
    nulls = " or ".join(f"{source.code} is None" for source in sources if source.nullable)
    code = f"(None if {nulls} else {code})" if nulls else code
    return Term(code, type_, bool(nulls), exact=rows.exact and type_ != ANY)


def _is_single(type_: Type) -> bool:
    """Whether a value of the type is no list."""
    if isinstance(type_, ChoiceType):
        return all(_is_single(choice) for choice in type_.choices)
    return type_ != ANY and not isinstance(type_, ListType)


# 10.2, 10.3. AliasedQuerySource, AliasRef


@lowers("AliasRef", "QueryLetRef")
def alias_ref(at: Frame, node: Node) -> Term:
    """The current item of a source; the value of a let."""
    return at.bound("alias", node["name"], node)


def _loop(at: Frame, node: Node, sources: Sequence[Term], each: Each) -> None:
    """Writes the loops over the sources, down to `each` for the rows that the clauses keep."""
    inner = at
    with ExitStack() as loops:
        for source, term in zip(node["source"], sources, strict=True):
            item = at.body.name(source["alias"])
            loops.enter_context(at.body.block(f"for {item} in {_items(at, term)}:"))
            inner = inner.bind(**{f"alias:{source['alias']}": _item(item, term)})
        inner = _lets(inner, node)
        for relationship in node.get("relationship") or ():
            _relate(inner, relationship)
        if node.get("where") is not None:
            _keep(inner, inner.condition(node["where"]))
        each(inner)


def _item(name: str, source: Term) -> Term:
    """The term of the source's current item."""
    type_ = element(source.type) if isinstance(source.type, ListType) else _single(source.type)
    return Term(name, type_, atom=True, exact=source.exact)


def _items(at: Frame, term: Term) -> str:
    """What a loop runs over: a list's items, or the one value that is none; nothing of null."""
    if isinstance(term.type, ListType):
        return f"{term.code} or ()" if term.nullable else term.code
    if _is_single(term.type) and not term.nullable:
        return f"({term.code},)"
    return f"{at.unit.call(items)}({term.code})"


def items(value: Any) -> Sequence[Any]:
    """The items of a list; of another value itself; of null none."""
    if value is None:
        return ()
    return value if type(value) is list else (value,)


def _single(type_: Type) -> Type:
    """The type of one item of what may be a list or not."""
    if isinstance(type_, ChoiceType):
        return union(element(one) if isinstance(one, ListType) else one for one in type_.choices)
    return type_


def _keep(at: Frame, condition: str) -> None:
    with at.body.block(f"if not {condition}:"):
        at.body.line("continue")


# 10.6, 10.7. LetClause, QueryLetRef


def _lets(at: Frame, node: Node) -> Frame:
    for let in node.get("let") or ():
        term = at.atom(let["expression"], let["identifier"])
        at = at.bind(**{f"alias:{let['identifier']}": term})
    return at


# 10.8 to 10.13. ReturnClause, SortClause, With, Without


def _row(at: Frame, node: Node) -> Term:
    """What the query returns for the current items."""
    if node.get("return") is not None:
        return at.lower(node["return"]["expression"])
    aliases = [source["alias"] for source in node["source"]]
    terms = {alias: at.bound("alias", alias, node) for alias in aliases}
    if len(terms) == 1:
        return terms[aliases[0]]
    code = ", ".join(f"{alias!r}: {term.code}" for alias, term in terms.items())
    type_ = tuple_type((alias, term.type) for alias, term in terms.items())
    return Term(f"{{{code}}}", type_, nullable=False)


def _relate(at: Frame, node: Node) -> None:
    """Keeps the rows for which there is (without: is not) such a related item."""
    if node.get("type") not in ("With", "Without"):
        at.fail(f"The engine does not know the relationship {node.get('type')!r}", node)
    source = at.atom(node["expression"], "related")
    found = at.body.name("found")
    item = at.body.name(node["alias"])
    at.body.line(f"{found} = False")
    with at.body.block(f"for {item} in {_items(at, source)}:"):
        inner = at.bind(**{f"alias:{node['alias']}": _item(item, source)})
        with at.body.block(f"if {inner.condition(node['suchThat'])}:"):
            at.body.line(f"{found} = True")
            at.body.line("break")
    _keep(at, found if node["type"] == "With" else f"(not {found})")


# 10.4. AggregateClause


def _aggregate(at: Frame, node: Node, sources: Sequence[Term]) -> Term:
    """The value that the rows are folded into, in their order; null if a source is."""
    clause = node["aggregate"]
    starting = clause.get("starting")
    start = at.lower(starting) if starting is not None else Term("None", atom=True)
    result = at.body.name(clause["identifier"])
    type_ = at.declared(node) or at.declared(clause) or start.type
    total = Term(result, type_, atom=True)
    bound = {f"alias:{clause['identifier']}": total}
    if clause.get("distinct", False):
        return _aggregate_distinct(at, node, sources, start, total)
    at.body.line(f"{result} = {start.code}")

    def fold(inner: Frame) -> None:
        term = inner.bind(**bound).lower(clause["expression"])
        inner.body.line(f"{result} = {term.code}")

    _loop(at, node, sources, fold)
    nulls = " or ".join(f"{source.code} is None" for source in sources if source.nullable)
    return Term(f"(None if {nulls} else {result})" if nulls else result, type_)


def _aggregate_distinct(
    at: Frame, node: Node, sources: Sequence[Term], start: Term, total: Term
) -> Term:
    """Folds the distinct rows: gathers them first, then runs over them."""
    clause = node["aggregate"]
    rows = at.body.name("rows")
    at.body.line(f"{rows} = []")
    aliases = [source["alias"] for source in node["source"]]
    types: dict[str, Type] = {}

    def gather(inner: Frame) -> None:
        terms = {alias: inner.bound("alias", alias, node) for alias in aliases}
        types.update({alias: term.type for alias, term in terms.items()})
        code = ", ".join(f"{alias!r}: {term.code}" for alias, term in terms.items())
        inner.body.line(f"{rows}.append({{{code}}})")

    _loop(at, node, sources, gather)
    gathered = Term(rows, ListType(ANY), nullable=False, atom=True)
    distinct = combine(at, {"type": "Distinct"}, "Distinct", gathered)
    at.body.line(f"{total.code} = {start.code}")
    row = at.body.name("row")
    with at.body.block(f"for {row} in {distinct.code}:"):
        terms = {
            f"alias:{alias}": at.body.assign(Term(f"{row}[{alias!r}]", types[alias]), alias)
            for alias in aliases
        }
        inner = _lets(at.bind(**terms), node)
        inner = inner.bind(**{f"alias:{clause['identifier']}": total})
        at.body.line(f"{total.code} = {inner.lower(clause['expression']).code}")
    return total


# 10.9 to 10.11. SortClause: ByColumn, ByDirection, ByExpression; IdentifierRef

_DESCENDING = {"asc": False, "ascending": False, "desc": True, "descending": True}


def sort(at: Frame, rows: Term, by: Sequence[Node]) -> Term:
    """The rows in the order of the sort items, the first of them first; nulls are least."""
    keys = at.body.name("keys")
    item = at.body.name("item")
    this = Term(item, element(rows.type), atom=True, exact=rows.exact)
    inner = at.bind(**{"$this": this})
    at.body.line(f"{keys} = []")
    with at.body.block(f"for {item} in {rows.code}:"):
        codes = [_key(inner, one, this).code for one in by]
        at.body.line(f"{keys}.append(({', '.join(codes)},))")
    descending = tuple(_descending(at, one) for one in by)
    code = f"{at.unit.call(ordered)}({rows.code}, {keys}, {descending!r})"
    return at.body.assign(replace(rows, code=code, atom=False), "sorted")


def _descending(at: Frame, item: Node) -> bool:
    direction = item.get("direction", "asc")
    if direction not in _DESCENDING:
        at.fail(f"There is no sort direction {direction!r}", item)
    return _DESCENDING[direction]


def _key(at: Frame, item: Node, this: Term) -> Term:
    match item.get("type"):
        case "ByDirection":
            return this
        case "ByColumn" if item["path"] == "$this":
            return this
        case "ByColumn":
            return element_of(at, this, item["path"], item)
        case "ByExpression":
            return at.lower(item["expression"])
        case kind:
            at.fail(f"The engine does not know the sort item {kind!r}", item)


@lowers("IdentifierRef")
def identifier_ref(at: Frame, node: Node) -> Term:
    """In a sort expression, an element of the row."""
    this = at.scope.get("$this")
    if this is None:
        at.fail(f"The identifier {node['name']!r} is not resolved", node)
    if node["name"] == "$this":
        return this
    return element_of(at, this, node["name"], node)


def ordered(rows: list[Any], keys: list[tuple[Any, ...]], descending: Sequence[bool]) -> list[Any]:
    """The rows in the order of their keys, stable; null keys come before all others.

    Of dates whose order is not known the one that may be earlier comes first (`sort_order`).
    """

    def order(left: int, right: int) -> int:
        for one, other, down in zip(keys[left], keys[right], descending, strict=True):
            decided = _order(one, other)
            if decided:
                return -decided if down else decided
        return 0

    return [rows[at] for at in sorted(range(len(rows)), key=cmp_to_key(order))]


def _order(left: Any, right: Any) -> int:
    if left is None or right is None:
        return int(left is not None) - int(right is not None)
    return sort_order(left, right)


# 20.10. Exists of a query stops at the first row


@tests("Exists")
def exists(at: Frame, node: Node) -> str:
    """True when a list has an item that is not null."""
    return _exists(at, node).code


@lowers("Exists")
def exists_value(at: Frame, node: Node) -> Term:
    """True when a list has an item that is not null; never null."""
    return _exists(at, node)


def _exists(at: Frame, node: Node) -> Term:
    operand = node["operand"]
    rows = operand.get("type") == "Query" and not operand.get("aggregate")
    if rows and len(operand["source"]) == 1 and not at.hoists(operand):
        return _exists_row(at, operand)
    found = combine(at, node, "Exists", at.lower(operand))
    return Term(found.code, BOOLEAN, nullable=False)


def _exists_row(at: Frame, node: Node) -> Term:
    source = at.atom(node["source"][0]["expression"], "source")
    found = at.body.name("found")
    at.body.line(f"{found} = False")

    def stop(inner: Frame) -> None:
        row = inner.body.assign(_row(inner, node))
        with inner.body.block(f"if {row.code} is not None:" if row.nullable else "if True:"):
            inner.body.line(f"{found} = True")
            inner.body.line("break")

    _loop(at, node, [source], stop)
    return Term(found, BOOLEAN, nullable=False, atom=True)
