"""The values of CQL.

null is None, Boolean bool, Integer int, Decimal decimal.Decimal, String str, a List a list, a Tuple
a dict; the others are the classes below. All are immutable by convention and may be shared.
bool is a subclass of int in Python and not an Integer: look at `type(value)`, not isinstance.
"""

from service.cql.values.code import Code, CodeSystem, Concept, ValueSet
from service.cql.values.date import Date
from service.cql.values.datetime import DateTime
from service.cql.values.interval import Interval
from service.cql.values.number import Long
from service.cql.values.quantity import Quantity, Ratio
from service.cql.values.structured import Structured
from service.cql.values.time import Time
from service.cql.values.uncertainty import Uncertainty

__all__ = [
    "Code",
    "CodeSystem",
    "Concept",
    "Date",
    "DateTime",
    "Interval",
    "Long",
    "Quantity",
    "Ratio",
    "Structured",
    "Time",
    "Uncertainty",
    "ValueSet",
]
