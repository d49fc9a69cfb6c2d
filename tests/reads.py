"""What becomes of lines that are read together, one by one."""

from msgspec.structs import replace

from service.site.columns import Columns
from service.site.intake import Intake
from service.site.record_text import Reference
from service.site.row import Read


def one_by_one(intake: Intake, lines: bytes, expected: str) -> list[Read | None]:
    """What becomes of each line, however they were read."""
    reads = intake.read_lines(lines, expected)
    if not isinstance(reads, Columns):
        return reads
    texts = [line.removesuffix("\n").encode() for line in reads.lines]
    references = reads.references or [frozenset[Reference]()] * len(texts)
    rows = zip(reads.keys.rows(), texts, references, strict=True)
    return [replace(row, json=text, references=refers) for row, text, refers in rows]
