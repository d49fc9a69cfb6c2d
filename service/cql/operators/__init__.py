"""The operators of ELM, one file per chapter of its specification.

Chapter numbers are those of https://cql.hl7.org/04-logicalspecification.html. Importing this
package fills the table of `registry` in the chapters' order:

    12 comparison       13 logical          14 nullological     16 arithmetic, digits
    17 string           18 date_and_time    19 interval, interval_sets
    20 list             21 aggregate        22 conversion       23 clinical     24 messages

Chapters 9, 10, 11, 15 and the type tests of 22 are control flow: the compiler imports them itself.
"""

from service.cql.operators import (  # isort: skip
    comparison,
    logical,
    nullological,
    arithmetic,
    digits,
    string,
    date_and_time,
    interval,
    interval_sets,
    list,
    aggregate,
    conversion,
    clinical,
    messages,
)
from service.cql.operators.registry import OPERATORS, Context, Operator, operator

CHAPTERS = (
    comparison,
    logical,
    nullological,
    arithmetic,
    digits,
    string,
    date_and_time,
    interval,
    interval_sets,
    list,
    aggregate,
    conversion,
    clinical,
    messages,
)

__all__ = ["CHAPTERS", "OPERATORS", "Context", "Operator", "operator"]
