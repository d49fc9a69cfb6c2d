"""The CQL text of a definition's parts, from the annotations that the translator leaves in ELM.

An annotation is a tree of texts in which `r` names the part (by its `localId`) that a text is of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from service.cql.library import Node

# Comments and white space become one blank; strings and quoted names stay as they are.
_GAP = re.compile(
    r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)"""
    r"""|(?:\s|//[^\n]*|/\*.*?\*/)+""",
    re.DOTALL,
)
_CLAUSE = re.compile(r"(?:where|such that|return(?: all| distinct)?) ")  # of a query


def narrative(definition: Node) -> Mapping[str, str]:
    """The text of each part of a definition by its `localId`, on one line."""
    for annotation in definition.get("annotation") or ():
        if "s" in annotation:
            texts: dict[str, str] = {}
            _collect(annotation["s"], texts)
            return texts
    return {}


def _collect(part: Mapping[str, Any], texts: dict[str, str]) -> str:
    """The text of an annotation's part; it and those of its own parts go into `texts`."""
    inside = "".join(_collect(one, texts) for one in part.get("s") or ())
    text = "".join(part.get("value") or ()) + inside
    if "r" in part and text.strip():
        texts[part["r"]] = _one_line(text)  # the outermost of a name comes last
    return text


@cache
def _one_line(text: str) -> str:
    line = _GAP.sub(lambda found: found.group(1) or " ", text).strip()
    clause = _CLAUSE.match(line)
    return line[clause.end() :] if clause else line
