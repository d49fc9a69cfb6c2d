"""What an evaluation looked at, and what it found: for the question why a patient counted.

A program that is compiled with `traced` is lowered by the same rules as any other; around every
node of the logic it also tells a `Trace` that the node's evaluation starts and what it gives. The
ordinary program has none of this. `Step`s form a tree: what was computed while another was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from service.cql.elements import Compute, Element, ElementClasses, Primitive
from service.cql.library import Library, LibraryName, Node
from service.cql.narrative import narrative
from service.cql.record import PatientRecord
from service.cql.types import ANY, Type
from service.errors import EvaluationError

# Nodes that give what is bound or written elsewhere and say nothing themselves.
SILENT = {
    "Literal", "Null", "Quantity", "Ratio", "AliasRef", "QueryLetRef", "OperandRef",
    "IdentifierRef", "ParameterRef", "ValueSetRef", "CodeSystemRef", "CodeRef", "ConceptRef",
    "Current", "Iteration", "Total", "MinValue", "MaxValue", "Code", "Concept",
}  # fmt: skip
MOST_LOOKS = 8  # within each other
# The model's conversions: the translator writes them in, and they say nothing of the measure.
CONVERSIONS = "FHIRHelpers"


@dataclass(slots=True)
class Site:
    """A node of the logic that a trace tells of.

    `names` are the aliases that are bound there, in the order of a step's `bound`. `attribute` is
    the patient's context's that has the node's value, where no name is needed to compute it; of a
    reference it is that of the definition.
    """

    library: LibraryName
    definition: str
    node: Node
    text: str | None = None  # the CQL of the node, where the ELM has it
    annotated: bool = False  # whether the ELM has the CQL of the definition
    names: tuple[str, ...] = ()
    type: Type = ANY
    attribute: str | None = None
    everyone: bool = False  # it is about all patients

    @property
    def kind(self) -> str:
        """The type of the node."""
        return str(self.node.get("type"))

    @property
    def place(self) -> str:
        """Library, definition and locator."""
        locator = f", {self.node['locator']}" if self.node.get("locator") else ""
        return f"{self.library}, {self.definition!r}{locator}"


@dataclass
class Sites:
    """The sites of a program in the making; a node that is lowered twice has two."""

    all: list[Site] = field(default_factory=list)
    _texts: dict[tuple[LibraryName, str], Mapping[str, str]] = field(default_factory=dict)

    def traces(self, library: Library, node: Node) -> bool:
        """Whether there is to be a site for the node."""
        return library.name.id != CONVERSIONS and node.get("type") not in SILENT

    def open(
        self,
        library: Library,
        definition: str,
        node: Node,
        names: tuple[str, ...],
        everyone: bool = False,
    ) -> int:
        """The number of a new site."""
        texts = self._narrative(library, definition)
        text = texts.get(node.get("localId", ""))
        site = Site(library.name, definition, node, text, bool(texts), names, everyone=everyone)
        self.all.append(site)
        return len(self.all) - 1

    def _narrative(self, library: Library, definition: str) -> Mapping[str, str]:
        """The texts of the definition or, as their parts' names differ, functions of that name."""
        key = (library.name, definition)
        if key not in self._texts:
            nodes = [
                library.expressions.get(definition, {}),
                *library.functions.get(definition, ()),
            ]
            self._texts[key] = {
                name: text for one in nodes for name, text in narrative(one).items()
            }
        return self._texts[key]

    def close(self, number: int, type_: Type, attribute: str | None) -> None:
        """Ends the site with what lowering it has shown."""
        site = self.all[number]
        site.type, site.attribute = type_, attribute


@dataclass(slots=True, eq=False)
class Read:
    """An element of a resource that was read: `path` leads to it in the resource's JSON."""

    resource: Mapping[str, Any]
    path: tuple[str | int, ...]

    @property
    def value(self) -> Any:
        """Its JSON, None where it is absent."""
        found: Any = self.resource
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else found[int(key)]
        return found


@dataclass(slots=True, eq=False)
class Step:
    """One evaluation of a site: its value, the values bound by name, what it read, and its parts.

    `origin` is the step that computed the element of a tuple which this step reads.
    """

    site: Site
    value: Any = None
    bound: tuple[Any, ...] = ()
    reads: list[Read] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    origin: Step | None = None
    skipped: bool = False  # it was not needed, and cannot be told

    def named(self) -> dict[str, Any]:
        """The values that are bound, by name."""
        return dict(zip(self.site.names, self.bound, strict=True))


