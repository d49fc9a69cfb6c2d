"""9. Reusing Logic: expressions, functions, parameters and their definitions.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. A definition is
lowered when it is first referred to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from service.cql.assembly import Definition, Function, Memo, Operands, ParameterSlot
from service.cql.dependence import is_lent, is_unfiltered, referred
from service.cql.library import Library, Node
from service.cql.lowering import Frame, lowers
from service.cql.source import Body, Term
from service.cql.types import (
    ANY,
    ChoiceType,
    ListType,
    NamedType,
    Type,
    choices,
    parse_specifier,
    union,
)
from service.errors import EvaluationError

Fits = Callable[[Type, Type], bool]

# 9.1, 9.2. ExpressionDef, ExpressionRef


@lowers("ExpressionRef")
def expression_ref(at: Frame, node: Node) -> Term:
    """The value of a named expression, computed once per patient (or session)."""
    library = library_of(at, node)
    name = node["name"]
    if name not in library.expressions:
        at.fail(f"Library {library.name} defines no expression {name!r}", node)
    definition = define(replace(at, library=library, definition=name))
    if definition.type is None:
        at.fail(f"The definition {name!r} refers to itself", node)
    if at.everyone and not is_unfiltered(library.expressions[name]):
        if at.lent:  # is it one patient's value, as its types say, or all patients'?
            at.fail(f"A function about one patient uses {name!r} where there is none", node)
        return _of_everyone(at, definition)
    if at.context == "U" and not definition.session:
        at.fail(f"{name!r} is about one patient and is used where there is none", node)
    context = "U" if definition.session else at.context
    code = f"{context}.{definition.attribute}"
    return Term(code, definition.type, definition.nullable, exact=definition.exact)


def _of_everyone(at: Frame, definition: Definition) -> Term:
    """What a definition about one patient gives in the Unfiltered context.

    "... the execution of that expression for each patient in the unfiltered context, and the
    implementation environment combines the results" (Author's Guide, Retrieve Context): a list of
    the values, and of lists one list.
    """
    at.unit.needs_everyone = True
    type_ = definition.type or ANY
    is_list = isinstance(type_, ListType)
    values = Term(
        f"S.of_everyone({definition.attribute!r}, {is_list})",
        type_ if is_list else ListType(type_),
        nullable=False,
    )
    return at.lazy("e", lambda inner: values, session=True)


def library_of(at: Frame, node: Node) -> Library:
    """The library that the reference's `libraryName` means."""
    library = referred(node, at.library)
    if library is None:
        at.fail(f"No library is included as {node['libraryName']!r}", node)
    return library


def define(at: Frame) -> Definition:
    """The definition that `at` names, lowered if it is not yet."""
    unit, key = at.unit, (at.library.name, at.definition)
    if key in unit.definitions:
        return unit.definitions[key]
    node = at.library.expressions[at.definition]
    if "expression" not in node:
        at.fail("The definition has no expression", node)
    everyone = is_unfiltered(node)
    patient = unit.dependences.of(node["expression"], at.library).patient
    if patient and not everyone and node.get("context", "Patient") != "Patient":
        at.fail(f"The engine does not know the context {node['context']!r}", node)
    session = everyone or not patient
    definition = unit.definitions[key] = Definition(unit.fresh("d"), session)
    context = "U" if session else "c"
    inner = Frame(unit, at.library, at.definition, Body(), context, everyone=everyone)
    term = inner.lower(node["expression"])
    unit.write(definition.attribute, [], inner.body, term.code, at.place)
    unit.lazies.append(definition.attribute)
    definition.nullable, definition.exact = term.nullable, term.exact
    definition.type = (at.declared(node) or ANY) if term.type == ANY else term.type
    return definition


# 9.3. FunctionDef


