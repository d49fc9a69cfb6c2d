"""What the language may ask of a value that belongs to a data model, as FHIR's elements do."""

from collections.abc import Hashable, Mapping


class Structured:
    """A class instance of a model: a type name and named elements.

    Two of them are equal when they are of one type and their elements are, like tuples.
    """

    __slots__ = ()

    @property
    def type_name(self) -> str:
        """The qualified name of the type, as {http://hl7.org/fhir}Period."""
        raise AttributeError("type_name")

    def elements(self) -> Mapping[str, object]:
        """The elements that have a value, by name; lists for repeating elements."""
        raise AttributeError("elements")

    @property
    def identity(self) -> Hashable:
        """A key that equal values share, the finer the better: finding duplicates starts here."""
        return self.type_name
