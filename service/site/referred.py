"""What records refer to and what is nobody's own: read by id, where it did not come by itself."""

import mmap
import re
from collections.abc import Iterable, Iterator

import msgspec

from service.fhir.compartment import SHARED
from service.fhir.reading import read_resource
from service.fhir.together import together
from service.progress import progress
from service.site.acquisition import AcquiredFile
from service.site.asking import Asking
from service.site.pull_log import PullLog

Target = tuple[str, str]  # type and id


class _Head(msgspec.Struct):
    id: str = ""


def read_referred(asking: Asking, log: PullLog) -> None:
    """Read what the records in the log's files refer to of the plan's types and is not there.

    What is read can refer to more. What the EHR does not have is found out when the store is built.
    """
    shared = asking.plan.types & SHARED
    came = [file for file in log.files() if not _is_read(file)]
    known = {(file.type, id) for file in came if file.type in shared for id in ids_in(file)}
    new: Iterable[AcquiredFile] = came
    turn = 0
    while wanted := _references(new, shared, asking.endpoint.base_url) - known:
        turn += 1
        known |= wanted
        for name in sorted({name for name, _ in wanted}):
            _read(asking, name, [id for kind, id in sorted(wanted) if kind == name], turn, log)
        new = [file for file in log.files() if file.path.name.startswith(_prefix(turn))]


def _prefix(turn: int) -> str:
    return f"read-{turn:02}-"


def _is_read(file: AcquiredFile) -> bool:
    return file.path.name.startswith("read-")


def ids_in(file: AcquiredFile) -> Iterator[str]:
    """The ids of the resources in a file, as far as they can be read."""
    for line in file.read():
        try:
            yield msgspec.json.decode(line, type=_Head).id
        except (ValueError, RecursionError):
            continue


def _references(files: Iterable[AcquiredFile], types: frozenset[str], base_url: str) -> set[Target]:
    """What the resources in the files refer to of these types, here on this server."""
    if not types:
        return set()
    named = "|".join(sorted(types))
    slash = r"\\?/"  # some write it escaped
    base = re.escape(base_url).replace("/", slash)
    pattern = rf'"reference"\s*:\s*"(?:{base}{slash})?({named}){slash}([^"/\\\s]+)'
    finder = re.compile(pattern.encode())
    found: set[tuple[bytes, bytes]] = set()
    for file in files:
        if file.path.stat().st_size:
            with file.path.open("rb") as data:
                found.update(finder.findall(mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ)))
    return {(type_name.decode(), id.decode(errors="replace")) for type_name, id in found}


def _read(asking: Asking, type_name: str, ids: list[str], turn: int, log: PullLog) -> None:
    """Read resources of a type into a file."""
    name = f"{_prefix(turn)}{type_name}"
    if name in log.done:
        return
    with progress(f"Reading {type_name}", len(ids)) as advance:

        def read(id: str) -> bytes | None:
            resource = read_resource(asking.endpoint, type_name, id)
            advance(1)
            return resource

        found = together(read, ids, asking.at_once)
    log.add(name, type_name, [each for each in found if each is not None], [], file=name)
