"""Reading neighbours together: the keys of records that are as most are, a column at a time.

Nearly all records of a file have the same elements in the same forms, and a step of Python for a
column of them costs little more than one for a record. Of records of which any is not as most are
there are no columns: they are read one by one (see `intake`), with the same result.
"""

from collections.abc import Collection, Iterator
from io import BytesIO
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from service.site.day import PLANNED, days_of
from service.site.meta import Unlabelled, are_subsets, take_off_all
from service.site.record_text import SURE, RecordText, Reference, others_referred_to
from service.site.row import Row
from service.site.shape import Link, Shape
from service.site.soundness import (
    EMPTY,
    has_what_is_demanded,
    is_birth_date,
    says_what_it_refers_to,
)

TO_PATIENT = "Patient/"
_IN_IDS, LONGEST_ID = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.", 256
_id = attrgetter("id")


class Keys(NamedTuple):
    """What the rows of some records of one type begin with (see `Row`)."""

    type: str
    ids: list[str]
    patients: list[str]
    updated: list[str]
    days: list[str]

    def rows(self) -> Iterator[Row]:
        """The rows, still without their texts."""
        for id, patient, updated, day in zip(*self[1:], strict=True):
            yield Row(self.type, id, patient, updated, day)


class Columns(NamedTuple):
    """Rows that nothing makes doubtful. ``lines`` are their texts, each with its line end.
    ``references`` are each one's (see `Row`), or empty where they refer to nothing but whose they
    are."""

    keys: Keys
    lines: list[str]
    references: list[frozenset[Reference]]


def columns_of(keys: Keys, text: bytes, texts: RecordText) -> Columns | None:
    """The rows of which the lines of a text are the records; None if any text is not as most are.

    That all but patients refer to theirs, in the form that is kept, is known already.
    """
    known = 0 if keys.type == "Patient" else len(keys.ids)
    others = others_referred_to(text, known)
    if others is None:
        return None
    apart = BytesIO(text).readlines()
    if max(map(len, apart)) > SURE:
        return None
    lines = list(map(bytes.decode, apart))
    return Columns(keys, lines, texts.plain_references(lines) if others else [])


class KeyReader:
    """Reads the keys of records of one shape: of patients, or of what one single Reference says
    whose it is.

    ``decoder`` decodes what is as most are and nothing else: resources with all that FHIR demands,
    without anything that could change their meaning, and not only planned. Patients among the
    ``aliases`` are not as most are.
    """

    def __init__(self, shape: Shape, aliases: Collection[str], subsets: bool) -> None:
        self.decoder = _decoder(shape)
        self._shape = shape
        self._subsets = subsets
        self._aliases = frozenset(aliases)
        self._reference = attrgetter(".".join([*shape.link, "reference"]))

    def read(self, records: list[Any]) -> Keys | None:
        """The keys of what was decoded, and takes off it what is not kept; None, and nothing taken,
        if any record is not as most are."""
        shape, ids = self._shape, list(map(_id, records))
        patients = self._patients(records) if shape.plain else ids
        if patients is None or not _are_ids(ids + patients):
            return None
        if not (self._aliases.isdisjoint(patients) and _have_what_is_demanded(records, shape)):
            return None
        if shape.born and not all(is_birth_date(record.birthDate) for record in records):
            return None
        if not self._subsets and are_subsets(records):
            return None
        if shape.pointers and not all(says_what_it_refers_to(each, shape) for each in records):
            return None
        days = days_of(records, shape)
        return Keys(shape.type, ids, patients, take_off_all(records), days)

    def _patients(self, records: list[Any]) -> list[str] | None:
        """What follows the type where each refers to a patient in the form that is kept."""
        references = "\n".join(map(self._reference, records))
        before, *ids = f"\n{references}".split(f"\n{TO_PATIENT}")
        return ids if not before and len(ids) == len(records) else None


def is_read_by_columns(shape: Shape) -> bool:
    """Whether a `KeyReader` can read records of a shape."""
    return shape.plain or shape.type == "Patient"


def _decoder(shape: Shape) -> msgspec.json.Decoder[Any]:
    """Its fields are in the order of the shape's decoder's: what was decoded by one of the two is
    written as what was decoded by the other."""
    absent = ["contained", *shape.modifiers, *(name for name, _ in shape.earlier)]
    usual: dict[str, Any] = dict.fromkeys(absent, None)
    owner = dict.fromkeys(shape.link[:1], Link)
    usual |= {"resourceType": Literal[shape.type], "meta": Unlabelled | None} | owner
    needed = {"resourceType", "id", *owner}
    for name, codes in shape.codes:
        usual[name] = Literal[tuple(sorted(codes - PLANNED - {""}))]
        needed |= set() if "" in codes else {name}
    fields: list[Any] = []
    for field in msgspec.structs.fields(shape.decoder.type):
        default = () if field.name in needed else (field.default,)
        fields.append((field.name, usual.get(field.name, field.type), *default))
    made = msgspec.defstruct(shape.type, fields, omit_defaults=True, kw_only=True, gc=False)
    return msgspec.json.Decoder(made)


def _are_ids(texts: list[str]) -> bool:
    """Whether texts are of the letters of most ids, and neither empty nor too long."""
    if not all(texts) or max(map(len, texts)) > LONGEST_ID:
        return False
    return not "".join(texts).encode().translate(None, _IN_IDS)


def _have_what_is_demanded(records: list[Any], shape: Shape) -> bool:
    """See `soundness`."""
    for names in shape.demanded:
        # Whether a Reference is one takes a look at each.
        plain = [name for name in names if not name.endswith("Reference")]
        if not any(min(map(len, map(attrgetter(name), records))) > EMPTY for name in plain):
            return all(has_what_is_demanded(record, shape) for record in records)
    return True
