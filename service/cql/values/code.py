"""Codes and what they belong to: Code, Concept, ValueSet, CodeSystem."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a code system; `system` is its URI. Equal codes are equal in all four parts."""

    code: str | None
    system: str | None = None
    version: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Concept:
    """Codes of one meaning, in different code systems."""

    codes: tuple[Code, ...]
    display: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CodeSystem:
    """A reference to a code system with what terminology knows of it.

    `codes` is None when the content is not known; membership is then an error, never false.
    """

    id: str
    version: str | None = None
    name: str | None = None
    codes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ValueSet:
    """A value set and its expansion: pairs of (system, code)."""

    id: str
    version: str | None = None
    name: str | None = None
    expansion: tuple[Code, ...] = ()
    members: frozenset[tuple[str | None, str | None]] = frozenset()
    bare: frozenset[str | None] = frozenset()

    @classmethod
    def of(
        cls,
        id: str,
        expansion: tuple[Code, ...],
        version: str | None = None,
        name: str | None = None,
    ) -> "ValueSet":
        """The value set whose expansion is `expansion`."""
        return cls(
            id,
            version,
            name,
            expansion,
            frozenset((code.system, code.code) for code in expansion),
            frozenset(code.code for code in expansion),
        )

    def __contains__(self, code: Code) -> bool:
        return (code.system, code.code) in self.members
