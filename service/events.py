"""What the programs tell their logs: events of a closed list, with whole numbers and nothing else.

An event is one line on standard error: an instant, the event, `name=number` pairs. No text from a
record, a server or an exception can get into it. The traceback of an error that nobody foresaw
goes to a file of mode 0600 beside the data, and the log has its name, which is random.
"""

import logging
import os
import resource
import secrets
import sys
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

EventName = Literal[
    "run-started",
    "run-ended",
    "step-failed",
    "gateway-started",
    "gateway-ended",
    "report-receipt",
    "report-refused",
    "report-later",
    "report-no-answer",
    "report-no-receipt",
    "proposal-expired",
    "proposal-expires-soon",
    "letter-void",
    "ledger-behind",
    "unforeseen-error",
]
EVENTS = frozenset(get_args(EventName))
FOLDER = "tracebacks"

_kept_in: list[Path] = []


def log(event: str, **numbers: int) -> None:
    """Write an event to standard error. Raises ValueError for one that is not of the list."""
    if event not in EVENTS:
        raise ValueError("not an event of the list")
    told = "".join(f" {name}={int(number)}" for name, number in numbers.items())
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sys.stderr.write(f"{at} {event}{told}\n")


def keep_tracebacks(data_dir: Path) -> None:
    """From now on, `unforeseen` writes tracebacks under `data_dir/tracebacks`."""
    _kept_in[:] = [data_dir / FOLDER]


def unforeseen(error: BaseException) -> str:
    """Keep the traceback of an error that nobody foresaw, and say in one line where to find it.

    Its type and the place in our own code are told; its text, which may quote a record, is not.
    """
    log("unforeseen-error")
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    kept = _keep("".join(traceback.format_exception(error)))
    where = f"the traceback is in {kept}" if kept else "no folder to keep the traceback was known"
    return f"something unforeseen happened ({kind} at {place}); {where}"


def quiet_libraries() -> None:
    """Let no library write to the log: their messages hold addresses, and records' contents.

    Whatever level is set, and whoever set it: only our own loggers pass.
    """
    logging.lastResort = None
    logging.raiseExceptions = False
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold patients
    root = logging.getLogger()
    for handler in root.handlers:
        if not any(isinstance(each, _OwnOnly) for each in handler.filters):
            handler.addFilter(_OwnOnly())


class _OwnOnly(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.name.split(".")[0] in ("weir", "uvicorn") and record.exc_info is None


def _keep(text: str) -> Path | None:
    if not _kept_in:
        return None
    path = _kept_in[0] / f"{secrets.token_hex(6)}.txt"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError:
        return None
    return path
