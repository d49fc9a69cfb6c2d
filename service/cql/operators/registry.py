"""The table of ELM operators: node type to the function that computes it.

A chapter registers its functions with `@operator("Add", nulls="propagate")`. The compiler asks
`OPERATORS[node_type]` and calls `Operator.function` like this:

    function([context,] *inputs [, precision=...])

- `inputs` names the node's ELM properties in order; each is evaluated and passed positionally. A
  property that ELM declares as an array (`operand` of Add) spreads over several arguments, except
  where `spread` is False (Coalesce, Concatenate...: one Python list). An absent property is None.
- `nulls="propagate"`: any null input makes the result null; the function is never called with one
  and the compiler may test before the call. `nulls="handle"`: the function takes None itself.
- `precision`: the node's `precision` attribute is passed as keyword, in lower case ("day"), None
  when the node has none.
- `context`: the evaluation context (see `Context`) is passed first.

A few operators treat nulls differently in their overloads for lists. Where the first input's static
type is a list, "Length<List>" stands before "Length" (so `overload`).

Functions are pure. A result that the language leaves undefined is None; an evaluation that it
declares an error raises `service.errors.EvaluationError`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from service.cql.values import Code, DateTime

Nulls = Literal["propagate", "handle"]


class Context(Protocol):
    """What an operator may know of the evaluation besides its operands."""

    @property
    def now(self) -> DateTime:
        """The evaluation's timestamp; its offset is the default offset of DateTimes."""

    def subsumes(self, ancestor: Code, descendant: Code) -> bool | None:
        """Whether `descendant` is `ancestor` or below it in their code system."""

    def message(self, severity: str, code: str | None, text: str | None) -> None:
        """Receives what a `Message` node says below severity Error."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One ELM node type and how its function is called; fields as in the module's text."""

    name: str
    function: Callable[..., Any]
    nulls: Nulls
    inputs: tuple[str, ...]
    spread: bool
    precision: bool
    context: bool


OPERATORS: dict[str, Operator] = {}


def overload(name: str, of_list: bool) -> Operator | None:
    """The operator for an ELM node type; None when there is none."""
    return (OPERATORS.get(f"{name}<List>") if of_list else None) or OPERATORS.get(name)


F = TypeVar("F", bound=Callable[..., Any])


def operator(
    *names: str,
    nulls: Nulls,
    inputs: Sequence[str] = ("operand",),
    spread: bool = True,
    precision: bool = False,
    context: bool = False,
) -> Callable[[F], F]:
    """Registers the decorated function for the ELM node types `names`."""

    def register(function: F) -> F:
        for name in names:
            assert name not in OPERATORS, f"{name} is registered twice"
            OPERATORS[name] = Operator(
                name, function, nulls, tuple(inputs), spread, precision, context
            )
        return function

    return register
