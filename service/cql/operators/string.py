"""17. String Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Regular expressions
are Python's, which agree with PCRE in what both have; `.` matches a line break too ("single line
mode").
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from service.cql.operators.registry import operator
from service.errors import EvaluationError

# 17.1. Combine


@operator("Combine", nulls="handle", inputs=("source", "separator"))
def combine(source: Sequence[str | None] | None, separator: str | None = None) -> str | None:
    """The strings joined; nulls are left out, and without any string the result is null."""
    parts = [part for part in source or () if part is not None]
    return (separator or "").join(parts) if parts else None


# 17.2. Concatenate


@operator("Concatenate", nulls="propagate")
def concatenate(*operands: str) -> str:
    """`+` of strings."""
    return "".join(operands)


# 17.3. EndsWith


@operator("EndsWith", nulls="propagate")
def ends_with(string: str, suffix: str) -> bool:
    """Whether `string` ends with `suffix`."""
    return string.endswith(suffix)


# 17.6. Indexer


@operator("Indexer", nulls="propagate")
def indexer(operand: Sequence[Any], index: int) -> Any:
    """The character or element at `index`, from 0; null outside."""
    return operand[index] if 0 <= index < len(operand) else None


# 17.7. LastPositionOf


@operator("LastPositionOf", nulls="propagate", inputs=("pattern", "string"))
def last_position_of(pattern: str, string: str) -> int:
    """Where `pattern` last begins in `string`, from 0; -1 if nowhere."""
    return string.rfind(pattern)


# 17.8. Length (of strings; of lists it is in chapter 20)


@operator("Length", nulls="propagate")
def length(operand: str) -> int:
    """The number of characters."""
    return len(operand)


# 17.9. Lower


@operator("Lower", nulls="propagate")
def lower(operand: str) -> str:
    """In lower case, the same in every locale."""
    return operand.lower()


# 17.10. Matches


@operator("Matches", nulls="propagate")
def matches(string: str, pattern: str) -> bool:
    """Whether `pattern` matches some part of `string`; ^ and $ stand for its ends."""
    return _regex(pattern).search(string) is not None


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise EvaluationError(f"A regular expression cannot be read: {error.msg}") from None


# 17.12. PositionOf


@operator("PositionOf", nulls="propagate", inputs=("pattern", "string"))
def position_of(pattern: str, string: str) -> int:
    """Where `pattern` first begins in `string`, from 0; -1 if nowhere."""
    return string.find(pattern)


# 17.13. ReplaceMatches


@operator("ReplaceMatches", nulls="propagate")
def replace_matches(string: str, pattern: str, substitution: str) -> str:
    r"""Every match replaced; in `substitution` $1 and ${name} are groups and \$ is a dollar."""
    try:
        return _regex(pattern).sub(_template(substitution), string)
    except (re.error, IndexError):
        raise EvaluationError("A substitution refers to a group that is not there") from None


_TOKEN = re.compile(r"\\(.)|\$(\d)|\$\{(\w+)\}|(\\)", re.DOTALL)


@lru_cache(maxsize=256)
def _template(substitution: str) -> str:
    """The substitution as Python writes it."""

    def token(match: re.Match[str]) -> str:
        escaped, number, name, lone = match.groups()
        if number or name:
            return rf"\g<{number or name}>"
        return (escaped or lone).replace("\\", r"\\")

    return _TOKEN.sub(token, substitution)


# 17.14. Split


@operator("Split", nulls="handle", inputs=("stringToSplit", "separator"))
def split(string: str | None, separator: str | None = None) -> list[str] | None:
    """The parts between separators; the whole string where there is no separator."""
    if string is None:
        return None
    return string.split(separator) if separator else [string]


# 17.15. SplitOnMatches


@operator("SplitOnMatches", nulls="handle", inputs=("stringToSplit", "separatorPattern"))
def split_on_matches(string: str | None, pattern: str | None) -> list[str] | None:
    """The parts between matches of `pattern`."""
    if string is None:
        return None
    if pattern is None:
        return [string]
    parts, begin = [], 0
    for match in _regex(pattern).finditer(string):
        parts.append(string[begin : match.start()])
        begin = match.end()
    return [*parts, string[begin:]]


# 17.16. StartsWith


@operator("StartsWith", nulls="propagate")
def starts_with(string: str, prefix: str) -> bool:
    """Whether `string` starts with `prefix`."""
    return string.startswith(prefix)


# 17.17. Substring


@operator("Substring", nulls="handle", inputs=("stringToSub", "startIndex", "length"))
def substring(string: str | None, start: int | None, length: int | None = None) -> str | None:
    """`length` characters from `start`, or all to the end; null where `start` is outside."""
    if string is None or start is None or not 0 <= start <= max(0, len(string) - 1):
        return None
    return string[start:] if length is None else string[start : start + max(0, length)]


# 17.18. Upper


@operator("Upper", nulls="propagate")
def upper(operand: str) -> str:
    """In upper case, the same in every locale."""
    return operand.upper()
