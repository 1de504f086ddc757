"""The curves of runs as a pyramid of blocks (`blocks`), and where their media are, kept as rows arrive.

Of a run every line below its `end` is folded: each level has exactly the blocks that lie below it whole. What is
above is read from the lines themselves, which is less than a block where rows come as they usually do. Lines that
are overwritten, cut off or cleared take their blocks along. A change folds at most `MOST` lines beyond those it
brings: runs from before there was a pyramid, forked and repeated ones catch up with the rows that come, and with
the first view (`behind`, `catch_up`), a slice a transaction, so that nobody waits long.
"""

import json
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import le
from typing import Any, ClassVar, NamedTuple

import orjson

from launch.server.storage.aged import NONE as NOT_AGED
from launch.server.storage.aged import Aged
from launch.server.storage.blocks import (
    BLOCK,
    FAN,
    LEVELS,
    Block,
    Row,
    block_of,
    columns,
    merged,
    of_values,
    size_of,
    thinned,
)
from launch.server.storage.store import Steps

MOST = 8_192
"""Lines that one change folds beyond those it brings, and that a view reads at most of what is not folded."""
RAW = 24
"""Rows for each point that is asked for, up to which the rows themselves are read, every value."""
MOST_TAILS = 128
"""Runs of which the rows that are not folded are kept in memory, so that they are not read again.

They are good only if the next rows come right behind them and behind all that is stored; where a transaction was
rolled back, they do not.
"""
FIRST, LAST = -(2**62), 2**62


class Medium(NamedTuple):
    """Where a medium is: the number of its line, and its step."""

    line: int
    step: int


class _Tail(NamedTuple):
    """The rows of a run that are not folded: those of the lines from `end` up to `stop`."""

    end: int
    stop: int
    rows: list[Row]


