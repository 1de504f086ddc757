"""Lists of runs that somebody is paging through.

A filter or an order on configs or summaries has to look at every run. A client asks for the same list page by
page, so the list is made once and kept for a while: page two is cut from the list that page one was cut from, and
no run is told twice or left out because it changed in between. This module does not know what a filter is.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence

KEPT = 64
SECONDS = 60.0


class Selections:
    """The ids of runs in lists that were made lately."""

    def __init__(self, kept: int = KEPT, seconds: float = SECONDS) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[Hashable, tuple[int, float, Sequence[int]]] = OrderedDict()
        self._kept = kept
        self._seconds = seconds

    def get(self, key: Hashable, version: int, *, goes_on: bool) -> Sequence[int] | None:
        """The list of a query, if nothing was written since it was made, or if a client goes on with it."""
        with self._lock:
            found = self._lists.get(key)
            if found is None:
                return None
            made_at, last_used, ids = found
            if made_at != version and not (goes_on and time.monotonic() - last_used < self._seconds):
                return None
            self._lists[key] = (made_at, time.monotonic(), ids)
            self._lists.move_to_end(key)
            return ids

    def keep(self, key: Hashable, version: int, ids: Sequence[int]) -> None:
        """Remember a list that was made from this version of the data."""
        with self._lock:
            self._lists[key] = (version, time.monotonic(), ids)
            self._lists.move_to_end(key)
            while len(self._lists) > self._kept:
                self._lists.popitem(last=False)
