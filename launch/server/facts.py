"""What a list of runs tells of their histories: read for all of them at once, at the first question."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from launch.server.storage import lines
from launch.server.wire import Plain


@lru_cache(maxsize=4096)
def _key_facts(kind: str, count: int, monotonic: bool) -> Mapping[str, Any]:
    """What is told of one history key. Most keys of a run are logged equally often, so most share one object."""
    return {"typeCounts": [{"type": kind, "count": count}], "monotonic": monotonic, "previousValue": None}


class Facts:
    """What a list of runs tells of their histories, read for all of them at the first question."""

    def __init__(self, stream: lines.Lines, run_ids: Sequence[int]) -> None:
        self._stream = stream
        self._run_ids = run_ids
        self._ends: Mapping[int, tuple[int, int]] | None = None
        self._keys: dict[int, dict[str, Any]] | None = None

    def count(self, run_id: int) -> int:
        """One more than the number of the last line of a run's history."""
        return self.end(run_id)[0]

    def keys(self, run_id: int) -> Plain:
        """Which keys a run's history holds, how often, and its last step."""
        if self._keys is None:
            self._keys = {}
            for run, key, kind, count in self._stream.keys_of(self._run_ids):
                self._keys.setdefault(run, {})[key] = _key_facts(kind, count, key == "_step")
        return Plain({"sets": [], "keys": self._keys.get(run_id, {}), "lastStep": self.end(run_id)[1]})

    def end(self, run_id: int) -> tuple[int, int]:
        """As `count`, and the last step."""
        if self._ends is None:
            self._ends = self._stream.ends(self._run_ids)
        return self._ends.get(run_id, (0, -1))
