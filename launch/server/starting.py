"""What is done with a folder before its server answers, for those who wait for that: a file, held meanwhile.

A start is over in a second, unless the database is copied and brought to a newer schema first. The file is locked
for as long as its process lives, so that one which a kill has left behind is known for what it is; and it is
written anew each second in which something was done, so that a process that does nothing any more is known, too.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.server import notifying

FILE = "starting"
STARTS = "starts"
"""What is told of a start that has nothing else to do."""
EVERY_S = 1.0


@dataclass(frozen=True)
class Starting:
    """A process that is at work on a folder: its number, what it does, how much of that is done (0 to 1; or None).

    `serves`: it is the folder's server, and not a command that brings the database up to date. `sign` is another
    one whenever it has told that it goes on, or has written to the database.
    """

    pid: int
    serves: bool
    doing: str
    done: float | None
    sign: tuple[int, ...]

    @property
    def told(self) -> str:
        """What it does, for people."""
        return self.doing if self.done is None else f"{self.doing}: {self.done:.0%} done"


class Telling:
    """Writes what a process does into its file. A disk that takes no more of it is no reason to end."""

    def __init__(self, descriptor: int, *, serves: bool) -> None:
        self._descriptor = descriptor
        self._serves = serves
        self._doing = ""
        self._beats = 0
        self._next = 0.0

    def __call__(self, doing: str = "", done: float | None = None) -> None:
        """Tell what is done from now on, or without a word that it goes on; that at most once a second."""
        now = time.monotonic()
        if doing in ("", self._doing) and now < self._next:
            return
        self._next, self._doing, self._beats = now + EVERY_S, doing or self._doing, self._beats + 1
        words = {
            "pid": os.getpid(), "serves": self._serves, "doing": self._doing, "done": done, "beats": self._beats,
        }  # fmt: skip
        text = f"{json.dumps(words)}\n".encode()
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, text, 0)  # after its end there may be the rest of a longer one
        if self._serves and self._doing != STARTS:
            notifying.tell(f"STATUS={self._doing}")


@contextlib.contextmanager
def telling(directory: Path, *, serves: bool) -> Iterator[Telling]:
    """Hold the file of a folder, whose lock the caller has.

    Raises:
        OSError: it cannot be made.
    """
    path = directory / FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # somebody who looks whether it is held lets go at once
        tell = Telling(descriptor, serves=serves)
        tell(STARTS)
        yield tell
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def find_starting(directory: Path) -> Starting | None:
    """The process that is at work on a folder before its server answers; None if there is none."""
    try:
        with (Path(directory) / FILE).open("rb") as file:
            if not _is_held(file.fileno()):
                return None
            told = json.loads(file.readline())
        done = None if told["done"] is None else float(told["done"])
        sign = (int(told["beats"]), *_written(Path(directory)))
        return Starting(int(told["pid"]), bool(told["serves"]), str(told["doing"]), done, sign)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _written(directory: Path) -> Iterator[int]:
    """What is another one once a database is written to. The log is folded into it without a word in between."""
    for path in sorted(directory.glob("server.db*")):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            yield from (found.st_size, found.st_mtime_ns)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
