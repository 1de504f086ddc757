"""The server's clock: the time, and whether the server itself has been away.

Leases are promises about signs of life, and no sign can arrive while nobody listens. So a server that was stopped,
suspended with its machine, or whose clock was set, gives everybody a whole lease anew before it takes anyone for
lost. This module knows two clocks; it knows no lease.
"""

import threading
import time
from collections.abc import Callable

JUMP_SECONDS = 5.0
"""By how much the wall clock may stray from the steady one between two looks; by more, it was set."""


class Clock:
    """Tells the time, and notices absences between two looks at it.

    Args:
        longest_pause: seconds between two looks that are no absence; somebody must look more often than that.
        wall: seconds since 1970; may jump.
        steady: seconds since some moment; never jumps, and may stand still while the machine sleeps.
    """

    def __init__(
        self,
        longest_pause: float,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_pause = longest_pause
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._last = (wall(), steady())
        self._absences = 1  # before it started it was away
        self._forgiven = 0
        self.awake_since = self._last[0]

    def now(self) -> float:
        """Seconds since 1970. An absence since the last look is noted."""
        with self._lock:
            wall, steady = self._wall(), self._steady()
            passed, told = steady - self._last[1], wall - self._last[0]
            self._last = (wall, steady)
            if passed > self._longest_pause or abs(told - passed) > JUMP_SECONDS:
                self._absences += 1
                self.awake_since = wall
            return wall

    def absences(self) -> int | None:
        """The number of absences, if one of them has not been forgiven yet; to be given to `forgiven`."""
        with self._lock:
            return self._absences if self._absences > self._forgiven else None

    def forgiven(self, absences: int) -> None:
        """What was told by `absences` has been made up for, in a transaction that is committed."""
        with self._lock:
            self._forgiven = max(self._forgiven, absences)
