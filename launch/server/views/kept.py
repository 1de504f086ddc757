"""Runs as columns, kept for the next who looks: then only the runs that have changed are read again.

A table of 10,000 runs takes some tenths of a second to read whole, and about 20 MB to keep. So a few large ones
are kept, the ones that were looked at last. A look in an older transaction than the one before reads all anew.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from launch.server.errors import TOO_LARGE, ApiError
from launch.server.storage.runs import Runs
from launch.server.views.columns import AT_ONCE, Columns, batched

KEPT, SMALLEST, MOST = 3, 500, 50_000
"""How many tables are kept; the number of runs from which on it is worth it; the most that one table may have."""
FACTS = ("name", "display_name", "created_at", "state", "tags", "group_name", "job_type")


class Table:
    """The runs of a sweep or a project, up to a revision. `facts` are columns, too, in the order of `FACTS`."""

    def __init__(self, revision: int, rows: Iterable[sqlite3.Row], count: int) -> None:
        self.revision = revision
        self.places: dict[int, int] = {}
        self.facts: list[list[Any]] = [[] for _ in FACTS]
        self.configs, self.summaries = Columns(count), Columns(count)
        self.seconds: list[float | None] = []
        for some in batched(rows, AT_ONCE):
            first = len(self.seconds)
            self.places.update((row["id"], first + number) for number, row in enumerate(some))
            for column, name in zip(self.facts, FACTS, strict=True):
                column += [row[name] for row in some]
            self.configs.configs(first, [row["config"] for row in some])
            self.seconds += self.summaries.summaries(first, [row["summary"] for row in some])

    @property
    def count(self) -> int:
        """How many runs it has."""
        return len(self.seconds)

    def update(self, rows: Sequence[sqlite3.Row]) -> None:
        """Take in what these runs are by now; those that are new come at the end, in the order of their ids."""
        for row in sorted(rows, key=lambda row: int(row["id"])):
            place = self.places.setdefault(row["id"], self.count)
            for columns in (self.configs, self.summaries):
                columns.clear(place)
            for column, name in zip(self.facts, FACTS, strict=True):
                column[place : place + 1] = [row[name]]
            self.configs.configs(place, [row["config"]])
            self.seconds[place : place + 1] = self.summaries.summaries(place, [row["summary"]])


class Kept:
    """The tables that were looked at last. One is changed and read by one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: OrderedDict[tuple[str, int], tuple[Table, threading.Lock]] = OrderedDict()

    @contextmanager
    def table(self, runs: Runs, column: str, key: int) -> Iterator[Table]:
        """The runs whose `column` (`sweep_id`, `project_id`) is `key`, as the caller's transaction sees them.

        Raises:
            ApiError: 413, they are more than a browser can hold.
        """
        revision, count = runs.last_revision(column, key), runs.count((f"{column} = ?", (key,)))
        if count > MOST:
            raise ApiError(
                f"there are {count:,} runs; a page shows at most {MOST:,}: `sashiko pull` has all of them",
                TOO_LARGE,
            )
        with self._lock:
            table, turn = self._tables.get((column, key), (None, threading.Lock()))
        with turn:
            if table is not None and table.revision <= revision and self._brought(table, runs, column, key, count):
                table.revision = revision
            else:
                table = Table(revision, runs.told(column, key), count)
            if count >= SMALLEST:
                self._keep((column, key), table, turn)
            yield table

    def _brought(self, table: Table, runs: Runs, column: str, key: int, count: int) -> bool:
        """Whether a table could be brought to where the transaction is: no run is gone, and few have changed."""
        most = max(1, table.count // 4)
        rows = runs.changed(column, key, table.revision, most + 1)
        new = sum(row["id"] not in table.places for row in rows)
        if len(rows) > most or table.count + new != count:
            return False
        table.update(rows)
        return True

    def _keep(self, place: tuple[str, int], table: Table, turn: threading.Lock) -> None:
        with self._lock:
            known = self._tables.get(place)
            if known is None or known[0].revision <= table.revision:
                self._tables[place] = (table, turn)
                self._tables.move_to_end(place)
            while len(self._tables) > KEPT:
                self._tables.popitem(last=False)
