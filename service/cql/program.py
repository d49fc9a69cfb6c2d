"""A compiled program, a session with its parameters, and the evaluation of one patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from types import CodeType
from typing import Any, NamedTuple, NoReturn

from service.cql.assembly import Memo
from service.cql.context import Context
from service.cql.elements import Element, ElementClasses, Lazy
from service.cql.everyone import Everyone, Patients, nobody
from service.cql.library import LibraryName
from service.cql.model import Model
from service.cql.record import PatientRecord
from service.cql.retrieval import RetrieveUse
from service.cql.terminology import Terminology
from service.cql.trace import Site, Trace, TracedClasses
from service.cql.types import Type, is_instance
from service.cql.values import Code, DateTime
from service.errors import EvaluationError, WeirError

Values = Mapping[str, object]


class Message(NamedTuple):
    """What the logic says while it is evaluated, below severity Error."""

    severity: str
    code: str | None
    text: str | None


@dataclass(frozen=True)
class Parameter:
    """A parameter of the logic; `attributes` are where libraries that declare it look for it."""

    type: Type
    required: bool
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Uses:
    """What reachable logic reads.

    `value_sets`: canonical URLs, with |version where the logic names one. `elements`: resource type
    to the top elements that are read; `*` stands for all of them. `parts`: the same for the model's
    other classes, as Encounter.Hospitalization. `everyone`: the types that are retrieved of all
    patients, in the Unfiltered context.
    """

    value_sets: frozenset[str]
    retrieves: tuple[RetrieveUse, ...]
    elements: Mapping[str, frozenset[str]]
    parts: Mapping[str, frozenset[str]]
    everyone: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Overload:
    """A function that can be called by name: its Python function and operand types."""

    name: str
    operands: tuple[Type, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """Compiled logic; see `service.cql`."""

    library: LibraryName
    expressions: Mapping[str, Type]
    functions: Mapping[str, tuple[Overload, ...]]
    parameters: Mapping[str, Parameter]
    uses: Uses
    needs_everyone: bool  # a patient's values depend on other patients' data
    unfiltered: frozenset[str]  # the expressions of the Unfiltered context
    notices: tuple[str, ...]
    source: str
    model: Model = field(repr=False)
    terminology: Terminology = field(repr=False)
    code: CodeType = field(repr=False)
    attributes: Mapping[str, tuple[str, bool]] = field(repr=False)  # expression -> (name, session)
    names: Mapping[str, Any] = field(repr=False)  # constants of the module
    tests: Mapping[str, Type] = field(repr=False)
    classes: Mapping[str, str] = field(repr=False)
    lazies: tuple[str, ...] = field(repr=False)  # functions that are attributes of contexts
    memos: Mapping[str, Memo] = field(repr=False)  # functions that are attributes of elements
    places: Mapping[str, str] = field(repr=False)
    traced: Callable[[], Program] = field(repr=False)  # compiles the same logic, traced
    sites: tuple[Site, ...] = field(repr=False, default=())  # of a program that is traced

    def prepare(
        self,
        parameters: Values,
        now: datetime,
        patients: Patients = nobody,
        place: tzinfo | None = None,
    ) -> Session:
        """A session with these parameters at the time `now`, whose offset DateTimes default to.

        Those of the data that have a time take the offset of that time at a `place`, if any.

        `patients` gives every patient, for logic in the Unfiltered context; it is called once for
        all that is retrieved there, and once for each definition of the Patient context that is
        referred to from there.

        Raises EvaluationError for a parameter that is unknown, missing without default or of a
        wrong type.
        """
        return Session(self, parameters, now, patients, place)


class Session:
    """One evaluation's parameters and clock; constants of the logic are computed once."""

    def __init__(
        self,
        program: Program,
        parameters: Values,
        now: datetime,
        patients: Patients = nobody,
        place: tzinfo | None = None,
    ) -> None:
        offset = now.utcoffset()
        if offset is None:
            raise EvaluationError("The evaluation's time has no offset", where="now")
        minutes = int(offset.total_seconds() // 60)
        self.program = program
        self.now = _datetime(now, minutes)
        self.messages: list[Message] = []
        self.trace = Trace(program.sites) if program.sites else None
        self._classes = self._make_classes(minutes, place)
        self._module = self._load()
        self._context = self._context_class()
        self._patients = patients
        self._undefined: dict[str, Exception] = {}  # why `of_everyone` has no value
        everyone = Everyone(program.uses.everyone, patients)
        self.unfiltered = self._context(PatientRecord("", everyone), self._classes)
        self._module["U"] = self.unfiltered
        self._keep_memos()
        self._set(parameters)

    def _make_classes(self, offset: int, place: tzinfo | None) -> ElementClasses:
        model = self.program.model
        if self.trace is None:
            return ElementClasses(model, offset, place)
        return TracedClasses(self.trace, model, offset, place)

    def _load(self) -> dict[str, Any]:
        """The program's functions, bound to this session."""
        module: dict[str, Any] = {"__name__": "weir_program", "S": self, "T": self.trace}
        module |= self.program.names
        for name, type_ in self.program.tests.items():
            module[name] = is_instance(type_, self._classes)
        for name, qualified in self.program.classes.items():
            module[name] = self._classes[qualified]
        exec(self.program.code, module)
        return module

    def _context_class(self) -> type[Context]:
        lazies = {name: Lazy(name, self._module[name]) for name in self.program.lazies}
        return type("PatientContext", (Context,), lazies)

    def _keep_memos(self) -> None:
        """What a function computes from one element is kept with the element."""
        for name, kept in self.program.memos.items():
            compute = _kept(self._module[name], None if kept.patient else self.unfiltered)
            for qualified in kept.classes:
                setattr(self._classes[qualified], name, Lazy(name, compute))

    def _set(self, parameters: Values) -> None:
        known = self.program.parameters
        for name in parameters:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                raise EvaluationError(f"There is no parameter {name!r}", todo=f"Known: {there}")
        for name, parameter in known.items():
            if name in parameters:
                self._give(name, parameter, parameters[name])
            elif parameter.required and not self._given(parameter):
                raise EvaluationError(f"The parameter {name!r} has no value", todo="Give it one")

    def _give(self, name: str, parameter: Parameter, value: object) -> None:
        if value is not None and not is_instance(parameter.type, self._classes)(value):
            raise EvaluationError(f"The parameter {name!r} is not a {parameter.type}")
        for attribute in parameter.attributes:
            setattr(self.unfiltered, attribute, value)

    def _given(self, parameter: Parameter) -> bool:
        return all(name in self.unfiltered.__dict__ for name in parameter.attributes)

    def patient(self, record: PatientRecord) -> PatientContext:
        """The evaluation of one patient's record."""
        context = self._context(record, self._classes)
        if self.trace is not None:
            self.trace.begin(context)
        return PatientContext(self, context)

    def evaluate(self, name: str) -> Any:
        """The value of a definition that is about no patient (the Unfiltered context)."""
        attribute, session = self.attribute(name)
        if not session:
            raise EvaluationError(f"{name!r} is about one patient", where=str(self.program.library))
        try:
            return getattr(self.unfiltered, attribute)
        except Exception as error:
            self.fail(error)

    def attribute(self, name: str) -> tuple[str, bool]:
        """The attribute of a context with the value of `name`; whether it is the session's."""
        found = self.program.attributes.get(name)
        if found is None:
            raise EvaluationError(f"There is no {name!r}", where=str(self.program.library))
        return found

    def overload(self, name: str, arguments: tuple[object, ...]) -> Callable[..., Any]:
        """The Python function of the first overload that takes the arguments."""
        for overload in self.program.functions.get(name, ()):
            if len(overload.operands) == len(arguments) and all(
                argument is None or is_instance(type_, self._classes)(argument)
                for argument, type_ in zip(arguments, overload.operands, strict=True)
            ):
                found: Callable[..., Any] = self._module[overload.name]
                return found
        raise EvaluationError(f"No function {name!r} takes these arguments")

    def fail(self, error: Exception) -> NoReturn:
        """Raises `error` of an evaluation as one that names the definition and no data."""
        place = self._place(error)
        match error:
            case EvaluationError(where=None):
                raise EvaluationError(error.what, where=place, todo=error.todo) from error
            case WeirError():
                raise error
            case RecursionError():
                raise EvaluationError("The logic does not come to an end", where=place) from None
        what = f"The logic cannot be evaluated: {type(error).__name__}"
        raise EvaluationError(what, where=place) from error

    def _place(self, error: BaseException) -> str | None:
        """Library and definition of the innermost generated function in the traceback."""
        place = None
        trace = error.__traceback__
        while trace is not None:
            place = self.program.places.get(trace.tb_frame.f_code.co_name, place)
            trace = trace.tb_next
        return place

    # What operators ask of the evaluation (service.cql.operators.Context)

    def subsumes(self, ancestor: Code, descendant: Code) -> bool | None:
        """Whether `descendant` is `ancestor` or below it in their code system."""
        return self.program.terminology.subsumes(ancestor, descendant)

    def of_everyone(self, attribute: str, is_list: bool) -> list[Any]:
        """The values that an attribute has of every patient; of lists one list."""
        if attribute in self._undefined:
            raise self._undefined[attribute]
        with self.trace.aside() if self.trace else nullcontext():
            try:
                values = list(self._each(attribute))
            except Exception as error:
                self._undefined[attribute] = error
                raise
        return [one for each in values for one in each or ()] if is_list else values

    def _each(self, attribute: str) -> Iterator[Any]:
        for record in self._patients():
            patient = PatientContext(self, self._context(record, self._classes))
            yield patient.value(attribute)

    def message(self, severity: str, code: str | None, text: str | None) -> None:
        """Keeps what a Message node says."""
        self.messages.append(Message(severity, code, text))


class PatientContext:
    """One patient; every named expression is computed at most once."""

    __slots__ = ("_context", "_session")

    def __init__(self, session: Session, context: Context) -> None:
        self._session = session
        self._context = context

    def __del__(self) -> None:
        # Resources know their context and it knows them: without this, each patient would wait
        # for the garbage collector.
        self._context.__dict__.clear()

    def evaluate(self, name: str) -> Any:
        """The value of the expression `name`. Raises EvaluationError (library, definition)."""
        session = self._session
        attribute, in_session = session.attribute(name)
        try:
            return getattr(session.unfiltered if in_session else self._context, attribute)
        except Exception as error:
            session.fail(error)

    def value(self, attribute: str) -> Any:
        """The value of an attribute of the program."""
        return getattr(self._context, attribute)

    def owns(self, resources: list[Any]) -> bool:
        """Whether resources were retrieved for this patient, none in the Unfiltered context."""
        mine = self._context
        return all(getattr(one, "owner", mine) in (mine, None) for one in resources)

    def call(self, function: str, *arguments: object) -> Any:
        """The value of a function of the main library; the overload that takes the arguments."""
        called = self._session.overload(function, arguments)
        try:
            return called(self._context, *arguments)
        except Exception as error:
            self._session.fail(error)

    def retrieved(self) -> list[Element]:
        """The resources that retrieves have given so far, each once."""
        return self._context.retrieved()


def _kept(function: Callable[..., Any], context: Context | None) -> Callable[[Any], Any]:
    """The function of an element, in the context that it is given or in the element's own."""
    if context is not None:
        return partial(function, context)
    return lambda element: function(element.owner, element)


def _datetime(now: datetime, offset: int) -> DateTime:
    local = now.astimezone(UTC) + timedelta(minutes=offset)
    parts = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    return DateTime(*parts, local.microsecond // 1000, offset)
