"""The copies that were made before upgrades (`before-schema-N`): what there is, and when one may go.

Each is a whole database, so a folder that is served for years would hold several. One goes with `prune` once it is
a month old and the folder was verified since it was made: then nobody goes back to it any more.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.server.limits import AHEAD_SECONDS

DAYS = 30.0
DAY_SECONDS = 24 * 3600.0
VERIFIED = "verified"
"""A file of which the time is that of the last look at everything that found nothing wrong."""
PATTERN, DATABASE, HALF = "before-schema-*", "server.db", "server.db.new*"


@dataclass(frozen=True)
class Copy:
    """A copy: the name of its folder, its bytes, its age in days, and why it stays; None if it may go."""

    name: str
    size: int
    days: float
    stays: str | None

    @property
    def told(self) -> str:
        """What it is, for people."""
        ago = "today" if self.days < 1 else f"{self.days:,.0f} days ago"
        return f"{self.name} ({self.size / 1e6:,.1f} MB), the database from before an upgrade {ago}"


def note_verified(directory: Path, moment: float) -> None:
    """Note that a look at all of a folder, which began then, found nothing wrong; not where that cannot be."""
    path = directory / VERIFIED
    with contextlib.suppress(OSError):
        path.touch(mode=0o600)
        os.utime(path, (moment, moment))


def listed(directory: Path) -> list[Copy]:
    """The copies in a folder, from the oldest schema on."""
    now, verified = time.time(), _verified(directory)
    return [_copy(path, now, verified) for path in _paths(directory)]


def prune(directory: Path) -> list[Copy]:
    """Delete the copies that may go, and halves of ones that were never whole; those that went.

    Raises:
        OSError: one cannot be deleted.
    """
    for path in directory.glob(f"{PATTERN}/{HALF}"):
        if time.time() - path.stat().st_mtime > DAY_SECONDS:
            path.unlink()
            with contextlib.suppress(OSError):  # it holds a copy
                path.parent.rmdir()
    gone = [copy for copy in listed(directory) if copy.stays is None]
    for copy in gone:
        shutil.rmtree(directory / copy.name)
    return gone


def _paths(directory: Path) -> Iterator[Path]:
    found = [path for path in directory.glob(PATTERN) if (path / DATABASE).is_file()]
    yield from sorted(found, key=lambda path: (len(path.name), path.name))


def _copy(path: Path, now: float, verified: float) -> Copy:
    found = (path / DATABASE).stat()
    if found.st_mtime > now + AHEAD_SECONDS:  # from far ahead (a wrong clock): it ages from now on
        os.utime(path / DATABASE)
    days = max(now - found.st_mtime, 0.0) / DAY_SECONDS
    if days < DAYS:
        stays = (
            f"it goes with `prune` once it is {DAYS:.0f} days old and `verify` has found nothing wrong since then"
        )
    elif not found.st_mtime < verified <= now + AHEAD_SECONDS:
        stays = "it goes with `prune` once `verify` has found nothing wrong, for the first time since then"
    else:
        stays = None
    size = sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return Copy(path.name, size, days, stays)


def _verified(directory: Path) -> float:
    """When the folder was verified last; 0 if it never was."""
    try:
        return (directory / VERIFIED).stat().st_mtime
    except OSError:
        return 0.0
