"""Which code a sweep runs: that of the moment when it was submitted, in a folder that nobody changes.

`sashiko sweep` freezes at each call; `sashiko agents` takes what the sweep was last submitted with. What is
started then finds its modules there: workers on this machine, jobs on a cluster, also those that are queued again
days later, and whatever they start. The current folder stays the user's. Knows sweeps by their names only.
"""

import importlib
import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.errors import CodeError
from framework.tracking import frozen, provenance
from framework.tracking.sweeps import SweepPath
from launch import snapshot, version, worktree
from launch.words import counted

FOLDER = "code"
LEFT_OUT = "left-out.txt"
VARIABLE = "SASHIKO_CODE"
"""The folder of the frozen code that a process was started with."""
SHORT = 10
SHOWN = 3
AGAIN = "sashiko sweep FILE freezes the code of today, --live runs it as it lies"


@dataclass(frozen=True)
class Code:
    """Frozen code: its folder, the top of the working tree that it was made of, and where in both modules lie."""

    folder: Path
    root: Path
    inner: tuple[str, ...]

    @property
    def path(self) -> list[str]:
        """Where modules are looked for first."""
        return [os.path.normpath(self.folder / inner) for inner in self.inner]

    @property
    def variables(self) -> dict[str, str]:
        """What tells a process, and all that it starts, to run this code, besides `PYTHONPATH`."""
        return {"PYTHONSAFEPATH": "1", VARIABLE: str(self.folder)}

    @property
    def environment(self) -> dict[str, str]:
        """What a process that this one starts needs to run this code in place of what it has run so far."""
        before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        others = [entry for entry in before if entry and self._differs(entry)]
        return self.variables | {"PYTHONPATH": os.pathsep.join((*self.path, *others))}

    def enter(self) -> None:
        """Have this process, which has run other code so far, import this code from now on."""
        os.environ |= self.environment
        sys.path[:] = [*self.path, *filter(self._differs, _entries())]
        tops = {name.partition(".")[0] for name in sys.modules}
        ours = {name for name in tops - {"__main__"} - sys.stdlib_module_names if self._has(name)}
        for name in list(sys.modules):
            if name.partition(".")[0] in ours:
                del sys.modules[name]
        importlib.invalidate_caches()

    def _differs(self, entry: str) -> bool:
        """Whether a place of modules is none of the working tree that the frozen code stands for."""
        moved = _within(entry, self.root)
        return moved is None or moved not in self.inner

    def _has(self, module: str) -> bool:
        """Whether a module or package is in the frozen code."""
        places = [Path(entry, module) for entry in self.path]
        return any(place.is_dir() or place.with_suffix(".py").exists() for place in places)


def _within(place: str, root: Path) -> str | None:
    """Where in a tree something lies; None for what does not."""
    real = Path(os.path.realpath(place))
    return str(real.relative_to(root)) if real.is_relative_to(root) else None


def _entries() -> list[str]:
    """The folders in which modules are looked for, but for that which depends on how Python was started."""
    return sys.path if sys.flags.safe_path else sys.path[1:]


def _inner(home: Path, root: Path) -> tuple[str, ...]:
    """Where in a tree modules are looked for: where the experiments lie before all."""
    entries = [_within(entry, root) for entry in (str(home.parent), *_entries())]
    return tuple(dict.fromkeys(entry for entry in entries if entry is not None))


def _home() -> Path:
    """The package of the experiments."""
    importlib.import_module("experiments")
    return Path(os.path.realpath(provenance.home()))


def _is_installed(home: Path) -> bool:
    """Whether the experiments are those of an installed package, which nobody edits."""
    return str(home.parent) in {os.path.realpath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}


def for_sweep(directory: Path, *, live: bool) -> tuple[Code | None, str]:
    """The code that a submission works with, frozen now, and a line that says so; None: as it lies.

    `directory` is the folder of the embedded server, below which it is kept.

    Raises:
        CodeError: it cannot be frozen, or this process was started with frozen code that is gone or changed.
    """
    if live:
        return None, "code: live, it may change while the sweep runs"
    given = _given()
    if given is not None:
        return given, f"code: {given.folder.name[:SHORT]}"
    home = _home()
    if _is_installed(home):
        return None, f"code: live, {version.told()} as it is installed in {home.parent}"
    repository = worktree.repository_of(home)
    if repository is None:
        return None, f"code: live, {home} is in no git repository"
    return _freeze(repository, home, directory)


def _freeze(repository: worktree.Repository, home: Path, directory: Path) -> tuple[Code | None, str]:
    """The code of the repository, where that is the one of the experiments in `home`, and a line."""
    root = Path(os.path.realpath(repository.top))
    if root == home:
        return None, f"code: live, the repository {root} is the package itself, and not around it"
    if not worktree.tracks(repository, home):  # it is installed there; or that is one of somebody's whole home
        return None, f"code: live, git in {root} tracks nothing of {home}"
    made = snapshot.take(repository, (directory / FOLDER).resolve())
    if not (made.folder / home.relative_to(root)).is_dir():
        return None, f"code: live, {home} is ignored by git"
    inner = tuple(entry for entry in _inner(home, root) if (made.folder / entry).is_dir())
    return Code(made.folder, root, inner), f"code: {_told(made)}{_others(root)}"


