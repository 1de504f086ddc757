"""What commands, workers, runs and servers have logged in a folder: filtered, newest last, and followed.

Most lines of a large file are told apart as bytes, without being read as JSON: only those that have the words of
every filter somewhere in them are parsed and looked at.
"""

import json
import mmap
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.tracking.logs import FOLDER, LEVELS

LOOK_S = 0.5
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SINCE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """Which lines are meant. `level`: the least; `fields`: text by dotted name, also of `logger` or `message`."""

    level: str = "DEBUG"
    run: str = ""
    worker: str = ""
    fields: Sequence[tuple[str, str]] = field(default=())
    since: str = ""
    until: str = ""

    def takes(self, entry: Entry) -> bool:
        """Whether a line is meant."""
        if LEVELS.index(self.level) > (LEVELS.index(entry["level"]) if entry.get("level") in LEVELS else 0):
            return False
        if (self.run and entry.get("run") != self.run) or (self.worker and entry.get("worker") != self.worker):
            return False
        moment = str(entry.get("time", ""))
        if (self.since and moment < self.since) or (self.until and moment >= self.until):
            return False
        return all(_text_at(entry, name) == wanted for name, wanted in self.fields)

    @property
    def words(self) -> list[re.Pattern[bytes]]:
        """What every line that is meant has in it, as bytes, the rarest first; none where nothing is asked for."""
        found = [
            re.compile(rb'"%b": (?:"%b"|%b(?=[,}\]]))' % (_key(name), _bytes(value), re.escape(value.encode())))
            for name, value in self.fields
        ]
        for name, value in (("run", self.run), ("worker", self.worker)):
            found += [re.compile(b'"%b": "%b"' % (name.encode(), _bytes(value)))] if value else []
        if self.level != LEVELS[0]:
            levels = "|".join(LEVELS[LEVELS.index(self.level) :])
            found.append(re.compile(rf'"level": "(?:{levels})"'.encode()))
        return found


def _key(name: str) -> bytes:
    return _bytes(name.rsplit(".", 1)[-1])


def _bytes(text: str) -> bytes:
    """Text as it stands between the quotes of a line."""
    return re.escape(json.dumps(text, ensure_ascii=False)[1:-1].encode())


def filter_of(
    level: str, run: str, worker: str, fields: Sequence[str], since: str, until: str, now: datetime | None = None
) -> Filter:
    """A filter as it was typed; lengths of time are until `now`.

    Raises:
        ConfigError: with everything that is no level, no `KEY=VALUE` or no time.
    """
    now = now or datetime.now(UTC)
    problems = [Problem("--field", f"is {text!r}; write KEY=VALUE") for text in fields if "=" not in text]
    if level.upper() not in LEVELS:
        problems.append(Problem("--level", f"is {level!r}; {nearest(level.upper(), list(LEVELS))}"))
    moments = []
    for name, text in (("--since", since), ("--until", until)):
        moment = _moment(text, now)
        if moment is None:
            told = "allowed: a length of time until now, as 90s, 5m, 2h, 1d; or a time, as 2026-01-31T12:00"
            problems.append(Problem(name, f"is {text!r}; {told}"))
        moments.append(moment or "")
    if problems:
        raise ConfigError(problems, "logs")
    pairs = tuple((key, value) for key, _, value in (text.partition("=") for text in fields))
    return Filter(level.upper(), run, worker, pairs, *moments)


def _moment(text: str, now: datetime) -> str | None:
    """A time as lines have it; nothing for nothing, None for what is none."""
    if not text:
        return ""
    if match := SINCE.fullmatch(text):
        return _told(now - timedelta(seconds=float(match[1]) * UNITS[match[2]]))
    try:
        return _told(datetime.fromisoformat(text).astimezone(UTC))  # without a zone: that of this machine
    except ValueError:
        return None


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _text_at(entry: Entry, name: str) -> str | None:
    """The value of a field as text; None where there is none."""
    found: Any = entry if name in entry else entry.get("fields", {})
    for part in [name] if isinstance(found, dict) and name in found else name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if found is None:
        return None
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def entries(directory: Path, wanted: Filter, last: int | None = None) -> list[Entry]:
    """The lines that are meant, oldest first; of more than `last` the last ones."""
    found: deque[Entry] = deque(maxlen=last)
    for path in _files(directory, wanted):
        found.extend(_of_file(path, wanted, 0, path.stat().st_size))
    return sorted(found, key=lambda entry: str(entry.get("time", "")))


