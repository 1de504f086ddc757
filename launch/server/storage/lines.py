"""The streams of a run, line by line: history, system events, console. A line sent twice is stored once.

The client numbers its lines and repeats them after a lost reply, so (run, stream, line) is the key. What is known
of each history key (how often, last value; its curve: `curves`) is kept up to date beside it, for lists and pages
that must not read a whole history. Lines of long ago are in files (`aged`); here they are read as if they were
not. This module does not know how the lines arrived.
"""

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, ClassVar

import orjson

from launch.server.columnar.line import Line
from launch.server.limits import MAX_JSON_DEPTH
from launch.server.storage.aged import NONE as NOT_AGED
from launch.server.storage.aged import Aged
from launch.server.storage.curves import Curves
from launch.server.storage.store import Steps
from launch.server.wire import object_in, too_deep

HISTORY, EVENTS, CONSOLE = "history", "events", "console"
SHOWN = 60
LARGEST = 1e308
NUMBERS = (int, float)
NONE = (math.inf, -math.inf)
"""The smallest and the largest of no number at all."""
FIRST = -(2**62)
"""A line number before that of every line, inherited ones too."""


class Lines:
    """Storage of the streams of runs."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE lines (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            line INTEGER NOT NULL,
            step INTEGER,
            text TEXT NOT NULL,
            PRIMARY KEY (run_id, stream, line)
        ) WITHOUT ROWID;
        CREATE INDEX lines_by_step ON lines(run_id, step) WHERE stream = 'history';
        CREATE TABLE history_keys (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            count INTEGER NOT NULL,
            last TEXT NOT NULL,
            PRIMARY KEY (run_id, key)
        ) WITHOUT ROWID;
        """,
        8: """
        ALTER TABLE history_keys ADD COLUMN low REAL;
        ALTER TABLE history_keys ADD COLUMN high REAL;
        """,
    }

    def __init__(self, db: sqlite3.Connection, aged: Aged) -> None:
        self._db = db
        self._aged = aged
        self._curves = Curves(db, aged)

    def put(self, run_id: int, stream: str, offset: int, texts: Sequence[str]) -> int:
        """Store lines from `offset` on, over what stood there; the characters in those that were not there yet.

        Raises:
            ValueError: a row of history is no JSON object, or nested deeper than `MAX_JSON_DEPTH`.
        """
        known = self.count(run_id, stream)
        here = self._already(run_id, stream, offset, texts[: max(known - offset, 0)])
        offset, texts = offset + here, texts[here:]
        if not texts:
            return 0
        if offset <= self._aged.last(run_id, stream):
            self.bring_back(run_id, stream)
        is_history = stream == HISTORY
        if stream != CONSOLE:
            _must_be_shallow(texts)
        rows = rows_of(texts) if is_history else []
        steps = _steps(rows) if is_history else [None] * len(texts)
        self._db.executemany(
            "INSERT INTO lines (run_id, stream, line, step, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET step = excluded.step, text = excluded.text",
            [
                (run_id, stream, offset + index, step, text)
                for index, (step, text) in enumerate(zip(steps, texts, strict=True))
            ],
        )
        if is_history and offset >= known:
            self._note_keys(run_id, rows)
            self._curves.came(run_id, known, offset, steps, rows)
        elif is_history:
            self._recount_keys(run_id)
            self._curves.drop(run_id, offset)
            self._curves.catch_up(run_id)
        return sum(map(len, texts))

    def _already(self, run_id: int, stream: str, offset: int, texts: Sequence[str]) -> int:
        """How many of these lines need no work, as they are stored already: all, after a lost reply, or none."""
        if not texts:
            return 0
        stored = [(row.line, row.text) for row in self.page(run_id, stream, offset, len(texts))]
        if stored == list(enumerate(texts, offset)):
            return len(texts)
        if offset <= self._aged.last(run_id, stream) and stream != CONSOLE:  # the same, told in another order
            told = [(line, _told(text)) for line, text in stored]
            return len(texts) if told == [(line, _told(text)) for line, text in enumerate(texts, offset)] else 0
        return 0

    def count(self, run_id: int, stream: str) -> int:
        """One more than the number of the last line; inherited lines do not count."""
        row = self._db.execute(
            "SELECT MAX(line) AS last FROM lines WHERE run_id = ? AND stream = ?", (run_id, stream)
        ).fetchone()
        last = self._aged.last(run_id, stream)
        return max(last + 1, 0 if row["last"] is None else int(row["last"]) + 1, 0)

    def page(self, run_id: int, stream: str, start: int, limit: int) -> list[Line]:
        """Lines from number `start` on, at most `limit` (-1: all)."""
        last = self._aged.last(run_id, stream)
        found: list[Line] = []
        if start <= last:
            lines = self._aged.lines(run_id, stream, start)
            found += lines if limit < 0 else islice(lines, limit)
        if 0 <= limit <= len(found):
            return found
        rows = self._db.execute(
            "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = ? AND line >= ?"
            " ORDER BY line LIMIT ?",
            (run_id, stream, max(start, last + 1), limit if limit < 0 else limit - len(found)),
        ).fetchall()
        return [*found, *map(Line._make, rows)]

    def spread(self, run_id: int, stream: str, most: int) -> list[str]:
        """At most `most` lines, evenly spread, the first and the last among them; the others are not read."""
        if self._aged.last(run_id, stream) != NOT_AGED:
            return _spread(self.texts(run_id, stream), most)
        ends = "SELECT MIN(line) AS low, MAX(line) AS high FROM lines WHERE run_id = ? AND stream = ?"
        row = self._db.execute(ends, (run_id, stream)).fetchone()
        if row["low"] is None:
            return []
        step = max(1.0, (row["high"] - row["low"]) / (most - 1))
        count = min(most, row["high"] - row["low"] + 1)
        numbers = {min(row["low"] + round(index * step), row["high"]) for index in range(count)}
        rows = self._db.execute(
            "SELECT text FROM lines WHERE run_id = ? AND stream = ? AND line IN (SELECT value FROM json_each(?))"
            " ORDER BY line",
            (run_id, stream, json.dumps(sorted(numbers))),
        ).fetchall()
        return [row["text"] for row in rows]

    def at(self, run_id: int, stream: str, line: int) -> str | None:
        """One line."""
        found = self.page(run_id, stream, line, 1)
        return found[0].text if found and found[0].line == line else None

    def tail(self, run_id: int, stream: str, limit: int) -> list[Line]:
        """The last lines, oldest first."""
        last = self._aged.last(run_id, stream)
        rows = self._db.execute(
            "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = ? AND line > ?"
            " ORDER BY line DESC LIMIT ?",
            (run_id, stream, last, limit),
        ).fetchall()
        found = [*map(Line._make, rows)]
        if last != NOT_AGED and len(found) < limit:
            found += self._aged.tail(run_id, stream, limit - len(found))
        return found[::-1]

    def steps(self, run_id: int, first: int, stop: int | None) -> Sequence[str]:
        """History rows with `first` <= step < `stop`."""
        stop, last = 2**62 if stop is None else stop, self._aged.last(run_id, HISTORY)
        rows = self._db.execute(
            "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = 'history' AND step >= ? AND step < ?"
            " AND line > ? ORDER BY step, line",
            (run_id, first, stop, last),
        ).fetchall()
        if last == NOT_AGED:
            return [row["text"] for row in rows]
        found = [*self._aged.between(run_id, first, stop - 1), *map(Line._make, rows)]
        return [line.text for line in sorted(found, key=lambda line: (line.step, line.line))]

    def last_step(self, run_id: int) -> int:
        """The highest step of the history, -1 when there is none."""
        return self.ends([run_id])[run_id][1]

    def keys(self, run_id: int) -> Sequence[sqlite3.Row]:
        """Each history key with its kind, how many rows hold it, and its last value as JSON."""
        return self._db.execute(
            "SELECT key, kind, count, last FROM history_keys WHERE run_id = ? ORDER BY key", (run_id,)
        ).fetchall()

    def keys_of(self, run_ids: Sequence[int]) -> Sequence[sqlite3.Row]:
        """Each history key of these runs, with its kind and how many rows hold it."""
        marks = ", ".join("?" * len(run_ids))
        return self._db.execute(
            f"SELECT run_id, key, kind, count FROM history_keys WHERE run_id IN ({marks}) ORDER BY run_id, key",
            tuple(run_ids),
        ).fetchall()

    def ends(self, run_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """For each run the number of its history lines (as `count`) and its last step (as `last_step`)."""
        marks = ", ".join("?" * len(run_ids))
        where = "WHERE run_id = runs.id AND stream = 'history'"
        rows = self._db.execute(
            f"SELECT id, (SELECT MAX(line) + 1 FROM lines {where}), (SELECT MAX(step) FROM lines {where}),"
            f" (SELECT MAX(last) + 1 FROM aged {where}), (SELECT MAX(high) FROM aged {where})"
            f" FROM runs WHERE id IN ({marks})",
            tuple(run_ids),
        ).fetchall()
        return {
            key: (
                max(count or 0, aged_count or 0, 0),
                max((told for told in (step, aged_step) if told is not None), default=-1),
            )
            for key, count, step, aged_count, aged_step in rows
        }

    def inherit(self, run_id: int, parent: int, step: float) -> None:
        """Put the history of another run, up to a step, before the first line of a run that has none yet.

        These lines have negative numbers: the client of the new run numbers its own from 0.
        """
        before, last = self.count(parent, HISTORY), self._aged.last(parent, HISTORY)
        self._db.execute(
            "INSERT INTO lines (run_id, stream, line, step, text)"
            " SELECT ?, stream, line - ?, step, text FROM lines"
            " WHERE run_id = ? AND stream = 'history' AND line > ? AND step <= ?",
            (run_id, before, parent, last, step),
        )
        if last != NOT_AGED:
            self._add(
                run_id,
                HISTORY,
                [
                    Line(line - before, told, text)
                    for line, told, text in self._aged.lines(parent, HISTORY, FIRST)
                    if told is not None and told <= step
                ],
            )
        self._recount_keys(run_id)
        self._curves.catch_up(run_id)

    def cut(self, run_id: int, step: float) -> None:
        """Forget the history after a step."""
        if self._aged.last(run_id, HISTORY) != NOT_AGED:
            self.bring_back(run_id, HISTORY)
        after = "run_id = ? AND stream = 'history' AND step > ?"
        first = self._db.execute(f"SELECT MIN(line) AS line FROM lines WHERE {after}", (run_id, step)).fetchone()
        self._db.execute(f"DELETE FROM lines WHERE {after}", (run_id, step))
        self._recount_keys(run_id)
        if first["line"] is not None:
            self._curves.drop(run_id, first["line"])
            self._curves.catch_up(run_id)

    def clear(self, run_id: int) -> None:
        """Forget all lines: the run starts over."""
        self._db.execute("DELETE FROM lines WHERE run_id = ?", (run_id,))
        self._db.execute("DELETE FROM history_keys WHERE run_id = ?", (run_id,))
        self._aged.forget(run_id)
        self._curves.clear(run_id)

    def bring_back(self, run_id: int, stream: str) -> None:
        """Lines that are in files stand in the table again, all of them at once.

        `ageing.bring_back` does so a slice at a time, for those who need not wait.
        """
        self.lay_out(run_id, stream, FIRST, -1)
        self.is_back(run_id, stream)

    def lay_out(self, run_id: int, stream: str, start: int, most: int) -> int | None:
        """Write lines that are in files into the table, where they do not count yet.

        Those from number `start` on, at most `most` (-1: all). Returns where to go on; None at the end.
        """
        lines = self._aged.lines(run_id, stream, start)
        found = list(lines if most < 0 else islice(lines, most))
        self._add(run_id, stream, found)
        return found[-1].line + 1 if 0 < most <= len(found) else None

    def is_back(self, run_id: int, stream: str) -> None:
        """All lines of a stream are in the table again, and count there."""
        self._aged.forget(run_id, stream)
        if stream == HISTORY:
            self._curves.clear(run_id)
            self._curves.catch_up(run_id)

    def _add(self, run_id: int, stream: str, lines: Sequence[Line]) -> None:
        self._db.executemany(
            "INSERT INTO lines (run_id, stream, line, step, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET step = excluded.step, text = excluded.text",
            [(run_id, stream, *line) for line in lines],
        )

    def _note_keys(self, run_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        counts = Counter(chain.from_iterable(rows))
        last: dict[str, Any] = {}
        for row in rows:
            last.update(row)
        self._db.executemany(
            "INSERT INTO history_keys (run_id, key, kind, count, last, low, high) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET kind = excluded.kind, count = count + excluded.count,"
            " last = excluded.last, low = MIN(low, excluded.low), high = MAX(high, excluded.high)",
            [
                (run_id, _text(key), _kind(last[key]), number, _dumped(last[key]), *_ends(rows, key))
                for key, number in counts.items()
            ],
        )

    def extremes(self, key: str, scope: str, of: int) -> dict[int, tuple[float, float]]:
        """The smallest and the largest finite number that runs logged under a key, by run.

        `scope`: `sweep_id` or `project_id`, which is `of`; or `id`, for one run. Left out are runs without a
        number, and those whose rows came before this was noted.
        """
        if scope not in ("id", "sweep_id", "project_id"):
            raise ValueError(f"runs do not belong together by {scope}")
        rows = self._db.execute(
            "SELECT run_id, low, high FROM runs JOIN history_keys ON run_id = runs.id AND key = ?"
            f" WHERE runs.{scope} = ? AND low <= high",
            (key, of),
        ).fetchall()
        return {row["run_id"]: (row["low"], row["high"]) for row in rows}

    def _recount_keys(self, run_id: int) -> None:
        self._db.execute("DELETE FROM history_keys WHERE run_id = ?", (run_id,))
        self._note_keys(run_id, [object_in(text) for text in self.texts(run_id, HISTORY)])

    def texts(self, run_id: int, stream: str) -> list[str]:
        """Every line of a stream, inherited ones first."""
        return [row.text for row in self.page(run_id, stream, FIRST, -1)]


def rows_of(texts: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """The JSON objects in many lines, read as one list, which takes a fraction of the time.

    Raises:
        ValueError: a line is no JSON object; it is named.
    """
    for read in (orjson.loads, json.loads):  # only the second one knows NaN
        try:
            rows = read(f"[{','.join(texts)}]")
        except (ValueError, RecursionError):
            continue
        if len(rows) == len(texts) and all(isinstance(row, dict) for row in rows):
            return list(rows)
    bad = next((text for text in texts if not _is_object(text)), None)
    if bad is not None:
        raise ValueError(f"a line must be a JSON object, not {bad[:SHOWN]!r}")
    return [json.loads(text) for text in texts]


def _must_be_shallow(texts: Sequence[str]) -> None:
    """Let pass lines that can be read again: JSON that is nested too deep is an error to whoever reads it.

    Raises:
        ValueError: a line is nested deeper than `MAX_JSON_DEPTH`.
    """
    for text in texts:  # few have so many brackets, and are looked at
        if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_deep(text):
            raise ValueError(f"a line must be nested at most {MAX_JSON_DEPTH} deep, and is not: {text[:SHOWN]!r}")


def _is_deep(text: str) -> bool:
    for read in (orjson.loads, json.loads):  # only the second one knows NaN
        try:
            return too_deep(read(text))
        except RecursionError:
            return True
        except ValueError:
            continue
    return False  # that it is no JSON is said by others


def _ends(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[float, float]:
    """The smallest and the largest finite number under a key; infinite ones, the other way round, without any."""
    if key[:1] == "_":
        return NONE
    told: list[Any] = [value for row in rows if type(value := row.get(key)) in NUMBERS]
    low, high = min(told, default=math.inf), max(told, default=-math.inf)
    if not -LARGEST < low <= high < LARGEST:  # NaN somewhere hides the others
        finite = [value for value in told if -LARGEST < value < LARGEST]
        low, high = min(finite, default=math.inf), max(finite, default=-math.inf)
    return float(low), float(high)


def _told(text: str) -> object:
    """What a line tells, whatever the order of its keys."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _spread(texts: Sequence[str], most: int) -> list[str]:
    """At most `most` of the texts, evenly spread, the first and the last among them."""
    step = max(1.0, (len(texts) - 1) / (most - 1))
    places = {min(round(index * step), len(texts) - 1) for index in range(min(most, len(texts)))}
    return [texts[place] for place in sorted(places)]


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text(key: str) -> str:
    """A key as the database can hold it: half a surrogate pair is no text."""
    return key if key.isascii() else key.encode(errors="replace").decode()


def _steps(rows: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """The step of each row; most are whole numbers, which need no second look."""
    told = [row.get("_step") for row in rows]
    return [
        step if type(step) is int and FIRST < step < -FIRST else _step(row)
        for step, row in zip(told, rows, strict=True)
    ]


def _step(row: Mapping[str, Any]) -> int | None:
    step = row.get("_step")
    if isinstance(step, bool) or not isinstance(step, int | float) or not -(2**62) < step < 2**62:
        return None
    return int(step)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "map"
    return "list" if isinstance(value, list) else "nil"
