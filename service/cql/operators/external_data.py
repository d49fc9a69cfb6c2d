"""11. External Data: retrieves, and the value sets and codes of section 3 that filter them.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.cql.library import Library, Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.calls import combine
from service.cql.operators.reusing_logic import library_of
from service.cql.operators.structured_values import element_of
from service.cql.retrieval import (
    CodeIndex,
    CodeReader,
    Retrieval,
    RetrieveUse,
    code_reader,
    keys_of,
)
from service.cql.source import Term
from service.cql.types import (
    CODE,
    CODESYSTEM,
    CONCEPT,
    VALUESET,
    ListType,
    NamedType,
    Type,
)
from service.cql.values import Code, Concept, Interval, Structured, ValueSet
from service.errors import CompileError

# 3.3 to 3.6, 3.12. ValueSetDef and Ref, CodeSystemDef and Ref, CodeDef and Ref, ConceptDef and Ref


@lowers("ValueSetRef")
def value_set_ref(at: Frame, node: Node) -> Term:
    """The value set with its expansion; its codes, where the ELM says it is a list of them.

    Raises CompileError when the package does not have it.
    """
    found = value_set(at, library_of(at, node), node)
    if not node.get("preserve") and isinstance(at.declared(node), ListType):
        return at.unit.pooled(list(found.expansion), ("codes", found), ListType(CODE))
    return at.unit.constant(found, VALUESET)


def value_set(at: Frame, library: Library, node: Node) -> ValueSet:
    """The value set that `library` declares by the node's name."""
    found = _declared(at, library.value_sets, "value set", node)
    url, _, version = found["id"].partition("|")
    version = found.get("version") or version
    canonical = f"{url}|{version}" if version else url
    if canonical not in at.unit.value_sets:
        try:
            made = at.unit.terminology.value_set(url, version or None, found["name"])
        except CompileError as error:
            raise CompileError(error.what, where=at.where(node), todo=error.todo) from error
        at.unit.value_sets[canonical] = made
    return at.unit.value_sets[canonical]


def _declared(at: Frame, there: dict[str, Node], kind: str, node: Node) -> Node:
    found = there.get(node["name"])
    if found is None:
        at.fail(f"The library declares no {kind} {node['name']!r}", node)
    return found


@lowers("CodeSystemRef")
def code_system_ref(at: Frame, node: Node) -> Term:
    """The code system, with its codes where the package has them"""
    found = _declared(at, library_of(at, node).code_systems, "code system", node)
    terminology = at.unit.terminology
    made = terminology.code_system(found["id"], found.get("version"), found["name"])
    return at.unit.pooled(made, ("code system", found["id"], found.get("version")), CODESYSTEM)


@lowers("CodeRef")
def code_ref(at: Frame, node: Node) -> Term:
    """The code that a library declares."""
    made = code(at, library_of(at, node), node)
    return at.unit.pooled(made, made, CODE)


def code(at: Frame, library: Library, node: Node) -> Code:
    """The code that `library` declares by the node's name."""
    found = _declared(at, library.codes, "code", node)
    return _code_of(at, library, found["id"], found.get("codeSystem"), found.get("display"))


def _code_of(
    at: Frame, library: Library, code: str, system: Node | None, display: str | None
) -> Code:
    """A code of the code system that a reference in `library` names."""
    if not system:
        return Code(code, display=display)
    where = library.includes.get(system.get("libraryName") or "", library)
    declared = _declared(at, where.code_systems, "code system", system)
    return Code(code, declared["id"], declared.get("version"), display)


# 3.1. Code, 3.7. Concept


@lowers("Code")
def code_selector(at: Frame, node: Node) -> Term:
    """A code that is written where it is used."""
    made = _selected(at, node)
    return at.unit.pooled(made, made, CODE)


@lowers("Concept")
def concept_selector(at: Frame, node: Node) -> Term:
    """A concept that is written where it is used."""
    codes = tuple(_selected(at, one) for one in node.get("code") or ())
    made = Concept(codes, node.get("display"))
    return at.unit.pooled(made, made, CONCEPT)