def follow_up(directory: Path, wanted: Filter, take: Callable[[Entry], Any], last: int) -> None:
    """Hand on the last lines, and then each as it comes, until the process is interrupted."""
    ends = {path: _whole(path) for path in _files(directory, wanted)}
    for entry in entries(directory, wanted, last or None):
        take(entry)
    while True:
        time.sleep(LOOK_S)
        for path in _files(directory, wanted):
            end = _whole(path)
            for entry in _of_file(path, wanted, ends.get(path, 0), end):
                take(entry)
            ends[path] = end


def _files(directory: Path, wanted: Filter) -> list[Path]:
    """The files of the days that are meant, oldest first."""
    days = (wanted.since[:10], wanted.until[:10] or "9")
    return [path for path in sorted((directory / FOLDER).glob("*.jsonl")) if days[0] <= path.name[:10] <= days[1]]


def _whole(path: Path) -> int:
    """Where the last whole line of a file ends."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_536))
        text = file.read()
    return size - (len(text) - text.rfind(b"\n") - 1)


def _of_file(path: Path, wanted: Filter, begin: int, end: int) -> Iterator[Entry]:
    if end <= begin:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for line in _lines(data, wanted, max(begin, _first(data, wanted.since)), end):
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a line that a full disk has cut
            if isinstance(entry, dict) and wanted.takes(entry):
                yield entry


def _lines(data: mmap.mmap, wanted: Filter, begin: int, end: int) -> Iterator[bytes]:
    """The lines that have all words of a filter in them; the first word is searched for alone."""
    words = wanted.words
    place = begin
    while place < end:
        if words:
            found = words[0].search(data, place, end)
            if found is None:
                return
            place = max(place, data.rfind(b"\n", place, found.start()) + 1)
        stop = data.find(b"\n", place, end)
        stop = end if stop < 0 else stop
        line = data[place:stop]
        if all(word.search(line) for word in words[1:]):
            yield line
        place = stop + 1


def _first(data: mmap.mmap, since: str) -> int:
    """Where to begin: lines are in order but for what processes wrote side by side, within a minute."""
    if not since:
        return 0
    early = _told(datetime.fromisoformat(since) - timedelta(minutes=1))
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        line = data.find(b"\n", middle) + 1
        if line <= 0 or line >= high:
            high = middle
            continue
        stop = data.find(b'"', line + len(b'{"time": "'))
        moment = data[line + len(b'{"time": "') : stop].decode(errors="replace")
        low, high = (line, high) if moment < early else (low, middle)
    return low if low == 0 else data.rfind(b"\n", 0, low) + 1


def show(
    directory: Path,
    wanted: Filter,
    last: int,
    answer: Callable[[Entry | list[Entry]], None] | None,
    *,
    follow: bool,
) -> None:
    """Print the last lines that are meant, or all (0), and with `follow_up` those that come.

    With `answer` they are JSON: one list, or where they are followed an object a line.
    """
    take: Callable[[Entry], Any] = answer or (lambda entry: print(told(entry)))
    if follow:
        follow_up(directory, wanted, take, last)
        return
    found = entries(directory, wanted, last or None)
    if answer:
        answer(found)
        return
    for entry in found:
        take(entry)
    if not found:
        print(f"nothing of that is logged in {directory / FOLDER}", file=sys.stderr)


def told(entry: Entry) -> str:
    """A line for people: the local time, level, run, message, fields; a traceback below."""
    try:
        moment = datetime.fromisoformat(str(entry.get("time"))).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        moment = "?"
    fields = "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in entry.get("fields", {}).items()
    )
    about = entry.get("run") or entry.get("worker") or entry.get("logger", "")
    line = f"{moment}  {entry.get('level', '?'):<8}  {about:<16}  {entry.get('message', '')}"
    trace = "".join(f"\n    {text}" for text in str(entry.get("trace", "")).splitlines())
    return f"{line}  {fields}".rstrip() + trace
