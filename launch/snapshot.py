"""A snapshot of a working tree, by git: what is committed, what is changed, and what is new and not ignored.

The snapshot's name is the id of its tree in git, so equal code has one snapshot. It lies checked out in a folder
of that name, with the bytes of the working tree: no filter, line ending or attribute of the repository counts.
Nothing in the user's repository changes: index and objects are our own, the repository's objects are only read.

    <place>/<tree>/         the files, read-only            <place>/store/    objects, and the last index of a tree
    <place>/<tree>.json     the record: `framework.tracking.frozen`

This module knows no sweep and no worker.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from framework.errors import CodeError
from framework.tracking import frozen, provenance
from launch import sealed
from launch.worktree import LIVE, LeftOut, Repository, git, list_files, parent_of, split

CONFIG = """[core]
    repositoryformatversion = {version}
    bare = false
    fileMode = true
    symlinks = true
    ignoreCase = false
    autocrlf = false
    safecrlf = false
    splitIndex = false
    sparseCheckout = false
    untrackedCache = false
    fsmonitor = false
    hooksPath = /dev/null
    looseCompression = 0
[index]
    sparse = false
[checkout]
    workers = 4
[extensions]
    {extensions}
"""
PRIVATE = 0o700
"""Nobody else may look: a file that only its owner could read can be read by all in here."""
LEFT_S = 86_400.0
"""What was begun so long ago was left behind by a process that was killed."""
CHANGED = ".changed-"
"""What follows the name of a snapshot that somebody edited: it lies there, and another was made in its place."""
NEW = ".new-"
RAW = "* -text -eol -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True)
class Snapshot:
    """Code that is frozen: its folder, where it was, and what git says of it."""

    folder: Path
    record: frozen.Record
    left_out: Sequence[LeftOut] = field(default=())
    changed: int = 0
    new: int = 0


def take(repository: Repository, place: Path) -> Snapshot:
    """Make the snapshot of a working tree as it is now, below `place`; an equal one is used again.

    Raises:
        CodeError: git refuses, a file cannot be read, or there is no room.
    """
    store = Store.at(place, repository)
    try:
        with ThreadPoolExecutor(1) as beside:
            state = beside.submit(provenance.git_state, repository.top)
            listing = list_files(repository, place)
            try:
                tree, digest = store.hold(repository, listing.names)
            except CodeError:
                if not store.forget(repository):
                    raise
                tree, digest = store.hold(repository, listing.names)
            git, patch = state.result()
        record = frozen.Record(tree, str(repository.top), git, patch, digest)
        if frozen.read(place / tree) != record:
            record.write(place / tree)
    except OSError as error:
        raise CodeError(f"the code in {repository.top} could not be frozen in {place}: {error}") from error
    return Snapshot(place / tree, record, listing.left_out, listing.changed, listing.new)


def whole(folder: Path) -> frozen.Record | None:
    """The record of a snapshot that is as it was made; None if it is damaged, half made, or not there."""
    record = frozen.read(folder)
    try:
        return record if record is not None and sealed.seal(folder) == record.seal else None
    except OSError:
        return None


# --- the store ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """Our own half of a repository: an index, objects, and settings under which bytes stay as they are."""

    place: Path
    git_dir: Path

    @classmethod
    def at(cls, place: Path, repository: Repository) -> "Store":
        """The store in `place`, made if it is new.

        Raises:
            CodeError: it cannot be written.
        """
        found = cls(place, place / ("store" if repository.format == "sha1" else f"store-{repository.format}"))
        if not (found.git_dir / "HEAD").exists():
            try:
                found._make(repository.format)
            except OSError as error:
                raise CodeError(f"code cannot be frozen in {place}: {error}; {LIVE}") from error
        return found

    def _make(self, object_format: str) -> None:
        self.place.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.place.chmod(PRIVATE)
        for folder in ("objects/info", "objects/pack", "refs", "info"):
            (self.git_dir / folder).mkdir(parents=True, exist_ok=True)
        if object_format == "sha1":
            config = CONFIG.format(version=0, extensions="")
        else:
            config = CONFIG.format(version=1, extensions=f"objectFormat = {object_format}")
        frozen.write_whole(self.git_dir / "config", config)
        frozen.write_whole(self.git_dir / "info" / "attributes", RAW)
        frozen.write_whole(self.place / ".gitignore", "*\n")  # a working tree around it does not see it
        frozen.write_whole(self.git_dir / "HEAD", "ref: refs/heads/none\n")

    def hold(self, repository: Repository, names: Sequence[bytes]) -> tuple[str, str]:
        """See to it that the snapshot of these files lies in its folder; the id of its tree, and its seal.

        Raises:
            CodeError: git refuses, or cannot read a file.
            OSError: there is no room, or no right.
        """
        kept, last = self._kept(repository), self.git_dir / "last"
        before = last.read_text(encoding="utf-8") if last.exists() else ""
        with self._folder() as aside:
            index, files = aside / "index", aside / "tree"
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(kept, index)
            if before:
                tree, copied = self._write(repository, names, index), False
            else:
                tree, copied = self._write_and_copy(repository, names, index, files)
            index.replace(kept)
            known = whole(self.place / tree)
            if known is not None:
                return tree, known.seal
            folder = self.place / tree
            digest = self._put(files, folder) if copied else self._check_out(repository, tree, before)
        frozen.write_whole(last, tree)
        return tree, digest

    def _write_and_copy(
        self, repository: Repository, names: Sequence[bytes], index: Path, files: Path
    ) -> tuple[str, bool]:
        """As `_write`; the files are copied meanwhile. Also whether the copies are what was stored."""
        base = os.fsencode(repository.top)
        files.mkdir()
        with ThreadPoolExecutor(1) as beside:
            copying = beside.submit(sealed.copy, base, names, files)
            tree = self._write(repository, names, index)
            facts = copying.result()
        return tree, facts is not None and sealed.are_unchanged(base, facts)

    def _kept(self, repository: Repository) -> Path:
        """The last index of a working tree: files that are as old as it says need not be read."""
        name = hashlib.sha256(os.fsencode(repository.top)).hexdigest()[:12]
        return self.git_dir / f"index-{name}"

    def forget(self, repository: Repository) -> bool:
        """Begin anew with an empty index: what the last one names, the repository may have dropped since."""
        kept = self._kept(repository)
        had = kept.exists()
        kept.unlink(missing_ok=True)
        return had

    def _write(self, repository: Repository, names: Sequence[bytes], index: Path) -> str:
        extra = self._environment(repository, index, repository.top)
        lines = b"".join(name + b"\0" for name in names)
        words = ("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
        git(repository.top, *words, extra=extra, given=lines)
        gone = set(split(git(repository.top, "ls-files", "-z", extra=extra))).difference(names)
        if gone:
            lines = b"".join(name + b"\0" for name in gone)
            git(repository.top, "update-index", "--force-remove", "-z", "--stdin", extra=extra, given=lines)
        return git(repository.top, "write-tree", extra=extra).decode().strip()

    def _check_out(self, repository: Repository, tree: str, before: str) -> str:
        """Make the folder of a tree: aside, then renamed. Files as in `before` are links to those. The seal.

        Raises:
            CodeError: git refuses.
            OSError: there is no room, or no right.
        """
        with self._folder() as aside:
            files = aside / "tree"
            files.mkdir()
            extra = self._environment(repository, aside / "index", files)
            git(self.place, "read-tree", tree, extra=extra)
            names = split(git(self.place, "ls-files", "-z", extra=extra))
            same = self._link(names, before, tree, files, extra) if before and before != tree else set()
            rest = [name for name in names if name not in same]
            lines = b"".join(name + b"\0" for name in rest)
            words = ("checkout-index", "-z", "--stdin", f"--prefix={files}/")
            git(files, *words, extra=extra, given=lines)
            sealed.close(files, rest)
            return self._put(files, self.place / tree)

    def _link(
        self, names: Sequence[bytes], before: str, tree: str, files: Path, extra: Mapping[str, str]
    ) -> set[bytes]:
        """Link to the files of the snapshot before that are in this one too; those that are done."""
        if whole(self.place / before) is None:
            return set()
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, tree)
        try:
            changed = set(split(git(self.place, *words, extra=extra)))
        except CodeError:  # that was of another repository, or of one that has dropped it
            return set()
        same = [name for name in names if name not in changed]
        old, new = os.fsencode(self.place / before), os.fsencode(files)
        done: set[bytes] = set()
        for parent in sorted({parent_of(name) for name in same}):
            os.makedirs(os.path.join(new, parent), exist_ok=True)  # noqa: PTH103, PTH118
        for name in same:
            try:
                os.link(old + b"/" + name, new + b"/" + name, follow_symlinks=False)
            except OSError:
                return done  # no links here, or too many: the others are written
            done.add(name)
        return done

    def _put(self, files: Path, folder: Path) -> str:
        """Move a folder to its place; its seal. A damaged one there is kept aside: it may hold somebody's work."""
        digest = sealed.seal(files)
        for _ in range(2):
            with contextlib.suppress(OSError):
                files.rename(folder)
                return digest
            with contextlib.suppress(OSError):
                if sealed.seal(folder) == digest:  # another submission was first
                    return digest
            damaged = tempfile.mkdtemp(dir=self.place, prefix=f"{folder.name}{CHANGED}")
            try:
                folder.rename(damaged)
            except FileNotFoundError:
                Path(damaged).rmdir()
        files.rename(folder)
        return digest

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        for old in self.place.glob(f"{NEW}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > LEFT_S:
                    shutil.rmtree(old, ignore_errors=True)
        folder = tempfile.mkdtemp(dir=self.place, prefix=NEW)
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _environment(self, repository: Repository, index: Path, tree: Path) -> dict[str, str]:
        objects = str(repository.objects)
        if ":" in objects or objects.startswith('"'):
            objects = '"' + objects.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return {
            "GIT_DIR": str(self.git_dir.resolve()),
            "GIT_WORK_TREE": str(tree.resolve()),
            "GIT_INDEX_FILE": str(index.resolve()),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }
