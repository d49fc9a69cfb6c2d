"""Writing Python source: lines, blocks, fresh names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from service.cql.types import ANY, Type


@dataclass(frozen=True, slots=True)
class Term:
    """A Python expression that gives the value of an ELM node.

    `code` has no side effects; it may be written twice only when it is an `atom` (a name or a
    constant). A Boolean's value is True, False or None, so its truth in Python is its being true.
    `exact`: the type is not only what the ELM states, but what the value is made to be.
    """

    code: str
    type: Type = ANY
    nullable: bool = True
    atom: bool = False
    exact: bool = False


NULL = Term("None", ANY, atom=True)
TRUE = Term("True", nullable=False, atom=True)
FALSE = Term("False", nullable=False, atom=True)


class Body:
    """The statements of one generated function, written top down."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._names = 0

    def line(self, text: str) -> None:
        """Adds a statement."""
        self.lines.append("    " * self._depth + text)

    def note(self, text: str) -> None:
        """Adds a comment; `text` comes from the ELM and may hold anything."""
        self.line(f"# {ascii(text)[1:-1]}")

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Adds a compound statement; what is written inside `with` is its body."""
        self.line(header)
        before = len(self.lines)
        self._depth += 1
        try:
            yield
        finally:
            if len(self.lines) == before:
                self.line("pass")
            self._depth -= 1

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """Collects what is written inside `with` instead of adding it."""
        kept, depth = self.lines, self._depth
        self.lines, self._depth = [], 0
        try:
            yield self.lines
        finally:
            self.lines, self._depth = kept, depth

    def add(self, lines: list[str]) -> None:
        """Adds lines that were collected aside."""
        for line in lines:
            self.line(line)

    def name(self, hint: str = "t") -> str:
        """A new local name; `hint` may hold anything, its letters are kept."""
        self._names += 1
        kept = re.sub(r"\W+", "_", hint, flags=re.ASCII).strip("_")[:40]
        return f"{kept if kept[:1].isalpha() else 't'}_{self._names}"

    def assign(self, term: Term, hint: str = "t") -> Term:
        """The term as an atom, given a name if it has none."""
        if term.atom:
            return term
        name = self.name(hint)
        self.line(f"{name} = {term.code}")
        return replace(term, code=name, atom=True)
