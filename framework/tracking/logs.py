"""Structured logs: one JSON object a line, for commands, workers, runs and the server alike.

    {"time": "2026-01-31T12:00:00.123456+00:00", "level": "INFO", "run": "ab12cd34", "worker": "node1:4711",
     "logger": "launch.local", "message": "…", "fields": {…}, "trace": "Traceback …"}

Code logs with Python's own `logging`. What is given as `extra` are fields, or as `extra={"fields": {…}}` where
names would clash with Python's. The file, of one day and host, takes what the project says from DEBUG on and what
libraries say from WARNING on; the terminal has a level of its own. A line is written in one go at the end of the
file, so that many processes share it. Until the folder is known lines wait.
"""

import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from framework.errors import ConfigError, Problem
from framework.fields import nearest

FOLDER = "logs"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OFF = "OFF"
TERMINAL, FILE = "SASHIKO_LOG_LEVEL", "SASHIKO_LOG_FILE_LEVEL"
OPTIONS = {TERMINAL: "--log-level", FILE: "the level of the file"}
OURS = ("experiments", "framework", "launch")
FIELDS = "fields"
WAITING = 1_000
"""Lines that are kept until the folder is known."""
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record of Python's logging has; what else one has is a field."""

_about: dict[str, str] = {}


class Lines(logging.Handler):
    """Appends lines to the file of the day in a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None
        self._waiting: list[bytes] = []
        self._day, self._file = "", -1

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a full disk or a folder that is gone stops nothing."""
        line = (json.dumps(entry_of(record), ensure_ascii=False, default=plain) + "\n").encode()
        if self.folder is None:
            self._waiting = [*self._waiting[-WAITING + 1 :], line]
            return
        with contextlib.suppress(OSError):
            os.write(self._opened(self.folder), line)

    def into(self, folder: Path) -> None:
        """From now on lines go there; those that wait go first."""
        if folder == self.folder:
            return
        self.folder, self._day = folder, ""
        waiting, self._waiting = self._waiting, []
        with contextlib.suppress(OSError):
            os.write(self._opened(folder), b"".join(waiting)) if waiting else None

    def _opened(self, folder: Path) -> int:
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        if day != self._day:
            folder.mkdir(parents=True, exist_ok=True)
            if self._file >= 0:
                os.close(self._file)
            path = folder / f"{day}-{socket.gethostname()}.jsonl"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._day = day
        return self._file


def entry_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record as the object of a line. Its first keys stand in this order: readers look for them as bytes."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
    entry: dict[str, Any] = {"time": moment, "level": record.levelname, **_about, "logger": record.name}
    try:
        entry["message"] = record.getMessage()
    except (TypeError, ValueError):  # words and values that do not fit: nothing is lost
        entry["message"] = f"{record.msg} {record.args!r}"
    fields = {name: value for name, value in vars(record).items() if name not in (*USUAL, FIELDS)}
    given = getattr(record, FIELDS, None)
    fields |= given if isinstance(given, Mapping) else {}
    if fields:
        entry["fields"] = fields
    if record.exc_info and record.exc_info[0] is not None:
        entry["trace"] = logging.Formatter().formatException(record.exc_info)
    elif record.exc_text:
        entry["trace"] = record.exc_text
    return entry


def plain(value: Any) -> Any:
    """What JSON does not know: numbers and arrays as Python has them, all else as text."""
    try:
        return value.tolist() if hasattr(value, "tolist") else str(value)
    except Exception as error:  # an object whose text cannot be made must not end a run
        return f"<{type(value).__name__}: {type(error).__name__}>"


_lines = Lines()
_terminal = logging.StreamHandler()
_terminal.setLevel(logging.CRITICAL + 1)


def set_up(terminal: str | None = None, file: str | None = None) -> None:
    """Set up logging for this process and all that it forks.

    `terminal`, `file`: the least level that is shown or kept, or OFF; by default `SASHIKO_LOG_LEVEL` (OFF) and
    `SASHIKO_LOG_FILE_LEVEL` (DEBUG). What is given is passed on to the processes that this one starts.

    Raises:
        ConfigError: one of them is no level.
    """
    root = logging.getLogger()
    for handler in (_lines, _terminal):
        if handler not in root.handlers:
            root.addHandler(handler)
    given = {TERMINAL: terminal, FILE: file}
    shown, kept = (_level(name, given[name], usual) for name, usual in ((TERMINAL, OFF), (FILE, "DEBUG")))
    os.environ.update({name: text for name, text in given.items() if text is not None})
    _lines.setLevel(kept)
    _terminal.setLevel(shown)
    _terminal.stream = sys.stderr  # the one before may be closed
    _terminal.setFormatter(logging.Formatter("%(levelname)-8s %(name)s: %(message)s"))
    for name in OURS:
        logging.getLogger(name).setLevel(min(shown, kept))


def _level(name: str, given: str | None, usual: str) -> int:
    text = (given or os.environ.get(name) or usual).upper()
    if text == OFF:
        return logging.CRITICAL + 1
    if text not in LEVELS:
        where = OPTIONS[name] if given else name
        raise ConfigError([Problem(where, f"is {text}; {nearest(text, [*LEVELS, OFF])}")])
    return logging.getLevelNamesMapping()[text]


def into(directory: Path) -> None:
    """Lines go to `directory/logs` from now on."""
    _lines.into(directory / FOLDER)


def into_if_there(directory: Path) -> None:
    """Lines that wait still, at the end of a command, go to that folder if there is one; else they are gone."""
    with contextlib.suppress(OSError):  # a place that may not be looked into has none
        if _lines.folder is None and directory.is_dir():
            into(directory)


def say_about(*, run: str | None = None, worker: str | None = None) -> None:
    """Have all lines of this process, and of those that it forks, tell the run and the worker."""
    known = {"run": run, "worker": worker}
    _about.update({name: text for name, text in known.items() if text is not None})


def begin_run(run: str) -> str | None:
    """Have lines tell the run from now on; the one that they told before."""
    before = _about.get("run")
    _about["run"] = run
    return before


def end_run(before: str | None) -> None:
    """Have lines tell the run that they told before."""
    _about.pop("run", None)
    say_about(run=before)
