"""Which work may hold how many threads, so that none of it keeps the rest waiting.

Rows have threads of their own, whatever else goes on. An agent that calls may wait for its turn to draw a point,
so many of them hold threads that do nothing. What reads holds memory, a database's cache each. Files come and go
through the threads that Starlette has. A version with many files is long in being committed.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, from_thread, to_process, to_thread

T = TypeVar("T")
Given = TypeVarTuple("Given")
ROWS, CALLS, READS, COMMITS, LARGE, UPKEEP = 4, 256, 16, 4, 1, 1


class Threads:
    """The threads of one server."""

    def __init__(self) -> None:
        self._rows = CapacityLimiter(ROWS)
        self._calls = CapacityLimiter(CALLS)
        self._reads = CapacityLimiter(READS)
        self._commits = CapacityLimiter(COMMITS)
        self._large = CapacityLimiter(LARGE)
        self._upkeep = CapacityLimiter(UPKEEP)

    async def for_rows(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Store what a run logs."""
        return await to_thread.run_sync(work, *given, limiter=self._rows)

    async def for_calls(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Answer an agent, which may take its turn."""
        return await to_thread.run_sync(work, *given, limiter=self._calls)

    async def for_commits(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Commit a version, which may take its turn."""
        return await to_thread.run_sync(work, *given, limiter=self._commits)

    async def for_large(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Answer a large request, one at a time: while JSON is read, no other thread of this process runs."""
        return await to_thread.run_sync(work, *given, limiter=self._large)

    async def for_upkeep(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Look after what is stored, a piece of work at a time."""
        return await to_thread.run_sync(work, *given, limiter=self._upkeep)

    async def for_reads(self, work: Callable[[*Given], T], *given: *Given) -> T:
        """Answer everything else."""
        return await to_thread.run_sync(work, *given, limiter=self._reads)


def elsewhere(work: Callable[[*Given], T], *given: *Given) -> T:
    """Do long work in a process of its own, where it keeps no thread of this one from running; wait for it here.

    Outside a thread of the server, and where the process dies, it is done here. `work` and what it is given travel
    as pickles: they are this package's own.
    """
    try:
        return from_thread.run(to_process.run_sync, work, *given)
    except (anyio.BrokenWorkerProcess, RuntimeError):
        return work(*given)
