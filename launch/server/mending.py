"""A database that is cut off within free pages alone: no row is lost, but SQLite does not open it.

It is written anew. What is looked at is read by `damage`, which takes a file that is shorter than it says. The
file as it was stays beside it.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from launch.server import damage, opening
from launch.server.opening import Unusable
from launch.server.storage import SCHEMA
from launch.server.storage.keeping import sync
from launch.server.storage.store import latest_of

CUT = ".cut"
"""What is put behind the name of the file as it was."""


def lost_nothing(path: Path) -> bool:
    """Whether a database is cut off, and all its rows are there; not of one that a newer version wrote."""
    if not damage.missing_bytes(path):
        return False
    with damage.opened(path) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] > latest_of(SCHEMA):
            return False
        return next(damage.losses(db), None) is None and not list(damage.broken_indices(db))


def mend(path: Path) -> Path:
    """Write such a database anew, whole or not at all; where the one that was cut off is now.

    The caller holds the folder.

    Raises:
        Unusable: the disk has no room for it, or what was written is not sound; nothing was changed.
    """
    fresh, cut = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}{CUT}")
    fresh.unlink(missing_ok=True)
    try:
        with opening.room_told(fresh), damage.opened(path) as db:
            db.execute("PRAGMA query_only = OFF")
            db.execute("VACUUM INTO ?", (str(fresh.absolute()),))
        with contextlib.closing(sqlite3.connect(fresh)) as copy:
            said = [line for (line,) in copy.execute("PRAGMA integrity_check")]
        if said != ["ok"]:
            raise Unusable(f"{path} could not be written anew ({said[0]}): {opening.FROM_BACKUP}")
        fresh.chmod(path.stat().st_mode & 0o777)
        sync(fresh)
        cut.unlink(missing_ok=True)
        os.link(path, cut)
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
    return cut
