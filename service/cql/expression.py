"""One CQL expression on its own: translated, compiled and evaluated.

For `weir cql` and the CQL operation. An expression may use all of the language. Without a patient
it has no model and no data; about one it has both.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from service.cql.compiler import compile_program
from service.cql.model import Model
from service.cql.program import Program
from service.cql.terminology import Terminology
from service.cql.translator import built_in_source, translate

NAME = "Expression"

# Functions of CQL 2.0 (trial use) that the translator does not know yet, told in CQL 1.5.
# "A negative index counts back from the end of the list."
_LATER = """
define function SliceIndex(index Integer, count Integer, default Integer):
  if index is null then default
  else if index < -count then 0
  else if index < 0 then index + count
  else if index > count then count
  else index

define function Slice(argument List<Any>, startIndex Integer, endIndex Integer):
  Take(
    Skip(argument, SliceIndex(startIndex, Length(argument), 0)),
    SliceIndex(endIndex, Length(argument), Length(argument))
      - SliceIndex(startIndex, Length(argument), 0)
  )

define function Slice(argument List<Any>, startIndex Integer): Slice(argument, startIndex, null)

define function Slice(argument List<Any>): argument
"""


# What stands before an expression about a patient: the model and its conversions.
ABOUT_A_PATIENT = "using FHIR version '4.0.1' include FHIRHelpers version '4.0.1'"


def translate_expression(
    expression: str, *, parameters: str = "", about_patient: bool = False
) -> dict[str, Any]:
    """The ELM of a library with `expression` as the definition `NAME`, from its third line on.

    `parameters` are CQL's declarations of those that it may name. Raises TranslationError.
    """
    before, context = (ABOUT_A_PATIENT, "context Patient") if about_patient else ("", "")
    later = _LATER if "Slice" in expression else ""
    return translate(
        f"library Evaluation {before} {parameters} {context}".replace("\n", " ")
        + f"\ndefine {NAME}:\n{expression}\n{later}"
    )


def compile_expression(
    elm: Mapping[str, Any], model: Model, terminology: Terminology | None = None
) -> Program:
    """The program of a library's ELM with the definition `NAME`. Raises CompileError."""
    libraries = [elm]
    if elm["library"].get("includes"):
        libraries.append(_helpers())
    return compile_program(
        libraries, "Evaluation", terminology or Terminology.of(), model, frozenset({NAME})
    )


@cache
def _helpers() -> Mapping[str, Any]:
    """FHIRHelpers as ELM."""
    return translate(built_in_source("FHIRHelpers") or "")


def evaluate_elm(
    elm: Mapping[str, Any], model: Model, now: datetime, terminology: Terminology | None = None
) -> Any:
    """The value of the definition `NAME` of a library's ELM, without a patient.

    `now` is the evaluation's timestamp; its offset is that of DateTimes without one. Raises
    CompileError and EvaluationError.
    """
    return compile_expression(elm, model, terminology).prepare({}, now).evaluate(NAME)


def evaluate_expression(expression: str, model: Model, now: datetime, parameters: str = "") -> Any:
    """The value of a CQL expression. Raises TranslationError, CompileError, EvaluationError."""
    return evaluate_elm(translate_expression(expression, parameters=parameters), model, now)
