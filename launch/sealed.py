"""Folders that nobody is to change: their files are read-only and of one age, and a digest tells of any other.

The digest is of names, sizes, ages, kinds and permissions, so that it is found without reading a file: who edits
one makes it younger. What Python compiles beside the sources is no part of it. Knows no git.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

AGE = 946_684_800
"""When every file was last changed: at the beginning of 2000."""
PIECE = 1 << 20
CACHE = b"__pycache__"
EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def close(folder: Path, names: Iterable[bytes]) -> None:
    """Make files of a folder read-only and of one age. A folder stays writable, for what Python compiles."""
    base = os.fsencode(folder)
    for name in names:
        path = os.path.join(base, name)  # noqa: PTH118 (thousands of names in bytes)
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(path, READABLE | (EXECUTABLE if mode & stat.S_IXUSR else 0))  # noqa: PTH101
        os.utime(path, (AGE, AGE), follow_symlinks=False)


Facts = tuple[int, int, int, int]
"""Of a file: its number, its size, and when it and what is told of it were last changed, in ns."""


def copy(base: bytes, names: Sequence[bytes], folder: Path) -> dict[bytes, Facts] | None:
    """Copy files into a new folder, closed; the facts of each before it was read. None: one cannot be copied."""
    new = os.fsencode(folder)
    found = {}
    try:
        for parent in sorted({name.rpartition(b"/")[0] for name in names}):
            os.makedirs(os.path.join(new, parent), exist_ok=True)  # noqa: PTH103, PTH118
        for name in names:
            found[name] = _copy(base + b"/" + name, new + b"/" + name)
    except OSError:
        return None
    return found


def _copy(old: bytes, new: bytes) -> Facts:
    facts = os.lstat(old)
    if stat.S_ISLNK(facts.st_mode):
        os.symlink(os.readlink(old), new)  # noqa: PTH115, PTH211
        os.utime(new, (AGE, AGE), follow_symlinks=False)
        return _facts(facts)
    source = os.open(old, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        executable = EXECUTABLE if facts.st_mode & stat.S_IXUSR else 0
        target = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READABLE | executable)
        try:
            while piece := os.read(source, PIECE):
                while piece:
                    piece = piece[os.write(target, piece) :]
            os.utime(target, (AGE, AGE))
        finally:
            os.close(target)
    finally:
        os.close(source)
    return _facts(facts)


def are_unchanged(base: bytes, facts: Mapping[bytes, Facts]) -> bool:
    """Whether files are as they were."""
    try:
        return all(_facts(os.lstat(base + b"/" + name)) == known for name, known in facts.items())
    except OSError:
        return False


def _facts(of: os.stat_result) -> Facts:
    return (of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns)


def seal(folder: Path) -> str:
    """The digest of a folder as it is now.

    Raises:
        OSError: there is no such folder, or part of it cannot be read.
    """
    hashed = hashlib.sha256()
    for line in sorted(_lines(os.fsencode(folder), b"")):
        hashed.update(line)
    return hashed.hexdigest()


def _lines(folder: bytes, prefix: bytes) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name != CACHE:
                    yield from _lines(entry.path, name + b"/")
                continue
            facts = entry.stat(follow_symlinks=False)
            target = os.readlink(entry.path) if entry.is_symlink() else b""  # noqa: PTH115
            age = int(facts.st_mtime)
            kind = stat.S_IFMT(facts.st_mode) | (0 if target else facts.st_mode & stat.S_IXUSR)
            yield b"%b\0%d %d %d %b\0" % (name, facts.st_size, age, kind, target)
