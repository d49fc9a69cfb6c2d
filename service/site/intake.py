"""Reading the NDJSON lines of a pull: what is kept of each, whose it is, what it refers to.

Most lines are as expected and are read many at a time, a column for each key (see `columns`).
Where one is not, all are read record by record, and those that cannot be read so each by itself: a
bad line costs its neighbours nothing.
"""

import re
from collections.abc import Mapping
from io import BytesIO
from operator import itemgetter
from typing import Any

import msgspec

from service.fhir.compartment import SHARED, resource_types
from service.fhir.outcome import issues
from service.fhir.surrogates import without_halves
from service.site.columns import Columns, KeyReader, columns_of, is_read_by_columns
from service.site.contained import BETWEEN, Lifted, lift, refers_within
from service.site.day import day_of
from service.site.meta import Meta, is_subset, take_off
from service.site.owner import Owners
from service.site.plan import AcquisitionPlan
from service.site.record_text import SURE, RecordText, is_unwieldy, others_referred_to
from service.site.row import Read, Row, Unasked, Unusable
from service.site.shape import Shape, shape_of
from service.site.soundness import (
    is_birth_date,
    is_redacted,
    is_whole,
    refers_oddly,
    says_what_it_refers_to,
)
from service.site.verdict import Fault

_ID = re.compile(r"[-A-Za-z0-9.]{1,256}|[^/?#\s\x00-\x20\x7f]{1,256}")  # the usual ones first
_LIFTED_ID = re.compile(r"[-A-Za-z0-9.~]{1,256}")
_matches_id = _ID.fullmatch
_encode, _encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
_first, _before_last = itemgetter(0), itemgetter(-2)