def _selected(at: Frame, node: Node) -> Code:
    return _code_of(at, at.library, node["code"], node.get("system"), node.get("display"))


@lowers("ConceptRef")
def concept_ref(at: Frame, node: Node) -> Term:
    """The concept that a library declares."""
    library = library_of(at, node)
    found = _declared(at, library.concepts, "concept", node)
    codes = tuple(
        code(at, library.includes.get(one.get("libraryName") or "", library), one)
        for one in found.get("code") or ()
    )
    made = Concept(codes, found.get("display"))
    return at.unit.pooled(made, made, CONCEPT)


# 11.1. Retrieve


@dataclass(frozen=True)
class _Filter:
    """The code filter of a retrieve; `stated`: its codes where the logic has them written."""

    path: str
    comparator: str
    codes: Node
    stated: tuple[ValueSet | Code, ...] | None


@lowers("Retrieve")
def retrieve(at: Frame, node: Node) -> Term:
    """The resources of a type that conform to a profile and have one of the codes."""
    _refuse(at, node)
    type_ = at.typed(node, "dataType")
    info = at.unit.model.classes.get(type_.name) if isinstance(type_, NamedType) else None
    if info is None or not isinstance(type_, NamedType) or not info.retrievable:
        at.fail(f"The engine cannot retrieve {type_}", node)
    template = node.get("templateId")
    filter_ = _filter(at, node, info.code_path)
    _note(at, node, type_, template, filter_)
    term = _retrieval(at, node, type_, template, filter_)
    return _dated(at, node, term) if node.get("dateRange") is not None else term


def _refuse(at: Frame, node: Node) -> None:
    # `include` only says what a data source may fetch along with the resources.
    for part in ("id", "context", "codeFilter", "dateFilter", "otherFilter"):
        if node.get(part):
            at.fail(f"The engine does not know `{part}` of a retrieve", node)
    if at.context == "U" and not at.everyone:
        at.fail("Resources are retrieved where there is no patient", node)


def _retrieval(
    at: Frame, node: Node, type_: NamedType, template: str | None, filter_: _Filter | None
) -> Term:
    types = _types(at, type_)
    if at.everyone:
        at.unit.needs_everyone = True
        at.unit.everyone.update(types)
    conforms = at.unit.model.profiles.rule(type_.local, template) if template else None
    read = _reader(at, node, type_, filter_) if filter_ else None
    fixed = True
    if filter_ is not None and read is not None and filter_.stated is not None:
        made = CodeIndex(types, conforms, read)
        key = (type_, template, filter_.path, filter_.comparator == "=")
        index = at.unit.indexes.setdefault(key, made)
        slot = index.add(keys_of(list(filter_.stated), filter_.comparator) or frozenset())
        code = f"c.coded({at.unit.constant(index).code}, {slot})"
    else:
        retrieval = at.unit.constant(Retrieval(types, conforms, read)).code
        wanted, fixed = _keys(at, filter_)
        code = f"c.retrieve({retrieval}, {wanted})"
    if len(types) == 1:
        code = f"({code} if {types[0]!r} in c.there else [])"
    found = Term(code, ListType(type_), nullable=False, exact=True)
    # Inside a loop or function once per patient, elsewhere where it stands.
    hoisted = at.scope and fixed
    return at.lazy("r", lambda inner: found, session=at.everyone) if hoisted else found


def _keys(at: Frame, filter_: _Filter | None) -> tuple[str, bool]:
    """The keys of codes that are only known when the logic runs; whether patients share them."""
    if filter_ is None:
        return "None", True
    depends = at.unit.dependences.of(filter_.codes, at.library)
    codes = at.lower(filter_.codes)
    keys = f"{at.unit.call(keys_of)}({codes.code}, {filter_.comparator!r})"
    return keys, not (depends.names or depends.patient)


def _reader(at: Frame, node: Node, type_: NamedType, filter_: _Filter) -> CodeReader:
    read = code_reader(at.unit.model, type_, filter_.path, filter_.comparator)
    if read is None:
        at.fail(f"{type_} has no codes at {filter_.path!r}", node)
    return read


