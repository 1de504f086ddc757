"""Fairness of what is kept: nobody fills the disk of the others.

A user over a quota begins nothing new: no run, no sweep, no file, no version. Rows of runs that are under way are
taken, so that nothing is lost that was begun. Sums are remembered for a few seconds, so that many small files do
not each cost one; by so much a quota can be overdrawn.
"""

import threading
import time

from launch.server.errors import FORBIDDEN, LENGTH_REQUIRED, ApiError
from launch.server.storage import Tables

SECONDS = 5.0
UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class Quotas:
    """What users may begin."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[int, tuple[float, int]] = {}

    def must_have_runs(self, tables: Tables, user_id: int, name: str) -> None:
        """Let pass who may make a run.

        Raises:
            ApiError: 403, the owner of the project has as many as the quota allows, or keeps too many bytes.
        """
        quota = tables.usage.quota(user_id)
        if quota is None:
            return
        over = []
        if quota["runs"] is not None:
            runs = int(tables.usage.of(user_id)["runs"])
            if runs >= quota["runs"]:
                over.append(f"{name} keeps {runs:,} runs, and the quota is {quota['runs']:,}")
        if quota["bytes"] is not None:
            over += _over(self._used(tables, user_id), 0, quota["bytes"], name)
        _refuse(over, "delete some")

    def must_have_room(self, tables: Tables, user_id: int, name: str, size: int = 0) -> None:
        """Let pass who may send a file of `size` bytes, as far as that is known.

        Raises:
            ApiError: 403, the owner of the project would keep more than the quota allows.
        """
        quota = tables.usage.quota(user_id)
        if quota is None or quota["bytes"] is None:
            return
        if size < 0:
            raise ApiError("tell how many bytes are to come (Content-Length): there is a quota", LENGTH_REQUIRED)
        over = _over(self._used(tables, user_id), size, quota["bytes"], name)
        _refuse(over, "delete runs, sweeps, files or versions")

    def _used(self, tables: Tables, user_id: int) -> int:
        now = time.monotonic()
        with self._guard:
            until, used = self._known.get(user_id, (0.0, 0))
        if now >= until:
            used = int(tables.usage.of(user_id)["bytes"])
            with self._guard:
                self._known[user_id] = (now + SECONDS, used)
        return used


def _over(used: int, size: int, most: int, name: str) -> list[str]:
    """What is wrong with so many bytes, and so many more."""
    if used + size <= most and used < most:
        return []
    more = f", and {told(size)} are to come" if size else ""
    return [f"{name} keeps {told(used)}{more}; the quota is {told(most)}"]


def _refuse(over: list[str], remedy: str) -> None:
    if over:
        raise ApiError(
            f"{'; '.join(over)}: {remedy}, or ask the server's owner for more (sashiko serve quota)", FORBIDDEN
        )


def told(size: float) -> str:
    """Bytes as a person reads them."""
    for unit, factor in UNITS:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"


def parsed(text: str) -> int | None:
    """Bytes as a person writes them: `50GB`, `1.5 TB`, `1000000`; None for `none`.

    Raises:
        ValueError: it is none of these.
    """
    plain = text.strip().upper().replace(" ", "")
    if plain == "NONE":
        return None
    for unit, factor in (*UNITS, ("B", 1.0)):
        if plain.endswith(unit.upper()):
            plain, times = plain.removesuffix(unit.upper()), factor
            break
    else:
        times = 1.0
    size = float(plain) * times
    if not 0 <= size < 1e18:
        raise ValueError(f"not a number of bytes: {text!r}")
    return int(size)