class Intake:
    """Reads lines for one plan and one EHR.

    ``aliases`` are patients that another one replaces (Patient.link): their records are read as the
    other's. ``subsets``: that a record says it is not all there is of it (SUBSETTED) is as asked
    for. Raises ConfigError when the plan has a type that is no patient's and that none refers
    to.
    """

    def __init__(
        self,
        plan: AcquisitionPlan,
        base_url: str,
        aliases: Mapping[str, str] | None = None,
        *,
        subsets: bool = False,
    ) -> None:
        self._shapes = {name: shape_of(name, of, plan.types) for name, of in plan.elements.items()}
        self._key_readers = {
            name: KeyReader(shape, aliases or {}, subsets)
            for name, shape in self._shapes.items()
            if is_read_by_columns(shape)
        }
        self._owners = Owners(base_url, aliases or {})
        self._subsets = subsets
        self._text = RecordText(base_url, plan.types)

    def read_lines(self, lines: bytes, expected: str) -> Columns | list[Read | None]:
        """What becomes of some whole lines; None for blank ones.

        ``expected`` is the type that the resources of the file should be of.
        """
        reads = self._read_columns(lines, expected)
        if reads is None:
            shape = self._shapes[expected]
            records = _decoded(lines, shape.decoder)
            count = len(lines.removesuffix(b"\n").split(b"\n"))
            reads = [None] * count if records is None else self._read_all(records, shape)
        if isinstance(reads, Columns) or None not in reads:
            return reads
        apart = lines.split(b"\n")
        for number, read in enumerate(reads):
            if read is None and apart[number].strip():
                reads[number] = self.read(apart[number], expected)
        return reads

    def _read_columns(self, lines: bytes, expected: str) -> Columns | list[Read | None] | None:
        """The same for lines that are all as most are, else None."""
        reader = self._key_readers.get(expected)
        records = _decoded(lines, reader.decoder) if reader else None
        keys = reader.read(records) if reader and records else None
        if records is None or keys is None:
            return None
        text = _encode_lines(records)
        return columns_of(keys, text, self._text) or self._with_texts(list(keys.rows()), text)

    def read(self, line: bytes, expected: str) -> Read:
        """The record on a line of a file whose resources should be of type ``expected``."""
        found = self._read(line, expected)
        if found is Fault.UNREADABLE and (mended := without_halves(line)) != line:
            return self._read(mended, expected)
        return found

    def _read(self, line: bytes, expected: str) -> Read:
        try:
            if not line.isascii():
                line.decode()  # what is kept is not looked into, so UTF-8 is checked here
            shape = self._shapes[expected]
            record = shape.decoder.decode(line)
            if record.resourceType not in self._shapes:
                return _stranger(record.resourceType, line)
            if record.resourceType != expected:
                shape = self._shapes[record.resourceType]
                record = shape.decoder.decode(line)
            return self._with_text(self._row(record, shape), _encode(record))
        except Unusable as unusable:
            return unusable.why
        except (ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
            return Fault.UNREADABLE

    def _read_all(self, records: list[Any], shape: Shape) -> list[Read | None]:
        """What becomes of records that stood on one line each; None for one to be read alone."""
        reads: list[Read | None] = []
        for record in records:
            read: Read | None = None
            try:
                if record.resourceType == shape.type:
                    read = self._row(record, shape)
            except Unusable as unusable:
                read = unusable.why
            except (ValueError, RecursionError):  # what stands inside is no JSON that we can read
                pass
            reads.append(read)
        return self._with_texts(reads, _encode_lines(records))

    def _with_texts(self, reads: list[Read | None], text: bytes) -> list[Read | None]:
        """The same after the rows among them have got their texts, which are lines of this one."""
        plain = others_referred_to(text) is not None
        for number, json in enumerate(text.split(b"\n")[:-1]):
            row = reads[number]
            if isinstance(row, Row):
                if plain and len(json) <= SURE:
                    row.json, row.references = json, self._text.references(json)
                else:
                    reads[number] = self._with_text_or_alone(row, json)
        return reads

    def _row(self, record: Any, shape: Shape) -> Row:
        """The record as a row that still lacks its text; takes off the record what is not kept.

        This is where the time goes: what is rare has functions of its own.
        """
        id: str = record.id
        if not _matches_id(id):
            raise Unusable(Fault.UNREADABLE)
        owners = self._owners
        link = getattr(record, shape.link[0]) if shape.plain else None
        if link is not None:
            owner = owners.known.get(link.reference)
            if owner is None:
                owner = owners.found(link.reference)
                link.reference = f"Patient/{owner}"
        else:
            owner = owners.itself(id) if shape.type == "Patient" else owners.at(record, shape.link)
        sure = is_whole(record, shape) and (shape.plain or owners.is_one(record, shape.link))
        doubt = None if sure else Fault.NOT_UNDERSTOOD
        if shape.born and not is_birth_date(record.birthDate):
            doubt = Fault.NO_BIRTH_DATE
        if record.meta is not None and self._lacks_something(record.meta):
            doubt = doubt or Fault.NOT_UNDERSTOOD
        if not says_what_it_refers_to(record, shape):
            doubt = doubt or Fault.LEADS_NOWHERE
        updated = take_off(record)
        row = Row(shape.type, id, owner, updated, day_of(record, shape), doubt)
        if record.contained:
            self._keep_contained(row, record)
        return row

    def _lacks_something(self, meta: Meta) -> bool:
        """Whether a record says that something was taken out of it, or never put in unasked."""
        return is_redacted(meta.security) or (is_subset(meta.tag) and not self._subsets)

    def _keep_contained(self, row: Row, record: Any) -> None:
        """Keep what is contained and of a type that a measure needs; whose it is the row tells."""
        kept = []
        for held in record.contained:
            head = msgspec.json.decode(held, type=_Head)
            if shape := self._shapes.get(head.resourceType):
                part = shape.decoder.decode(held)
                if shape.type in SHARED and shape.plain:
                    setattr(part, shape.link[0], None)
                kept.append(part)
            else:
                row.beside = row.beside | {head.id.encode()}
        record.contained = kept or None

    def _with_text_or_alone(self, row: Row, json: bytes) -> Read | None:
        """The row with its text; None for one to be read alone."""
        try:
            return self._with_text(row, json)
        except (ValueError, RecursionError):
            return None

    def _with_text(self, row: Row, json: bytes) -> Read:
        """The row with its text, and with what that refers to.

        Raises ValueError and RecursionError for what is no JSON that can be read.
        """
        json = self._text.plain(json)
        if is_unwieldy(json):
            return Fault.UNREADABLE
        if refers_within(json):
            json = self._with_parts(row, json)
        row.json, row.references = json, self._text.references(json)
        if refers_oddly(json):
            row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        return row

    def _with_parts(self, row: Row, json: bytes) -> bytes:
        """The row's text after what it contains was made rows of their own; it is doubted when
        something that it contains is referred to all the same, or is doubtful itself."""
        json, lifted = lift(json, f"{row.type}{BETWEEN}{row.id}", self._is_wanted)
        for each in lifted:
            part = self._lifted(each)
            if isinstance(part, Row):
                part.updated = row.updated
                row.parts.append(part)
                row.doubt = row.doubt or part.doubt
            else:
                row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        # What no measure needs is contained no more, and may be referred to.
        if refers_within(json, row.beside):
            row.doubt = row.doubt or Fault.NOT_UNDERSTOOD
        return json

    def _lifted(self, part: Lifted) -> Read:
        """What was contained as a row that is nobody's."""
        shape = self._shapes[part.type]
        record = shape.decoder.decode(part.json)
        record.id = part.id
        try:
            return self._with_text(self._row(record, shape), _encode(record))
        except Unusable:
            return Fault.NOT_UNDERSTOOD

    def _is_wanted(self, type_name: str, id: str) -> bool:
        return type_name in self._shapes and _LIFTED_ID.fullmatch(id) is not None


class _Head(msgspec.Struct):
    resourceType: str
    id: str = ""


def _decoded(lines: bytes, decoder: msgspec.json.Decoder[Any]) -> list[Any] | None:
    """The records on lines of which every one is a record; else None."""
    try:
        if not lines.isascii():
            lines.decode()
        records: list[Any] = decoder.decode_lines(lines)
    except (ValueError, RecursionError):
        return None
    return records if len(records) == _braced(lines) else None


def _braced(lines: bytes) -> int | None:
    """How many lines they are, if all begin and end with braces; else None.

    A line may end within an object, but never between two braces that stand back to back: so where
    there are as many objects as there are such lines, each has one of its own.
    """
    apart = BytesIO(lines).readlines()  # looks for line ends faster than bytes.split
    before = apart[:-1]
    if set(map(_first, apart)) != {ord("{")}:
        return None
    if set(map(_before_last, before)) <= {ord("}")}:
        return len(apart)
    return len(apart) if all(line.endswith((b"}\n", b"}\r\n")) for line in before) else None


def _stranger(type_name: str, line: bytes) -> Fault | Unasked:
    if type_name == "OperationOutcome":
        harmless = all(issue.is_harmless for issue in issues(msgspec.json.decode(line)))
        return Unasked.UNASKED if harmless else Fault.OUTCOME_AMONG_RECORDS
    return Fault.MISPLACED if type_name in resource_types() else Fault.UNKNOWN_TYPE