class Trace:
    """Records the steps of one patient's evaluation."""

    def __init__(self, sites: tuple[Site, ...]) -> None:
        self.sites = sites
        self._root = Step(Site(LibraryName("", None), "", {}))
        self._open = [self._root]
        self._places: dict[int, tuple[Mapping[str, Any], tuple[str | int, ...]]] = {}
        self._made: dict[tuple[int, str], Step] = {}
        self.record = PatientRecord("", {})
        self._looks = 0

    def begin(self, context: Any) -> None:
        """A patient's evaluation starts: `context` is the Context of it."""
        self.record = context.record
        for resources in context.record.resources.values():
            for resource in resources:
                self._place(resource, resource, ())

    def _place(self, resource: Mapping[str, Any], json: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(json, Mapping):
            self._places[id(json)] = resource, path
            for key, value in json.items():
                self._place(resource, value, (*path, key))
        elif isinstance(json, list):
            for at, value in enumerate(json):
                self._place(resource, value, (*path, at))

    def steps(self) -> list[Step]:
        """The steps since this was last asked, at the top of their trees."""
        found = self._root.steps
        self._root.steps = []
        del self._open[1:]  # what an error has left open
        return found

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is evaluated meanwhile is other patients', of whom this trace does not tell."""
        before, self._open = self._open, [Step(self._root.site)]
        try:
            yield
        finally:
            self._open = before

    def has(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource is in the record of a patient whose evaluation was told."""
        return id(resource) in self._places

    # What traced programs call

    def enter(self, number: int) -> None:
        """The evaluation of a site starts."""
        step = Step(self.sites[number])
        self._open[-1].steps.append(step)
        self._open.append(step)

    def leave(self, number: int, value: Any, *bound: Any) -> Any:
        """The evaluation of the site ends with `value`, which is passed on."""
        step = self._open.pop()
        step.value, step.bound = value, bound
        match step.site.kind:
            case "Tuple":
                self._remember(step)
            case "Property":
                step.origin = self._origin(step)
        return value

    def look(self, later: Callable[[], Any]) -> None:
        """An operand is looked at that was not needed; what it cannot give is no error."""
        before, depth = len(self._open[-1].steps), len(self._open)
        if self._looks == MOST_LOOKS:
            return
        self._looks += 1
        try:
            later()
        except (EvaluationError, RecursionError, ArithmeticError):
            del self._open[depth:]
            for step in self._open[-1].steps[before:]:
                step.skipped, step.steps = True, []
        finally:
            self._looks -= 1

    def read(self, element: Element, name: str) -> None:
        """An element `name` of the model was read."""
        if isinstance(element, Primitive):
            return  # its own value is what was read
        found = self._places.get(id(element.json))
        if found is not None:
            resource, path = found
            key = next((key for key in element.json if is_element(key, name)), name)
            self._open[-1].reads.append(Read(resource, (*path, key)))

    # Tuples: what is read of one was computed where it was made

    def _remember(self, step: Step) -> None:
        for element in step.site.node.get("element") or ():
            made = self._computed(element["value"], step)
            if made is not None:
                self._made[id(step.value), element["name"]] = made

    def _computed(self, node: Node, step: Step) -> Step | None:
        """The step that computed a part of a tuple: its own, or that of the let it refers to."""
        if node.get("type") != "QueryLetRef":
            return next((one for one in step.steps if one.site.node is node), None)
        for around in reversed(self._open):
            for let in around.site.node.get("let") or ():
                if let["identifier"] == node["name"]:
                    lets = (one for one in around.steps[::-1] if one.site.node is let["expression"])
                    return next(lets, None)
        return None

    def _origin(self, step: Step) -> Step | None:
        scope, path = step.site.node.get("scope"), step.site.node.get("path")
        if scope is None or path is None:
            return None
        return self._made.get((id(step.named().get(scope)), path))


def is_element(key: str, name: str) -> bool:
    """Whether a JSON property is the element, or one of its types where it has a choice."""
    return key == name or (key.startswith(name) and key[len(name)].isupper())


class Noted:
    """An attribute of an element as `Lazy` makes it; the trace is told whenever it is read."""

    def __init__(self, name: str, element: str, compute: Compute, trace: Trace) -> None:
        self.name = name
        self.element = element
        self.compute = compute
        self.trace = trace

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        held = instance.__dict__
        if self.name not in held:
            held[self.name] = self.compute(instance)
        self.trace.read(instance, self.element)
        return held[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value


class TracedClasses(ElementClasses):
    """The classes of a model's types whose elements are noted when they are read."""

    def __init__(self, trace: Trace, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._trace = trace

    def _element(self, name: str, element: str, read: Compute) -> Any:
        return Noted(name, element, read, self._trace)


def walk(steps: list[Step]) -> Iterator[Step]:
    """The steps and all that are part of them, in the order in which they began."""
    for step in steps:
        yield step
        yield from walk(step.steps)