def function(at: Frame, node: Node, operands: Operands) -> Function:
    """The Python function of the function definition `node`, that `at` names.

    It is lowered for the types that its callers pass: of a choice, their part of it; and for the
    context in which they call it.
    """
    unit, key = at.unit, (id(node), operands, at.everyone)
    if key in unit.overloads:
        return unit.overloads[key]
    made = Function(unit.fresh("f"), at.declared(node) or ANY)
    unit.overloads[key] = made  # before its body, which may call it
    context, lent = "U" if at.everyone else "c", at.everyone and is_lent(node)
    inner = replace(at, body=Body(), context=context, scope={}, lent=lent)
    names = [inner.body.name(operand["name"]) for operand in node.get("operand") or ()]
    scope = {
        f"operand:{operand['name']}": Term(name, type_, atom=True, exact=exact)
        for operand, name, (type_, exact) in zip(
            node.get("operand") or (), names, operands, strict=True
        )
    }
    term = inner.bind(**scope).lower(node["expression"])
    unit.write(made.name, names, inner.body, term.code, at.place)
    if term.type != ANY:
        made.result, made.exact = term.type, term.exact
    return made


def operand_types(at: Frame, node: Node) -> tuple[Type, ...]:
    """The operand types of a function definition."""
    operands = node.get("operand") or ()
    return tuple(at.typed(operand, "operandType") or ANY for operand in operands)


# 9.4. FunctionRef


@lowers("FunctionRef")
def function_ref(at: Frame, node: Node) -> Term:
    """The overload that the operands' types choose; when the logic runs, if only that can tell."""
    library = library_of(at, node)
    there = replace(at, library=library, definition=node["name"])
    arguments = [at.atom(operand) for operand in node.get("operand") or ()]
    named = library.functions.get(node["name"], [])
    candidates = [one for one in named if len(one.get("operand") or ()) == len(arguments)]
    chosen = _choose(at, there, node, candidates, [argument.type for argument in arguments])
    if not chosen:
        at.fail(f"Library {library.name} has no function {node['name']!r} of these types", node)
    if len(chosen) == 1:
        return _call(at, there, node, chosen[0], arguments)
    return _dispatch(at, there, node, chosen, arguments)


def _choose(
    at: Frame, there: Frame, node: Node, candidates: Sequence[Node], types: Sequence[Type]
) -> Sequence[Node]:
    """The one overload that is meant, or those that may be."""
    if len(candidates) < 2:
        return candidates
    signature = tuple(parse_specifier(one) for one in node.get("signature") or ())
    for wanted in (signature, tuple(types)):
        exact = [one for one in candidates if operand_types(there, one) == wanted]
        if exact:
            return exact[:1]
    fitting = _takers(there, candidates, types, at.is_subtype)
    return fitting or _takers(there, candidates, types, at.may_be)


def _takers(
    there: Frame, candidates: Sequence[Node], types: Sequence[Type], fits: Fits
) -> Sequence[Node]:
    """The overloads whose every operand fits the argument's type."""
    return [one for one in candidates if all(map(fits, types, operand_types(there, one)))]


def _call(at: Frame, there: Frame, node: Node, definition: Node, arguments: Sequence[Term]) -> Term:
    if at.context == "U" and _is_about_a_patient(at, node, definition):
        at.fail(f"{node['name']!r} is about one patient and is used where there is none", node)
    codes = ", ".join(argument.code for argument in arguments)
    if "expression" not in definition:
        return _external(at, there, node, definition, codes)
    made = function(there, definition, _narrowed(there, definition, arguments))
    result = made.result if made.result != ANY else at.declared(node) or ANY
    call = f"{made.name}({at.context}{', ' * bool(codes)}{codes})"
    if _is_memo(there, definition, arguments):
        call = _memo(at, there, definition, made, arguments[0])
    return Term(call, result, exact=made.exact)


def _is_about_a_patient(at: Frame, node: Node, definition: Node) -> bool:
    """Whether the called function needs a patient's record; an external one may look into it."""
    if at.everyone:
        return "expression" not in definition
    return at.unit.dependences.of(node, at.library).patient


def _is_memo(there: Frame, definition: Node, arguments: Sequence[Term]) -> bool:
    """Whether the result may be kept with the one element that it is computed from."""
    if len(arguments) != 1 or not arguments[0].exact or there.unit.sites is not None:
        return False
    depends = there.unit.dependences.of(definition["expression"], there.library)
    classes = there.unit.model.classes
    named = [classes.get(getattr(one, "name", "")) for one in choices(arguments[0].type)]
    if depends.patient and there.unit.is_mixed:
        return False  # the element may be another patient's
    # Only a resource knows the patient that it belongs to.
    return not depends.effect and all(
        info is not None and (info.retrievable or not depends.patient) for info in named
    )


