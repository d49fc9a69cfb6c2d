"""What is gathered while definitions are lowered: the parts of a program.

Everything ends up in one Python module, whose names are ours, never the ELM's:

    d7, f3      an expression definition, a function
    k5, p9, r2  a part hoisted out: once per session, once per patient; a retrieve
    e4          the values that all patients have of a definition
    c, U        the context of one patient, the session's own (its parameters and constants)
    S           the session: clock, messages, all patients
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service.cql.dependence import Dependences
from service.cql.library import LibraryName
from service.cql.model import Model
from service.cql.retrieval import CodeIndex, CodeUse, DateUse, RetrieveUse
from service.cql.source import Body, Term
from service.cql.terminology import Terminology
from service.cql.trace import Sites
from service.cql.types import ANY, ChoiceType, ListType, NamedType, Type
from service.cql.values import ValueSet

# The types that a function is lowered for, and whether each is exact.
Operands = tuple[tuple[Type, bool], ...]


@dataclass(slots=True)
class Definition:
    """An expression definition; `attribute` of the context (`session`: of U) has its value."""

    attribute: str
    session: bool
    type: Type | None = None  # None while it is being lowered
    nullable: bool = True
    exact: bool = False


@dataclass(slots=True)
class Function:
    """A function definition as Python function `name(c, *operands)`; `exact` as a Term's."""

    name: str
    result: Type
    exact: bool = False


@dataclass(slots=True)
class Memo:
    """A function of one element whose value is kept with it; `patient`: it needs the context.

    `classes` are the model's classes that the element can be of.
    """

    patient: bool
    classes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ParameterSlot:
    """A library's parameter; `attribute` of U has its value. `required`: it has no default."""

    attribute: str
    type: Type
    required: bool


@dataclass(eq=False)
class Assembly:
    """A program in the making."""

    model: Model
    terminology: Terminology
    dependences: Dependences = field(default_factory=Dependences)
    functions: list[str] = field(default_factory=list)  # source text
    places: dict[str, str] = field(default_factory=dict)  # function name -> where it is from
    lazies: list[str] = field(default_factory=list)  # functions that are attributes of a context
    memos: dict[str, Memo] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    tests: dict[str, Type] = field(default_factory=dict)  # name -> what its argument must be
    classes: dict[str, str] = field(default_factory=dict)  # name -> class of the model
    definitions: dict[tuple[LibraryName, str], Definition] = field(default_factory=dict)
    # by id of the FunctionDef, the operand types it is lowered for and whether those are exact, and
    # whether it is in the Unfiltered context
    overloads: dict[tuple[int, Operands, bool], Function] = field(default_factory=dict)
    parameters: dict[tuple[LibraryName, str], ParameterSlot] = field(default_factory=dict)
    value_sets: dict[str, ValueSet] = field(default_factory=dict)  # by canonical URL
    indexes: dict[Any, CodeIndex] = field(default_factory=dict)  # by class, profile, element
    retrieve_uses: list[RetrieveUse] = field(default_factory=list)
    dates: dict[int, tuple[DateUse, ...]] = field(default_factory=dict)  # by id of the Retrieve
    choices: dict[int, CodeUse] = field(default_factory=dict)  # likewise
    needs_everyone: bool = False  # some of the logic is about all patients' data
    is_mixed: bool = False  # a patient's logic may be given resources of others
    everyone: set[str] = field(default_factory=set)  # the types that it retrieves
    elements: dict[str, set[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)  # elements read of values of unknown type
    sites: Sites | None = None  # of a program that is traced
    texts: dict[Any, str] = field(default_factory=dict)  # of lazies: what they do -> their name
    _pool: dict[Any, str] = field(default_factory=dict)
    _count: int = 0

    def fresh(self, prefix: str) -> str:
        """A new name in the module."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: Any, type_: Type = ANY) -> Term:
        """The term of a value that the module is given."""
        name = self._named(self.constants, id(value), "K", value)
        return Term(name, type_, value is None, atom=True)

    def pooled(self, value: Any, key: Any, type_: Type) -> Term:
        """As `constant`; values of one key are one constant."""
        return Term(self._named(self.constants, key, "K", value), type_, False, atom=True)

    def call(self, function: Callable[..., Any]) -> str:
        """The name by which the module calls a Python function of ours."""
        name = function.__name__
        assert not name[-1].isdigit(), f"{name} may be a local name"  # `E_3`, see Body.name
        if self.constants.setdefault(name, function) is not function:
            name = self._named(self.constants, id(function), name, function)
        return name

    def test(self, type_: Type) -> str:
        """The name of the test whether a value is of `type_`."""
        return self._named(self.tests, type_, "is", type_)

    def model_class(self, name: str) -> str:
        """The name of the Python class of a model's class."""
        return self._named(self.classes, name, "C", name)

    def _named(self, there: dict[str, Any], key: Any, prefix: str, value: Any) -> str:
        if (prefix, key) not in self._pool:
            name = self._pool[prefix, key] = self.fresh(prefix)
            there[name] = value
        return self._pool[prefix, key]

    def write(self, name: str, operands: list[str], body: Body, result: str, where: str) -> None:
        """Adds the function `name(c, *operands)` to the module; `where` it is from."""
        head = f"def {name}({', '.join(('c', *operands))}):  # {ascii(where)[1:-1]}"
        self.functions.append("\n".join([head, *body.lines, f"    return {result}"]))
        self.places[name] = where

    def reads(self, type_: Type, element: str) -> None:
        """Notes that the logic reads `element` of `type_`."""
        match type_:
            case ChoiceType(choices):
                for choice in choices:
                    self.reads(choice, element)
            case ListType(inner):
                self.reads(inner, element)
            case NamedType() if type_ == ANY:
                self.unknown.add(element)
            case NamedType() if self.model.element(type_, element) is not None:
                self.elements.setdefault(type_.local, set()).add(element)
