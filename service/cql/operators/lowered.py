"""All rules by which nodes are lowered: those with a rule of their own, and calls for the rest."""

from service.cql.operators import (
    conditional,
    external_data,
    iteration,
    queries,
    reusing_logic,
    shortcuts,
    simple_values,
    structured_values,
    type_tests,
)
from service.cql.operators.calls import register

# Importing a chapter registers its rules.
CHAPTERS = (
    simple_values,
    structured_values,
    reusing_logic,
    queries,
    external_data,
    conditional,
    iteration,
    type_tests,
    shortcuts,
)

__all__ = ["CHAPTERS", "register"]
