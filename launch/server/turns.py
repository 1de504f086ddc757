"""Turns: locks that are granted in the order of asking. This module does not know what is locked."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary


class Turn:
    """A lock that is granted in the order of asking.

    With a plain one, a thread that writes in a loop takes it again before those that wait are awake, and single
    waiters wait for hundreds of others.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for the turn. Not reentrant."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, *error: object) -> None:
        """Pass the turn to the one that has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class Turns:
    """One turn a key, such as the id of a sweep."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: WeakValueDictionary[int, Turn] = WeakValueDictionary()

    @contextmanager
    def of(self, key: int) -> Iterator[None]:
        """Alone with a key. Not reentrant."""
        with self._guard:
            turn = self._turns.setdefault(key, Turn())
        with turn:
            yield