def of_sweep(directory: Path, path: SweepPath, *, live: bool) -> tuple[Code | None, str]:
    """The code that the sweep was last submitted with from `directory`; frozen now if it never was.

    Raises:
        CodeError: as `for_sweep`; or what was frozen is gone, or somebody changed it.
    """
    found = None if live or os.environ.get(VARIABLE) else remembered(directory, path)
    if found is None:
        return for_sweep(directory, live=live)
    return found, f"code: {found.folder.name[:SHORT]}, as it was when {path} was submitted"


def remembered(directory: Path, path: SweepPath) -> Code | None:
    """The code that the sweep was last submitted with from `directory`; None if that was none that is frozen.

    Raises:
        CodeError: it is gone, or somebody changed it.
    """
    note = _note(directory, path)
    if not note.exists():
        return None
    try:
        data = json.loads(note.read_text(encoding="utf-8"))
        folder, inner = note.parents[3] / str(data["tree"]), tuple(map(str, data["modules"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CodeError(f"{note} cannot be read ({error}); {AGAIN}") from error
    record = _checked(folder, f"the code that {path} was submitted with")
    return Code(folder, Path(os.path.realpath(record.root)), inner)


def remember(directory: Path, path: SweepPath, code: Code | None) -> None:
    """Note which code a sweep was submitted with; of code that is not frozen nothing is noted."""
    if code is None:
        return
    note = _note(directory, path)
    note.parent.mkdir(parents=True, exist_ok=True)
    data = {"sweep": str(path), "tree": code.folder.name, "modules": code.inner}
    frozen.write_whole(note, json.dumps(data) + "\n")


def _note(directory: Path, path: SweepPath) -> Path:
    return (directory / FOLDER).resolve() / "sweeps" / path.entity / path.project / f"{path.id}.json"


def _given() -> Code | None:
    """The code that this process was started with; None if it was started with none.

    Raises:
        CodeError: it is gone, somebody changed it, or other code was imported in its place.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    _checked(Path(folder), "the code that this was submitted with")
    root = Path(os.path.realpath(folder))
    home = _home()
    if not home.is_relative_to(root):
        raise CodeError(
            f"{VARIABLE} is {folder}, but the experiments are imported from {home}: PYTHONPATH has to begin with "
            f"{folder} here; or unset {VARIABLE}"
        )
    return Code(Path(folder), root, _inner(home, root))


def _checked(folder: Path, what: str) -> frozen.Record:
    """The record of frozen code that is as it was made.

    Raises:
        CodeError: it is not.
    """
    record = snapshot.whole(folder)
    if record is None:
        state = "was changed" if folder.exists() else "is gone"
        raise CodeError(f"{what}, {folder}, {state}; {AGAIN}")
    return record


def _told(made: snapshot.Snapshot) -> str:
    """`1a2b3c4d5e (commit abc1234 and 3 changed, 2 new files; left out: data.bin (above 50 MB))`."""
    commit = str(made.record.git.get("commit", ""))[:7]
    counts = [f"{made.changed} changed" if made.changed else "", f"{made.new} new" if made.new else ""]
    differs = ", ".join(filter(None, counts))
    last = made.new or made.changed
    differs = f"{differs} file{'' if last == 1 else 's'}" if differs else ""
    told = " and ".join(filter(None, [f"commit {commit}" if commit else "no commit yet", differs]))
    left_out = f"; left out: {_left_out(made.left_out, made.folder.parent)}" if made.left_out else ""
    edited = sorted(made.folder.parent.glob(f"{made.folder.name}{snapshot.CHANGED}*"))
    warning = f"; somebody edited it: what they left lies in {edited[-1]}" if edited else ""
    return f"{made.folder.name[:SHORT]} ({told}{left_out}{warning})"


def _others(root: Path) -> str:
    """What is said of the project's own packages where they are somebody's working tree elsewhere."""
    own = Path(os.path.realpath(__file__)).parents[1]
    if own.is_relative_to(root) or not (own / "setup.cfg").is_file():  # installed, where nobody edits it
        return ""
    return f"; framework and launch run live, from {own}"


def _left_out(files: Sequence[worktree.LeftOut], place: Path) -> str:
    """The first of them; where there are more, all of them are written to a file in `place`."""
    told = [f"{_printable(file.name)} ({file.why})" for file in files]
    if len(told) <= SHOWN:
        return ", ".join(told)
    listed = place / LEFT_OUT
    frozen.write_whole(listed, "\n".join(told) + "\n")
    return ", ".join(told[:SHOWN]) + f" and {counted(len(told) - SHOWN, 'other')} (all: {listed})"


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]
