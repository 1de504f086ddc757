"""The folder to serve, before anything is read from it or written to it: may it be, and if not, what is to do."""

import os
import tempfile
from pathlib import Path

from launch.server import mounts
from launch.server.opening import Unusable, os_words


def prepare(directory: Path) -> None:
    """Make the folder if it is new, let nobody else look into it, and see whether it can be written.

    Raises:
        Unusable: it is no folder, belongs to another user, cannot be written, or its disk is full.
        OnNetwork: it is on a network file system.
    """
    try:
        if directory.exists() and not directory.is_dir():
            raise Unusable(f"{directory} is a file: name a folder with --dir")
        directory.mkdir(parents=True, exist_ok=True)
        mounts.check(directory)
        if directory.stat().st_mode & 0o777 != 0o700:
            directory.chmod(0o700)
        _write_in(directory)
    except OSError as error:
        raise Unusable(os_words(error, directory)) from error
    blobs = directory / "blobs"
    try:
        if blobs.exists():
            _write_in(blobs)
    except OSError as error:
        raise Unusable(os_words(error, blobs)) from error


def _write_in(directory: Path) -> None:
    """Write a little and delete it again: only that tells of read-only file systems, full disks and rights alike.

    Raises:
        OSError: it could not be written.
    """
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"\0" * 4096)
        file.flush()
        os.fsync(file.fileno())
