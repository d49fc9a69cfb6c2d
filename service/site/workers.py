"""The processes that build a store: this one for a small pull, up to four for a large one.

A job is done the same way in all of them. Workers are given their jobs on standard input and end
with it, so that none outlives the run.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec

from service.errors import StoreError
from service.frozen import frozen
from service.site.acquisition import Acquisition
from service.site.division import Divided, clear, divide, versions, workbench
from service.site.intake import Intake
from service.site.plan import AcquisitionPlan
from service.site.staging import Range, Staged, Tables, stage
from service.site.staleness import recent

MOST = 4  # processes, of up to 300 MB each
TODO = "Check the free space and the owner of data_dir, and run again"


class Setting(msgspec.Struct, frozen=True):
    """What all jobs of a build share; see `Intake` and `Tables`."""

    folder: str
    base_url: str
    elements: dict[str, list[str]]
    bounds: list[str]
    aliases: dict[str, str]
    recent: str  # the first day that is counted
    subsets: bool


def setting_of(
    pull: Acquisition,
    plan: AcquisitionPlan,
    folder: Path,
    aliases: Mapping[str, str],
    bounds: Sequence[str] = (),
) -> Setting:
    """The setting of a build; without ``bounds`` all patients are one division."""
    return Setting(
        folder=str(folder),
        base_url=pull.base_url,
        elements={name: sorted(of) for name, of in sorted(plan.elements.items())},
        bounds=list(bounds),
        aliases=dict(aliases),
        recent=recent(pull.transaction_time),
        subsets=pull.subsets,
    )


class Stage(msgspec.Struct, frozen=True, tag=True):
    """Read a range into tables."""

    part: Range


class Divide(msgspec.Struct, frozen=True, tag=True):
    """Make a division's part of the store, leaving out records by range and line."""

    number: int
    leave_out: list[tuple[int, int]]


class Seek(msgspec.Struct, frozen=True, tag=True):
    """Find the versions of resources by their keys."""

    number: int
    keys: list[int]


Version = tuple[int, int, int, int]  # key, lastUpdated in microseconds, range, line