class Curves:
    """Storage of the pyramids of runs."""

    MIGRATIONS: ClassVar[Steps] = {
        8: """
        CREATE TABLE curves (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            level INTEGER NOT NULL,
            block INTEGER NOT NULL,
            key TEXT NOT NULL,
            first INTEGER NOT NULL,
            last_step INTEGER NOT NULL,
            low REAL NOT NULL,
            high REAL NOT NULL,
            mean REAL NOT NULL,
            last REAL NOT NULL,
            number INTEGER NOT NULL,
            odd INTEGER NOT NULL,
            PRIMARY KEY (run_id, level, block, key)
        ) WITHOUT ROWID;
        CREATE TABLE curve_ends (
            run_id INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,
            end INTEGER NOT NULL,
            in_order INTEGER NOT NULL,
            last_step INTEGER NOT NULL
        );
        CREATE TABLE media_lines (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            line INTEGER NOT NULL,
            step INTEGER NOT NULL,
            PRIMARY KEY (run_id, key, line)
        ) WITHOUT ROWID;
        """
    }

    def __init__(self, db: sqlite3.Connection, aged: Aged) -> None:
        self._db = db
        self._aged = aged
        self._tails: dict[int, _Tail] = {}

    # --- kept as rows arrive ---------------------------------------------------------------------------------

    def came(
        self, run_id: int, known: int, offset: int, steps: Sequence[int | None], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """These rows were stored from line `offset` on, behind all `known` ones."""
        if self._is_aged(run_id):
            return
        end, stop = self._end(run_id)[0], offset + len(rows)
        tail = self._tails.pop(run_id, None)
        if offset < end:  # behind all that are left, after some were cut off
            self.drop(run_id, offset)
            end = self._end(run_id)[0]
        fresh = list(zip(range(offset, stop), steps, rows, strict=True))
        before: list[Row] | None = [] if end == offset else None
        if tail is not None and tail.end == end and tail.stop == known == offset:
            before = tail.rows
        if end < stop // BLOCK * BLOCK:
            end = self._advance(run_id, stop, fresh, before)
        if before is not None or end >= offset:
            left = [*(before or ()), *fresh]
            self._tails[run_id] = _Tail(end, stop, left[bisect_left(left, end, key=_line) :])
            if len(self._tails) > MOST_TAILS:
                self._tails.pop(next(iter(self._tails)))

    def catch_up(self, run_id: int) -> None:
        """Fold the next slice of what is not folded."""
        self._tails.pop(run_id, None)
        if self._is_aged(run_id):
            return
        self._advance(run_id, self._count(run_id), ())

    def drop(self, run_id: int, line: int) -> None:
        """The lines from this one on are not what they were."""
        self._tails.pop(run_id, None)
        end, in_order, last = self._end(run_id)
        whole = line // BLOCK * BLOCK
        if whole >= end:
            return
        for level in range(self._levels(run_id)):
            self._db.execute(
                "DELETE FROM curves WHERE run_id = ? AND level = ? AND block >= ?",
                (run_id, level, whole // size_of(level)),
            )
        self._db.execute("DELETE FROM media_lines WHERE run_id = ? AND line >= ?", (run_id, whole))
        before = self._db.execute(
            "SELECT step FROM lines WHERE run_id = ? AND stream = 'history' AND line < ? AND step IS NOT NULL"
            " ORDER BY line DESC LIMIT 1",
            (run_id, whole),
        ).fetchone()
        last = last if not in_order else FIRST if before is None else before["step"]
        self._set_end(run_id, whole, in_order, last)

    def clear(self, run_id: int) -> None:
        """The run starts over."""
        self._tails.pop(run_id, None)
        for table in ("curves", "curve_ends", "media_lines"):
            self._db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))

    def are_aged(self, run_id: int, media: Iterable[tuple[str, int, int]]) -> None:
        """The lines of a run went into files, and with them went the need for a pyramid (`aged`, `sweep`).

        `media`: where they are in those lines: key, line, step.
        """
        self._tails.pop(run_id, None)
        self._db.execute("DELETE FROM curve_ends WHERE run_id = ?", (run_id,))
        self._put_media(run_id, media)

    def sweep(self, run_id: int, most: int) -> bool:
        """Delete at most `most` blocks of a run whose lines are in files; whether none is left."""
        rows = self._db.execute(
            "SELECT level, block, key FROM curves WHERE run_id = ? ORDER BY level, block, key LIMIT ?",
            (run_id, most),
        ).fetchall()
        self._db.executemany(
            "DELETE FROM curves WHERE run_id = ? AND level = ? AND block = ? AND key = ?",
            [(run_id, *row) for row in rows],
        )
        return len(rows) < most

    def _is_aged(self, run_id: int) -> bool:
        return self._aged.last(run_id, "history") != NOT_AGED

    def _put_media(self, run_id: int, media: Iterable[tuple[str, int, int]]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO media_lines (run_id, key, line, step) VALUES (?, ?, ?, ?)",
            [(run_id, _text(key), line, step) for key, line, step in media],
        )

    def _advance(self, run_id: int, count: int, rows: Sequence[Row], before: list[Row] | None = None) -> int:
        """Fold up to the last whole block, if that is not too far; up to where it is folded then.

        `rows` are the last ones of all, `before` those between what is folded and them, if they are at hand.
        """
        end, in_order, last = self._end(run_id)
        goal = count // BLOCK * BLOCK
        if end >= goal:
            return end
        if before is None:
            before = self._rows(run_id, end, min(rows[0][0], goal) if rows else goal, MOST)
        if len(before) == MOST:  # not to be reached at once: so far, and the rest with what comes next
            goal = before[-1][0] // BLOCK * BLOCK
            rows = ()
        found = [*before, *rows]
        del found[bisect_left(found, goal, key=_line) :]
        blocks, media = _folded(found)
        self._put(run_id, 0, blocks)
        self._put_media(run_id, media)
        steps = [last, *(step for _, step, _ in found if step is not None)]
        in_order, last = int(in_order and all(map(le, steps, steps[1:]))), max(steps)
        if end > FIRST or found:
            self._raise(run_id, end if end > FIRST else found[0][0], goal)
        self._set_end(run_id, goal, in_order, last)
        return goal

    def _raise(self, run_id: int, start: int, goal: int) -> None:
        """Merge upwards what has become whole between two ends."""
        for level in range(LEVELS - 1):
            above = size_of(level + 1)
            first, stop = start // above, goal // above
            if first >= stop:
                return
            rows = self._db.execute(
                "SELECT * FROM curves WHERE run_id = ? AND level = ? AND block >= ? AND block < ? ORDER BY block",
                (run_id, level, first * FAN, stop * FAN),
            ).fetchall()
            parts: dict[tuple[int, str], list[Block]] = defaultdict(list)
            for row in rows:
                parts[row["block"] // FAN, row["key"]].append(_block(row))
            self._put(run_id, level + 1, [(block, key, merged(found)) for (block, key), found in parts.items()])

    def _put(self, run_id: int, level: int, blocks: Iterable[tuple[int, str, Block]]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(run_id, level, index, _text(key), *block) for index, key, block in blocks],
        )

    # --- looked at -------------------------------------------------------------------------------------------

    def behind(self, run_id: int) -> float:
        """What part of the lines is folded: 1.0 where what is left is read quickly; else `catch_up` first."""
        if self._is_aged(run_id):
            return 1.0
        end, count = self._end(run_id)[0], self._count(run_id)
        left = self._db.execute(
            "SELECT COUNT(*) FROM"
            " (SELECT 1 FROM lines WHERE run_id = ? AND stream = 'history' AND line >= ? LIMIT ?)",
            (run_id, end, MOST),
        ).fetchone()[0]
        return 1.0 if left < MOST else max(end, 0) / max(count, 1)

    def read(
        self, run_id: int, keys: Sequence[str], first: int = FIRST, last: int = LAST, points: int = 500
    ) -> dict[str, Sequence[Block]]:
        """For each key at most `points` blocks of the rows with `first` <= step <= `last`, in the order of steps.

        Blocks at both ends can reach beyond. Few rows are told one by one: blocks of one value.
        """
        if self._is_aged(run_id):
            return self._of_files(run_id, keys, first, last, points)
        few = self._few(run_id, first, last, points * RAW)
        if few is not None:
            found = _of_rows(few, keys, points)
        else:
            found = self._of_level(run_id, keys, first, last, points)
            above = self._rows(run_id, self._end(run_id)[0], LAST, MOST)
            tail = [row for row in above if _is_in(row, first, last)]
            for key, blocks in _of_rows(tail, keys, len(tail) // RAW + 1).items():
                found[key].extend(blocks)
        in_order = {key: sorted(blocks, key=lambda block: block.first) for key, blocks in found.items()}
        return {key: thinned(blocks, points) for key, blocks in in_order.items()}

    def media(self, run_id: int, key: str) -> list[Medium]:
        """Where the media of a key are, in the order of lines."""
        rows = self._db.execute(
            "SELECT line, step FROM media_lines WHERE run_id = ? AND key = ? ORDER BY line", (run_id, key)
        ).fetchall()
        end = max(self._end(run_id)[0], self._aged.last(run_id, "history") + 1)
        _, tail = columns(self._rows(run_id, end, LAST, MOST))
        return [Medium(*row) for row in rows] + [Medium(line, step) for name, line, step in tail if name == key]

    def _of_files(
        self, run_id: int, keys: Sequence[str], first: int, last: int, points: int
    ) -> dict[str, Sequence[Block]]:
        """Blocks straight from the columns that are in files, and from the rows that came after them."""
        told = self._aged.curves(run_id, keys, first, last)
        rows = self._rows(run_id, self._aged.last(run_id, "history") + 1, LAST, -1)
        fresh, _ = columns([row for row in rows if _is_in(row, first, last)])
        found: dict[str, Sequence[Block]] = {}
        for key in keys:
            parts = [part[key] for part in (told, fresh) if key in part]
            steps = [step for some, _ in parts for step in some]
            values = [value for _, some in parts for value in some]
            if not all(map(le, steps, steps[1:])):
                order = sorted(range(len(steps)), key=steps.__getitem__)
                steps, values = [steps[place] for place in order], [values[place] for place in order]
            found[key] = of_values(steps, values, points)
        return found

    def _few(self, run_id: int, first: int, last: int, most: int) -> list[Row] | None:
        """The rows between two steps; None if there are more than `most`, of which none is read then."""
        where = "FROM lines WHERE run_id = ? AND stream = 'history' AND step >= ? AND step <= ?"
        count = self._db.execute(
            f"SELECT COUNT(*) FROM (SELECT 1 {where} LIMIT ?)", (run_id, first, last, most + 1)
        ).fetchone()[0]
        if count > most:
            return None
        rows = self._db.execute(f"SELECT line, step, text {where} ORDER BY step, line", (run_id, first, last))
        return _read(rows.fetchall())

    def _of_level(
        self, run_id: int, keys: Sequence[str], first: int, last: int, points: int
    ) -> dict[str, list[Block]]:
        """Blocks of the coarsest level that still has about as many as are wanted, finer ones where it ends."""
        end, in_order, _ = self._end(run_id)
        start, stop = self._span(run_id, first, last, end) if in_order else self._all(run_id, end)
        level, levels = 0, self._levels(run_id)
        while level + 1 < levels and (stop - start) // size_of(level + 1) >= points // 4:
            level += 1
        found: dict[str, list[Block]] = {key: [] for key in keys}
        place = start // size_of(level)
        while level >= 0 and start < stop:
            until = min(-(-stop // size_of(level)), end // size_of(level))
            for row in self._blocks(run_id, level, keys, place, until):
                if row["last_step"] >= first and row["first"] <= last:
                    found[row["key"]].append(_block(row))
            place, level = max(until, place) * FAN, level - 1
        return found

    def _blocks(
        self, run_id: int, level: int, keys: Sequence[str], place: int, until: int
    ) -> Iterable[sqlite3.Row]:
        marks = ", ".join("?" * len(keys))
        return self._db.execute(
            "SELECT * FROM curves WHERE run_id = ? AND level = ? AND block >= ? AND block < ?"
            f" AND key IN ({marks}) ORDER BY block",
            (run_id, level, place, until, *keys),
        )

    def _span(self, run_id: int, first: int, last: int, end: int) -> tuple[int, int]:
        """The folded lines between two steps, where steps do not go back."""
        sql = (
            "SELECT line FROM lines WHERE run_id = ? AND stream = 'history'"
            " AND step >= ? AND step <= ? AND line < ? ORDER BY step {0}, line {0} LIMIT 1"
        )
        low = self._db.execute(sql.format("ASC"), (run_id, first, last, end)).fetchone()
        high = self._db.execute(sql.format("DESC"), (run_id, first, last, end)).fetchone()
        return (0, 0) if low is None else (low["line"], high["line"] + 1)

    def _all(self, run_id: int, end: int) -> tuple[int, int]:
        row = self._db.execute(
            "SELECT MIN(line) AS line FROM lines WHERE run_id = ? AND stream = 'history'", (run_id,)
        ).fetchone()
        return (end, end) if row["line"] is None else (row["line"], end)

    def _levels(self, run_id: int) -> int:
        row = self._db.execute("SELECT MAX(level) AS level FROM curves WHERE run_id = ?", (run_id,)).fetchone()
        return 0 if row["level"] is None else int(row["level"]) + 1

    def _end(self, run_id: int) -> tuple[int, int, int]:
        """Up to where lines are folded, whether their steps never go back, and the highest of these."""
        row = self._db.execute(
            "SELECT end, in_order, last_step FROM curve_ends WHERE run_id = ?", (run_id,)
        ).fetchone()
        return (FIRST, 1, FIRST) if row is None else (row["end"], row["in_order"], row["last_step"])

    def _set_end(self, run_id: int, end: int, in_order: int, last: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO curve_ends VALUES (?, ?, ?, ?)", (run_id, end, in_order, last))

    def _count(self, run_id: int) -> int:
        row = self._db.execute(
            "SELECT MAX(line) AS last FROM lines WHERE run_id = ? AND stream = 'history'", (run_id,)
        ).fetchone()
        return 0 if row["last"] is None else max(int(row["last"]) + 1, 0)

    def _rows(self, run_id: int, start: int, stop: int, most: int) -> list[Row]:
        if start >= stop:
            return []
        rows = self._db.execute(
            "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = 'history' AND line >= ? AND line < ?"
            " ORDER BY line LIMIT ?",
            (run_id, start, stop, most),
        ).fetchall()
        return _read(rows)


def _folded(rows: Sequence[Row]) -> tuple[list[tuple[int, str, Block]], list[tuple[str, int, int]]]:
    """The blocks of level 0 of some rows, and where media are in them."""
    blocks: list[tuple[int, str, Block]] = []
    media: list[tuple[str, int, int]] = []
    start = 0
    while start < len(rows):
        index = rows[start][0] // BLOCK
        stop = bisect_left(rows, (index + 1) * BLOCK, start, key=_line)
        found, seen = columns(rows[start:stop])
        before: Sequence[int] = ()
        ends = (0, 0)
        for key, (steps, values) in found.items():
            if steps is not before:  # they mostly are the same for all keys
                before, ends = steps, (min(steps), max(steps))
            blocks.append((index, key, block_of(steps, values, ends)))
        media += seen
        start = stop
    return blocks, media


def _of_rows(rows: Sequence[Row], keys: Sequence[str], points: int) -> dict[str, list[Block]]:
    """At most `points` blocks of each key straight from rows; single values where there are no more than that."""
    found, _ = columns(rows)
    return {key: of_values(*found.get(key, ((), ())), points) for key in keys}


def _line(row: Row) -> int:
    return row[0]


def _is_in(row: Row, first: int, last: int) -> bool:
    return row[1] is not None and first <= row[1] <= last


def _block(row: sqlite3.Row) -> Block:
    return Block(*row[4:])


def _read(rows: Sequence[sqlite3.Row]) -> list[Row]:
    """Stored lines as rows. They were JSON objects when they were stored."""
    texts = [row["text"] for row in rows]
    values: Any
    try:
        values = orjson.loads(f"[{','.join(texts)}]")
    except ValueError:  # only the other one knows NaN
        values = [json.loads(text) for text in texts]
    return [(row["line"], row["step"], value) for row, value in zip(rows, values, strict=True)]


def _text(key: str) -> str:
    return key if key.isascii() else key.encode(errors="replace").decode()