def _types(at: Frame, type_: NamedType) -> tuple[str, ...]:
    """The resource types to look through: the class and those derived from it."""
    classes = at.unit.model.classes.values()
    derived = (NamedType(one.name) for one in classes if one.retrievable)
    return tuple(one.local for one in derived if at.is_subtype(one, type_))


def _note(
    at: Frame, node: Node, type_: NamedType, template: str | None, filter_: _Filter | None
) -> None:
    """Notes what the retrieve reads."""
    at.unit.reads(type_, "id")
    if filter_ is not None:
        at.unit.reads(type_, filter_.path.partition(".")[0])
    if template is not None:
        for element in at.unit.model.profiles.elements(type_.local, template):
            at.unit.reads(type_, element)
    stated = (filter_.stated if filter_ else None) or ()
    use = RetrieveUse(
        type_.local,
        template,
        filter_.path if filter_ else None,
        tuple(url for url, one in at.unit.value_sets.items() if one in stated),
        tuple(one for one in stated if isinstance(one, Code)),
        at.unit.dates.get(id(node), ()),
        at.unit.choices.get(id(node)),
    )
    if use not in at.unit.retrieve_uses:
        at.unit.retrieve_uses.append(use)


def _filter(at: Frame, node: Node, primary: str | None) -> _Filter | None:
    codes = node.get("codes")
    if codes is None:
        return None
    path = node.get("codeProperty") or primary
    if not path:
        at.fail("The retrieve filters by codes but names no element", node)
    comparator = node.get("codeComparator") or ("in" if codes["type"] == "ValueSetRef" else "~")
    if comparator not in ("in", "=", "~"):
        at.fail(f"There is no code comparator {comparator!r}", node)
    stated = _stated(at, codes)
    if comparator == "=" and any(isinstance(one, ValueSet) for one in stated or ()):
        at.fail("A code is never equal to a value set: compare with `in`", node)
    return _Filter(path, comparator, codes, stated)


def _stated(at: Frame, codes: Node) -> tuple[ValueSet | Code, ...] | None:
    """The value set and codes that a filter states; None if it has to be computed."""
    match codes.get("type"):
        case "ValueSetRef":
            return (value_set(at, library_of(at, codes), codes),)
        case "CodeRef":
            return (code(at, library_of(at, codes), codes),)
        case "ToList":
            return _stated(at, codes["operand"])
        case "List":
            parts = [_stated(at, one) for one in codes.get("element") or ()]
            if None not in parts:
                return tuple(one for part in parts for one in part or ())
    return None


# 11.1. dateProperty and dateRange


def _dated(at: Frame, node: Node, resources: Term) -> Term:
    """The resources whose date lies in the range."""
    path = node.get("dateProperty")
    if not path:
        at.fail("The retrieve filters by dates but names no element", node)
    range_ = at.atom(node["dateRange"])
    kept, item = at.body.name("kept"), at.body.name("resource")
    type_: Type = resources.type.element if isinstance(resources.type, ListType) else resources.type
    at.body.line(f"{kept} = []")
    with at.body.block(f"for {item} in {resources.code}:"):
        dated = element_of(at, Term(item, type_, nullable=False, atom=True), path, node)
        when = at.body.assign(Term(f"{at.unit.call(period)}({dated.code})"))
        inside = combine(at, {"type": "IncludedIn"}, "IncludedIn", when, range_)
        with at.body.block(f"if {inside.code}:"):
            at.body.line(f"{kept}.append({item})")
    return Term(kept, resources.type, nullable=False, atom=True)


def period(element: Structured | None) -> Interval | None:
    """The time that an element of a resource tells: a Period's, a dateTime's, a date's."""
    if element is None:
        return None
    held = element.elements()
    if "start" in held or "end" in held:
        start, end = (held.get(name) for name in ("start", "end"))
        low, high = (getattr(bound, "value", None) for bound in (start, end))
        return Interval(low, high, True, high is not None or end is None, "DateTime")
    when = held.get("value")
    return None if when is None else Interval(when, when)