class Found(msgspec.Struct, frozen=True):
    """What `Seek` found."""

    versions: list[Version]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A job that could not be done; ``why`` holds nothing of a record."""

    why: str


Job = Stage | Divide | Seek
R = TypeVar("R", Staged, Divided, Found)


class Bench:
    """Does jobs in this process."""

    def __init__(self, setting: Setting, process: int, threads: int | None = None) -> None:
        self._folder = Path(setting.folder)
        plan = AcquisitionPlan({name: frozenset(of) for name, of in setting.elements.items()})
        self._intake = Intake(plan, setting.base_url, setting.aliases, subsets=setting.subsets)
        self._tables = Tables(self._folder, process, setting.bounds)
        self._recent = setting.recent
        self._threads = threads
        self._opened = ExitStack()
        self._work: Any = None

    def do(self, job: Job) -> Staged | Divided | Found:
        """Raises OSError and duckdb.Error."""
        if isinstance(job, Stage):
            return stage(job.part, self._intake, self._tables, self._folder)
        work = self._database()
        try:
            if isinstance(job, Seek):
                return Found(versions(work, self._folder, job.number, job.keys))
            return divide(work, self._folder, job.number, self._recent, job.leave_out)
        finally:
            clear(work)

    def _database(self) -> Any:
        """One for all divisions: memory that was used before is at hand sooner."""
        if self._work is None:
            opening = workbench(self._folder, "512MB", self._threads, kept="64MB")
            self._work = self._opened.enter_context(opening)
        return self._work

    def discard(self) -> None:
        """Remove the tables, when no job is left that reads them."""
        self._tables.discard()

    def close(self) -> None:
        """Close the files that are written, and the database."""
        self._tables.close()
        self._opened.close()


class Workers:
    """Some processes, or this one alone; `workers` makes them."""

    def __init__(
        self, do: Sequence[Callable[[Job, type[Any]], Any]], end: Callable[[], None]
    ) -> None:
        self.end = end  # there are no more jobs; it takes a while, and nobody need wait
        self._idle: SimpleQueue[Callable[[Job, type[Any]], Any]] = SimpleQueue()
        for each in do:
            self._idle.put(each)
        self._count = len(do)

    def do(self, jobs: Sequence[Job], result: type[R], done: Callable[[R], None]) -> list[R]:
        """The results of jobs, in their order; ``done`` is told of each when it is there.

        Raises StoreError.
        """
        if self._count == 1:
            return [self._one(job, result, done) for job in jobs]
        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(lambda job: self._one(job, result, done), jobs))

    def _one(self, job: Job, result: type[R], done: Callable[[R], None]) -> R:
        work = self._idle.get()
        try:
            made: R = work(job, result)
        finally:
            self._idle.put(work)
        done(made)
        return made


def processes() -> int:
    """How many processes build a large store: one for each core that this one may use, few enough
    for the memory that docs/site.md asks for."""
    return min(len(os.sched_getaffinity(0)), MOST)


@contextmanager
def workers(*, alone: bool) -> Iterator[Callable[[Setting], Workers]]:
    """`processes`, or this one ``alone``; gives what sets them to work.

    They start at once, so that they are ready when the setting is known. Raises StoreError when one
    cannot work.
    """
    count = processes()
    with ExitStack() as stack:
        if alone or count == 1:

            def set_to_work(setting: Setting) -> Workers:
                bench = stack.enter_context(closing(Bench(setting, 0, count)))
                return Workers([lambda job, result: bench.do(job)], bench.close)

        else:
            started = [stack.enter_context(_started(number)) for number in range(count)]
            stack.callback(_end, started)

            def set_to_work(setting: Setting) -> Workers:
                for process in started:
                    _tell(process, setting)
                return Workers([_asking(process) for process in started], partial(_end, started))

        yield set_to_work


@contextmanager
def _started(number: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "service.site.workers", str(number)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield process
    finally:
        _end([process])
        process.stdout.close()
        process.wait()


def _end(started: Iterable[subprocess.Popen[bytes]]) -> None:
    """Tell processes that there are no more jobs."""
    for process in started:
        assert process.stdin
        with suppress(BrokenPipeError):
            process.stdin.close()


def _tell(process: subprocess.Popen[bytes], what: Setting | Job) -> None:
    assert process.stdin
    try:
        process.stdin.write(msgspec.json.encode(what) + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise _died() from None


def _died() -> StoreError:
    return StoreError("A process that builds the store has died", todo=TODO)


def _asking(process: subprocess.Popen[bytes]) -> Callable[[Job, type[Any]], Any]:
    """A function that has a process do a job."""
    assert process.stdout
    answered = process.stdout

    def ask(job: Job, result: type[Any]) -> Any:
        _tell(process, job)
        line = answered.readline()
        if not line:
            raise _died()
        try:
            return msgspec.json.decode(line, type=result)
        except msgspec.ValidationError:
            why = msgspec.json.decode(line, type=Failed).why
            raise StoreError(f"The store cannot be built ({why})", todo=TODO) from None

    return ask


def why(error: Exception) -> str:
    """What went wrong, without what was read: DuckDB repeats that."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__


def main(number: int, threads: int = 1) -> None:
    """Do the jobs that stand on standard input, one a line, until it ends."""
    setting = msgspec.json.decode(sys.stdin.buffer.readline(), type=Setting)
    with frozen(), closing(Bench(setting, number, threads)) as bench:
        for line in sys.stdin.buffer:
            answer: msgspec.Struct
            try:
                answer = bench.do(msgspec.json.decode(line, type=Job))
            except Exception as error:  # the name alone: others repeat what was read
                answer = Failed(why(error))
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
        bench.discard()


if __name__ == "__main__":
    main(int(sys.argv[1]))
