"""A user's working tree, as git sees it: the files that are tracked, and those that are new and not ignored.

It is only read. What cannot be part of a snapshot is told with the reason.
"""

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from framework.errors import CodeError

LARGEST_MB = 50.0
LARGEST_VARIABLE = "SASHIKO_FROZEN_MB"
LIVE = "--live freezes nothing"
INHERITED = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS",
)  # fmt: skip
"""What a hook of git, or a shell set up for one, would say about another repository."""


class Repository(NamedTuple):
    """A user's repository: the top of its working tree, its objects and how these are named."""

    top: Path
    objects: Path
    format: str


@dataclass(frozen=True)
class LeftOut:
    """A file of the working tree that is not in the snapshot, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Listing:
    """What belongs to the snapshot, by name, and how it differs from the commit."""

    names: Sequence[bytes]
    left_out: Sequence[LeftOut] = ()
    changed: int = 0
    new: int = 0


def repository_of(place: Path) -> Repository | None:
    """The repository around a folder; None where there is none.

    Raises:
        CodeError: there is one, but git is missing or refuses to read it.
    """
    if not any((folder / ".git").exists() for folder in (place, *place.parents)):
        return None
    words = ("rev-parse", "--path-format=absolute", "--show-toplevel", "--show-object-format", "--git-path")
    told = git(place, *words, "objects").decode(errors="surrogateescape").splitlines()
    if len(told) != 3:
        raise CodeError(f"git names the repository around {place} in a way that cannot be read: {told}")
    return Repository(Path(told[0]), Path(told[2]), told[1])


def list_files(repository: Repository, place: Path) -> Listing:
    """The files that git tracks or that are new and not ignored, as they lie in the working tree.

    Raises:
        CodeError: git refuses.
    """
    status = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all")
    lines = split(git(repository.top, *status))
    tracked = split(git(repository.top, "ls-files", "-z", "--cached"))
    untracked = [line[3:] for line in lines if line.startswith(b"??")]
    base = os.fsencode(repository.top)
    own = _inside(base, place)
    names, left_out, out = [], [], set()
    limit = largest()
    for name in dict.fromkeys((*tracked, *untracked)):
        if own is not None and name.startswith(own):
            continue
        why = _why_not(base, name, limit)
        if why is None:
            names.append(name)
        elif why:
            left_out.append(LeftOut(os.fsdecode(name).rstrip("/"), why))
        if why is not None:
            out.add(name)
    below = {parent for parent in {parent_of(name) for name in names} if _through_link(base, parent)}
    names = [name for name in names if parent_of(name) not in below]
    kept = set(names)
    known = [line for line in lines if not line.startswith(b"??")]
    added = sum(b"A" in line[:2] for line in known)
    new = added + sum(name in kept for name in untracked)
    return Listing(names, left_out, len(known) - added, new)


def tracks(repository: Repository, folder: Path) -> bool:
    """Whether git tracks anything of a folder; in a repository where nothing is tracked yet, it may.

    Raises:
        CodeError: git refuses.
    """
    inner = os.path.relpath(os.path.realpath(folder), os.path.realpath(repository.top))
    words = ("ls-files", "-z", "--cached", "--")
    return bool(git(repository.top, *words, f":(literal){inner}")) or not git(repository.top, *words)


def largest() -> float:
    """The size of the largest file that is frozen, in bytes.

    Raises:
        CodeError: the variable that says so holds no number.
    """
    text = os.environ.get(LARGEST_VARIABLE, "")
    try:
        return 1e6 * (float(text) if text else LARGEST_MB)
    except ValueError:
        raise CodeError(f"{LARGEST_VARIABLE} is {text!r}; it is a number of megabytes: 200") from None


def _why_not(base: bytes, name: bytes, limit: float) -> str | None:
    """Why a name is left out: in words, or empty where nothing is there; None if it is not."""
    path = os.path.join(base, name)  # noqa: PTH118 (thousands of names in bytes)
    try:
        facts = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISLNK(facts.st_mode):
        target = os.readlink(path)  # noqa: PTH115
        inner = os.path.normpath(os.path.join(os.path.dirname(name), target))  # noqa: PTH118, PTH120
        outside = target.startswith(b"/") or inner == b".." or inner.startswith(b"../")
        return "a link out of the tree" if outside else None
    if stat.S_ISDIR(facts.st_mode):
        return "a repository of its own"
    if not stat.S_ISREG(facts.st_mode):
        return "no plain file"
    return f"above {limit / 1e6:g} MB" if facts.st_size > limit else None


def parent_of(name: bytes) -> bytes:
    return name.rpartition(b"/")[0]


def _through_link(base: bytes, folder: bytes) -> bool:
    """Whether a folder was replaced by a link: what git had tracked in it is not there any more."""
    while folder:
        if os.path.islink(os.path.join(base, folder)):  # noqa: PTH114, PTH118
            return True
        folder = parent_of(folder)
    return False


def _inside(base: bytes, place: Path) -> bytes | None:
    """What the names of our own files begin with; None if they lie outside the tree.

    `place` is a folder within the folder of the tracker, all of which is left alone.
    """
    own = os.fsencode(place.resolve().parent)
    base = os.path.realpath(base)
    return own[len(base) + 1 :] + b"/" if own.startswith(base + b"/") else None


def split(told: bytes) -> list[bytes]:
    return [name for name in told.split(b"\0") if name]


def git(folder: Path, *words: str, extra: Mapping[str, str] | None = None, given: bytes | None = None) -> bytes:
    """What git says.

    Raises:
        CodeError: it is not installed, or fails; with its words.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in INHERITED}
    environment = inherited | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | dict(extra or {})
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise CodeError(f"the code could not be frozen, git cannot be run ({error}); {LIVE}") from error
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())
        raise CodeError(f"the code could not be frozen, git {words[0]} says: {told}; {LIVE}")
    return done.stdout
