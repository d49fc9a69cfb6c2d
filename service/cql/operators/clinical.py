"""23. Clinical Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Equality of codes and
concepts is in chapter 12. Membership of a code is by code and system, of a bare string by code.
"""

from collections.abc import Callable, Iterable
from typing import Any

from service.cql.operators.comparison import equivalent
from service.cql.operators.date_and_time import date_from, duration_between
from service.cql.operators.registry import Context, operator
from service.cql.values import Code, CodeSystem, Concept, Date, DateTime, Uncertainty, ValueSet
from service.errors import EvaluationError

Coded = str | Code | Concept
Ternary = bool | None

# 23.1. AnyInCodeSystem, 23.7. InCodeSystem

_SYSTEM = ("codesystem", "codesystemExpression")


@operator("AnyInCodeSystem", nulls="handle", inputs=("codes", *_SYSTEM))
def any_in_code_system(
    codes: Iterable[Coded | None] | None,
    system: CodeSystem | None,
    expression: CodeSystem | None = None,
) -> bool:
    """Whether any of the codes is in the code system."""
    return any(in_code_system(code, system or expression) for code in codes or ())


@operator("InCodeSystem", nulls="handle", inputs=("code", *_SYSTEM))
def in_code_system(
    code: Coded | None, system: CodeSystem | None, expression: CodeSystem | None = None
) -> bool:
    """Whether the code is in the code system; false of null.

    Raises EvaluationError where the code system's content is not known.
    """
    system = system or expression
    if code is None or system is None:
        return False
    if system.codes is None:
        raise EvaluationError(
            f"The content of code system {system.id} is not known",
            todo="Add the complete CodeSystem to the package",
        )
    codes = system.codes
    return _any_code(code, lambda each: each.system in (None, system.id) and each.code in codes)


def _any_code(value: Coded, test: Callable[[Code], bool]) -> bool:
    if isinstance(value, Concept):
        return any(map(test, value.codes))
    return test(Code(value) if isinstance(value, str) else value)


# 23.2. AnyInValueSet, 23.8. InValueSet

_SET = ("valueset", "valuesetExpression")


@operator("AnyInValueSet", nulls="handle", inputs=("codes", *_SET))
def any_in_value_set(
    codes: Iterable[Coded | None] | None,
    value_set: ValueSet | None,
    expression: ValueSet | None = None,
) -> bool:
    """Whether any of the codes is in the value set."""
    return any(in_value_set(code, value_set or expression) for code in codes or ())


@operator("InValueSet", nulls="handle", inputs=("code", *_SET))
def in_value_set(
    code: Coded | None, value_set: ValueSet | None, expression: ValueSet | None = None
) -> bool:
    """Whether the code is in the value set; false of null.

    "Because the code being tested cannot specify code system information, if the resolved value set
    contains codes from multiple code systems, a run-time error is thrown": of a bare string.
    """
    value_set = value_set or expression
    if code is None or value_set is None:
        return False
    if isinstance(code, Code):
        return (code.system, code.code) in value_set.members
    if isinstance(code, Concept):
        return any((each.system, each.code) in value_set.members for each in code.codes)
    if len({member.system for member in value_set.expansion}) > 1:
        raise EvaluationError(f"Value set {value_set.id} has codes of several systems")
    return code in value_set.bare


# 23.3. CalculateAge


@operator("CalculateAge", nulls="propagate", precision=True, context=True)
def calculate_age(context: Context, birth: Date | DateTime, precision: str) -> int | Uncertainty:
    """The age now, in whole periods of `precision`."""
    moment = context.now if isinstance(birth, DateTime) else date_from(context, context.now)
    return duration_between(birth, moment, precision)


# 23.4. CalculateAgeAt


@operator("CalculateAgeAt", nulls="propagate", precision=True)
def calculate_age_at(
    birth: Date | DateTime, moment: Date | DateTime, precision: str
) -> int | Uncertainty:
    """The age at a date or time, in whole periods of `precision`."""
    return duration_between(birth, moment, precision)


# 23.9. ExpandValueSet


@operator("ExpandValueSet", nulls="propagate")
def expand_value_set(operand: ValueSet) -> list[Code]:
    """The codes of the value set."""
    return list(operand.expansion)


# 23.11. SubsumedBy, 23.12. Subsumes


@operator("SubsumedBy", nulls="propagate", context=True)
def subsumed_by(context: Context, left: Any, right: Any) -> bool:
    """Whether `left` is `right` or below it; of concepts, whether any code is."""
    return subsumes(context, right, left)


@operator("Subsumes", nulls="propagate", context=True)
def subsumes(context: Context, left: Any, right: Any) -> bool:
    """Whether `left` is `right` or above it; of concepts, whether any code is.

    Raises EvaluationError where that cannot be told.
    """
    answers = [
        True if equivalent(above, below) else context.subsumes(above, below)
        for above in _codes(left)
        for below in _codes(right)
    ]
    if True in answers:
        return True
    if None in answers:
        raise EvaluationError(
            "Whether one code subsumes another is not known",
            todo="Add the complete CodeSystem to the package",
        )
    return False


def _codes(value: Code | Concept) -> tuple[Code, ...]:
    return value.codes if isinstance(value, Concept) else (value,)
