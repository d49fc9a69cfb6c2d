"""From ELM to a Program: the passes, in their order.

link        the main library with all that it includes           service.cql.library
lower       every reachable definition to Python source,         service.cql.lowering,
            each when it is first referred to; what depends on    service.cql.operators,
            no patient or no loop is hoisted out on the way       service.cql.dependence
survey      parameters, uses, and value sets that are missing
assemble    the source compiled to one Python module
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from service.cql.assembly import Assembly
from service.cql.dependence import is_unfiltered
from service.cql.library import Library, link
from service.cql.lowering import Frame
from service.cql.model import Model
from service.cql.operators import lowered
from service.cql.operators.reusing_logic import define, function, operand_types
from service.cql.program import Overload, Parameter, Program, Uses
from service.cql.terminology import Terminology
from service.cql.trace import Sites
from service.cql.types import ANY, SYSTEM, Type
from service.errors import CompileError

lowered.register()


def compile_program(
    libraries: Iterable[Mapping[str, Any]],
    main: str,
    terminology: Terminology,
    model: Model,
    expressions: Collection[str] | None = None,
    *,
    traced: bool = False,
) -> Program:
    """The program for the definitions and functions `expressions` of library `main` (None: all).

    `libraries` are decoded ELM JSON documents. A `traced` program gives the same values and tells
    a Trace of every step. Raises CompileError for whatever these definitions reach that the engine
    does not understand.
    """
    documents = list(libraries)
    library = link(documents, main)
    unit = Assembly(model, terminology, sites=Sites() if traced else None)
    _check_usings(library, model)
    wanted = _wanted(library, expressions)
    try:
        unit.is_mixed = _is_mixed(unit, library)
        attributes, types = _lower_expressions(unit, library, wanted)
        functions = _lower_functions(unit, library, wanted)
    except RecursionError:
        raise CompileError(
            "The logic is nested too deeply", where=f"library {library.name}"
        ) from None
    again = partial(compile_program, documents, main, terminology, model, expressions, traced=True)
    return _assemble(unit, library, attributes, types, functions, again)


def _check_usings(main: Library, model: Model) -> None:
    for library in _all(main):
        for using in library.usings:
            uri, version = using.get("uri"), using.get("version")
            if uri == SYSTEM:
                continue
            # A model that is mapped to this one (QI-Core to FHIR) has its own version.
            other = using.get("localIdentifier") == model.name and version != model.version
            if uri != model.namespace or (version is not None and other):
                name = f"{using.get('localIdentifier')} {version or ''}".strip()
                raise CompileError(
                    f"The engine does not know the data model {name} ({uri})",
                    where=f"library {library.name}",
                    todo=f"It knows {model.name} {model.version}",
                )


def _all(main: Library) -> Iterator[Library]:
    """The library and all that it includes, each once."""
    seen = {main.name: main}
    queue = [main]
    while queue:
        library = queue.pop()
        yield library
        for included in library.includes.values():
            if included.name not in seen:
                seen[included.name] = included
                queue.append(included)


def _is_mixed(unit: Assembly, main: Library) -> bool:
    """Whether any logic is about the data of all patients."""
    return any(
        is_unfiltered(node) and unit.dependences.of(node.get("expression", {}), library).patient
        for library in _all(main)
        for node in library.expressions.values()
    )


def _wanted(library: Library, expressions: Collection[str] | None) -> list[str]:
    if expressions is None:
        return [*library.expressions, *library.functions]
    for name in expressions:
        if name not in library.expressions and name not in library.functions:
            raise CompileError(f"Library {library.name} does not define {name!r}")
    return list(expressions)


def _lower_expressions(
    unit: Assembly, library: Library, wanted: Iterable[str]
) -> tuple[dict[str, tuple[str, bool]], dict[str, Type]]:
    """The attribute (and whether it is the session's) and the type of each wanted expression."""
    found = {
        name: define(Frame(unit, library, name)) for name in wanted if name in library.expressions
    }
    attributes = {name: (one.attribute, one.session) for name, one in found.items()}
    return attributes, {name: one.type or ANY for name, one in found.items()}


def _lower_functions(
    unit: Assembly, library: Library, wanted: Iterable[str]
) -> dict[str, tuple[Overload, ...]]:
    found: dict[str, tuple[Overload, ...]] = {}
    for name in wanted:
        at = Frame(unit, library, name)
        overloads = [one for one in library.functions.get(name, ()) if "expression" in one]
        if overloads:
            found[name] = tuple(
                Overload(function(at, one, tuple((type_, False) for type_ in types)).name, types)
                for one in overloads
                for types in [operand_types(at, one)]
            )
    return found


def _parameters(unit: Assembly) -> dict[str, Parameter]:
    """Every parameter by its name, for all libraries that declare it."""
    found: dict[str, Parameter] = {}
    for (library, name), slot in unit.parameters.items():
        same = found.get(name, Parameter(slot.type, False, ()))
        if same.type != slot.type:
            raise CompileError(
                f"The parameter {name!r} is a {slot.type} here and a {same.type} elsewhere",
                where=f"library {library}",
            )
        required = slot.required or same.required
        found[name] = Parameter(slot.type, required, (*same.attributes, slot.attribute))
    return found


def _uses(unit: Assembly) -> Uses:
    elements: dict[str, frozenset[str]] = {}
    parts: dict[str, frozenset[str]] = {}
    for info in unit.model.classes.values():
        local = info.name.rpartition("}")[2]
        if local in unit.elements:
            unknown = unit.unknown & unit.model.elements(info.name).keys()
            found = elements if info.retrievable else parts
            found[local] = frozenset(unit.elements[local] | unknown)
    retrieves, everyone = tuple(unit.retrieve_uses), frozenset(unit.everyone)
    return Uses(frozenset(unit.value_sets), retrieves, elements, parts, everyone)


def _notices(unit: Assembly, main: Library) -> Iterator[str]:
    """Value sets that are declared, never used and not there."""
    for library in _all(main):
        for node in library.value_sets.values():
            url, _, version = node["id"].partition("|")
            version = node.get("version") or version or None
            used = (f"{url}|{version}" if version else url) in unit.value_sets
            if not used and not unit.terminology.has_value_set(url, version):
                yield f"Value set {url} is declared in {library.name}, not used and missing"


def _assemble(
    unit: Assembly,
    library: Library,
    attributes: Mapping[str, tuple[str, bool]],
    types: Mapping[str, Type],
    functions: Mapping[str, tuple[Overload, ...]],
    traced: Callable[[], Program],
) -> Program:
    source = "\n\n\n".join(unit.functions) + "\n"
    try:
        with warnings.catch_warnings():
            # Python thinks it odd to ask whether 5 is None; logic may ask that of a constant.
            warnings.simplefilter("ignore", SyntaxWarning)
            code = compile(source, f"<{library.name.id}>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise CompileError(
            f"The logic cannot be made a program: {type(error).__name__}",
            where=f"library {library.name}",
            todo="Split its longest or most deeply nested definition",
        ) from error
    return Program(
        library=library.name,
        expressions=types,
        functions=functions,
        parameters=_parameters(unit),
        uses=_uses(unit),
        needs_everyone=unit.needs_everyone,
        unfiltered=frozenset(
            name for name in attributes if is_unfiltered(library.expressions[name])
        ),
        notices=tuple(sorted(set(_notices(unit, library)))),
        source=source,
        model=unit.model,
        terminology=unit.terminology,
        code=code,
        attributes=attributes,
        names=unit.constants,
        tests=unit.tests,
        classes=unit.classes,
        lazies=tuple(unit.lazies),
        memos=unit.memos,
        places=unit.places,
        traced=traced,
        sites=tuple(unit.sites.all) if unit.sites else (),
    )