def _memo(at: Frame, there: Frame, definition: Node, made: Function, argument: Term) -> str:
    """The function as a lazy attribute of the element's class."""
    named = {one.name for one in choices(argument.type) if isinstance(one, NamedType)}
    depends = there.unit.dependences.of(definition["expression"], there.library)
    kept = at.unit.memos.setdefault(made.name, Memo(depends.patient))
    kept.classes.update(named)
    found = f"{argument.code}.{made.name}"
    if not argument.nullable:
        return found
    of_null = there.lazy(
        "n", lambda inner: Term(f"{made.name}(c, None)"), session=not depends.patient
    )
    null = of_null.code if of_null.code.startswith("U") else f"{at.context}{of_null.code[1:]}"
    return f"({null} if {argument.code} is None else {found})"


def _narrowed(there: Frame, definition: Node, arguments: Sequence[Term]) -> Operands:
    """The operand types of a call: of a choice only what the argument can be."""
    return tuple(
        _operand(there, argument, declared)
        for argument, declared in zip(arguments, operand_types(there, definition), strict=True)
    )


def _operand(there: Frame, argument: Term, declared: Type) -> tuple[Type, bool]:
    if not argument.exact or not there.is_subtype(argument.type, declared):
        return declared, False
    return (argument.type if isinstance(declared, ChoiceType) else declared), True


def _external(at: Frame, there: Frame, node: Node, definition: Node, codes: str) -> Term:
    key = (there.library.name.id, there.definition, operand_types(there, definition))
    function = at.unit.model.externals.get(key)
    if function is None:
        at.fail(f"The external function {node['name']!r} is not known to the engine", node)
    return Term(f"{at.unit.call(function)}(c, {codes})", at.declared(definition) or ANY)


def _dispatch(
    at: Frame, there: Frame, node: Node, chosen: Sequence[Node], arguments: Sequence[Term]
) -> Term:
    """The first overload whose operand types the arguments have; null when all are null."""
    result = at.body.name(node["name"])
    types = []
    keyword = "if"
    for definition in chosen:
        operands = zip(arguments, operand_types(there, definition), strict=True)
        tests = [
            f"({argument.code} is None or {at.unit.test(type_)}({argument.code}))"
            for argument, type_ in operands
        ]
        with at.body.block(f"{keyword} {' and '.join(tests)}:"):
            term = _call(at, there, node, definition, arguments)
            at.body.line(f"{result} = {term.code}")
            types.append(term.type)
        keyword = "elif"
    with at.body.block("else:"):
        at.body.line(f"{result} = {at.unit.call(no_overload)}({node['name']!r})")
    return Term(result, union(types), atom=True)


def no_overload(name: str) -> NoReturn:
    """Raises EvaluationError: no overload takes the arguments."""
    raise EvaluationError(f"No function {name!r} takes these arguments")


# 9.5. OperandRef


@lowers("OperandRef")
def operand_ref(at: Frame, node: Node) -> Term:
    """The argument that the function was called with."""
    return at.bound("operand", node["name"], node)


# 7.1, 7.2. ParameterDef, ParameterRef


@lowers("ParameterRef")
def parameter_ref(at: Frame, node: Node) -> Term:
    """The value that the session gives a parameter, else its default."""
    library = library_of(at, node)
    name = node["name"]
    if name not in library.parameters:
        at.fail(f"Library {library.name} has no parameter {name!r}", node)
    slot = parameter(Frame(at.unit, library, name, context="U"))
    return Term(f"U.{slot.attribute}", slot.type)


def parameter(at: Frame) -> ParameterSlot:
    """The slot of the parameter that `at` names."""
    key = (at.library.name, at.definition)
    if key not in at.unit.parameters:
        at.unit.parameters[key] = _slot(at, at.library.parameters[at.definition])
    return at.unit.parameters[key]


def _slot(at: Frame, node: Node) -> ParameterSlot:
    declared = at.typed(node, "parameterType") or at.declared(node)
    default = node.get("default")
    if default is None:
        return ParameterSlot(at.unit.fresh("parameter"), declared or ANY, True)
    term = at.lazy("parameter", lambda inner: inner.lower(default), session=True)
    return ParameterSlot(term.code.removeprefix("U."), declared or term.type, False)
