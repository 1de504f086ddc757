"""A signal to end while one statement of the database takes minutes: it is interrupted, and undone.

A handler in Python runs only between two steps of Python, and none is made while SQLite works. So the signal is
heard by a thread, to which the system itself writes its number (`signal.set_wakeup_fd`).
"""

import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from framework.errors import Interrupted

NUMBERS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 4.0
"""How long undoing may take. Then the process ends as it is: whoever opens the database next undoes the rest."""
AGAIN_S = 0.05


@contextmanager
def by_signals(connection: sqlite3.Connection) -> Iterator[Callable[[], None]]:
    """Let SIGINT and SIGTERM interrupt what a connection does, and then raise `Interrupted` at the next check.

    What is given is that check; at the end there is one, too. Only the main thread hears of signals; elsewhere the
    check lets everything pass.

    Raises:
        Interrupted: such a signal has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    heard: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    def check() -> None:
        if heard:
            raise Interrupted(heard[0])

    with _interrupting(connection) as descriptor:
        handlers = {number: signal.signal(number, note) for number in NUMBERS}
        wakeup = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        try:
            yield check
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                check()
            raise
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not one of Python's
    check()


@contextmanager
def _interrupting(connection: sqlite3.Connection) -> Iterator[int]:
    """A descriptor; once the number of a signal is written to it, a thread interrupts what the connection does."""
    over = threading.Event()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    def listen() -> None:
        number = 0
        while number not in NUMBERS:
            read = ours.recv(1)
            if not read:
                return
            number = read[0]
        end = time.monotonic() + GRACE_S
        while not over.wait(AGAIN_S):
            connection.interrupt()
            if time.monotonic() > end:
                os._exit(128 + number)

    thread = threading.Thread(target=listen, daemon=True)
    with ours, theirs:
        thread.start()
        try:
            yield theirs.fileno()
        finally:
            over.set()
            theirs.close()
            thread.join()
