"""Value sets and code systems, from FHIR resources to what the logic asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.cql.values import Code, CodeSystem, ValueSet
from service.errors import CompileError

Resource = Mapping[str, Any]
Key = tuple[str | None, str | None]


@dataclass(frozen=True, eq=False)
class Terminology:
    """The FHIR ValueSets and CodeSystems of a package, by canonical URL.

    Contents are looked at when the logic asks: a value set that is never used may be missing.
    """

    value_sets: Mapping[str, list[Resource]]
    code_systems: Mapping[str, list[Resource]]

    @classmethod
    def of(
        cls, value_sets: Iterable[Resource] = (), code_systems: Iterable[Resource] = ()
    ) -> Terminology:
        """Of decoded ValueSet and CodeSystem resources."""
        return cls(_by_url(value_sets), _by_url(code_systems))

    def has_value_set(self, url: str, version: str | None = None) -> bool:
        """Whether there is such a value set, whatever it holds."""
        return bool(_of_version(self.value_sets.get(url, []), version))

    def value_set(self, url: str, version: str | None = None, name: str | None = None) -> ValueSet:
        """The value set with its expansion.

        Raises CompileError when it is missing, empty, cut off and not to be rebuilt, or there in
        several versions of which the logic names none.
        """
        resource = self._resource(self.value_sets, "value set", url, version)
        codes = tuple(self._expand(resource, (url,)).values())
        if not codes:
            raise CompileError(f"Value set {url} is empty", todo="Add its expansion")
        return ValueSet.of(url, codes, resource.get("version"), name)

    def code_system(
        self, url: str, version: str | None = None, name: str | None = None
    ) -> CodeSystem:
        """A reference to the code system; its codes where a complete CodeSystem is there."""
        found = _of_version(self.code_systems.get(url, []), version)
        complete = found and found[0].get("content") == "complete"
        codes = frozenset(code for code, _ in _concepts(found[0], ())) if complete else None
        return CodeSystem(url, version, name, codes)

    def subsumes(self, ancestor: Code, descendant: Code) -> bool | None:
        """Whether `descendant` is `ancestor` or below it; None if their system is not known."""
        if ancestor.system != descendant.system or ancestor.system is None:
            return False if ancestor.system and descendant.system else None
        if ancestor.code == descendant.code:
            return True
        found = self.code_systems.get(ancestor.system)
        if not found:
            return None
        above = dict(_concepts(found[0], ()))
        if ancestor.code not in above or descendant.code not in above:
            return None
        return ancestor.code in above[descendant.code]

    def _resource(
        self, there: Mapping[str, list[Resource]], kind: str, url: str, version: str | None
    ) -> Resource:
        found = _of_version(there.get(url, []), version)
        canonical = f"{url}|{version}" if version else url
        if not found:
            raise CompileError(f"The {kind} {canonical} is missing", todo="Add it to the package")
        if len(found) > 1:
            raise CompileError(
                f"The {kind} {canonical} is there more than once", todo="Keep one of them"
            )
        return found[0]

    def _expand(self, resource: Resource, above: tuple[str, ...]) -> dict[Key, Code]:
        """The codes of a value set, from its expansion where that is whole, else by its rules."""
        expansion = resource.get("expansion")
        if expansion is not None:
            codes = {(code.system, code.code): code for code in _contains(expansion)}
            if expansion.get("total", 0) <= len(codes) or _counted(expansion) >= expansion["total"]:
                return codes
        if not resource.get("compose"):
            reason = "is cut off" if expansion is not None else "has no expansion"
            raise CompileError(f"Value set {resource['url']} {reason}", todo="Expand it whole")
        return self._compose(resource, above)

    def _compose(self, resource: Resource, above: tuple[str, ...]) -> dict[Key, Code]:
        codes: dict[Key, Code] = {}
        for include in resource["compose"].get("include") or ():
            codes |= self._included(include, resource["url"], above)
        for exclude in resource["compose"].get("exclude") or ():
            for key in self._included(exclude, resource["url"], above):
                codes.pop(key, None)
        return codes

    def _included(self, include: Resource, url: str, above: tuple[str, ...]) -> dict[Key, Code]:
        parts: list[dict[Key, Code]] = []
        if include.get("filter"):
            raise CompileError(
                f"Value set {url} is cut off and defined by a filter", todo="Expand it whole"
            )
        if system := include.get("system"):
            parts.append(self._of_system(include, system, url))
        for canonical in include.get("valueSet") or ():
            member, _, version = canonical.partition("|")
            if member in above:
                raise CompileError(f"Value set {member} includes itself")
            found = self._resource(self.value_sets, "value set", member, version or None)
            parts.append(self._expand(found, (*above, member)))
        common = set.intersection(*(set(part) for part in parts)) if parts else set()
        return {key: code for key, code in parts[0].items() if key in common} if parts else {}

    def _of_system(self, include: Resource, system: str, url: str) -> dict[Key, Code]:
        concepts = include.get("concept")
        if concepts is None:
            whole = self.code_system(system, include.get("version")).codes
            if whole is None:
                raise CompileError(
                    f"Value set {url} takes all of {system}, which is not there whole",
                    todo="Expand it whole",
                )
            return {(system, code): Code(code, system) for code in sorted(whole)}
        version = include.get("version")
        return {
            (system, concept["code"]): Code(
                concept["code"], system, version, concept.get("display")
            )
            for concept in concepts
        }


def _by_url(resources: Iterable[Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        same = found.setdefault(resource.get("url", ""), [])
        if resource not in same:
            same.append(resource)
    return found


def _of_version(resources: list[Resource], version: str | None) -> list[Resource]:
    return [one for one in resources if version is None or one.get("version") == version]


def _contains(expansion: Resource) -> Iterator[Code]:
    for entry in expansion.get("contains") or ():
        if entry.get("code") is not None and not entry.get("abstract"):
            yield Code(
                entry["code"], entry.get("system"), entry.get("version"), entry.get("display")
            )
        yield from _contains(entry)


def _counted(expansion: Resource) -> int:
    """The entries of an expansion as its `total` counts them: repeated and abstract ones too."""
    entries = expansion.get("contains") or ()
    return len(entries) + sum(_counted(entry) for entry in entries)


def _concepts(resource: Resource, above: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """Each code of a code system with the codes above it."""
    for concept in resource.get("concept") or ():
        yield concept["code"], frozenset(above)
        yield from _concepts(concept, (*above, concept["code"]))
