"""How far a run is, kept so that another attempt at the same work goes on instead of beginning again.

A run does long work in named stages. Of each stage that has begun there is a state, and what was said to the
tracker within it; beside them lie the files of the run. A stage that is over is passed by those who come after,
with the same words said and the same files in place; one that was left halfway hands out its state.

    with run.progress.stage("fit") as stage:
        if stage.is_over: …         # take what it left in `stage.state`
        …                           # or go on from `stage.state`, or begin where it is None
        stage.over(write)

What is kept is written aside and handed over whole. Where it is kept, `Store` knows; what a state is, its stage.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from framework.errors import ConfigError, Problem, SashikoError
from framework.tracking import journal
from framework.tracking.journal import Entry, Journal

VARIABLE, EVERY_S = "SASHIKO_CHECKPOINT_S", 600.0
"""Seconds after which progress is kept in case that nobody is told before the end comes."""
STAGES, FILES, ORDER, STATE = "stages", "files", "stages.json", "state"
Write = Callable[[Path], object]
"""Writes a state to a file."""


def every_s() -> float:
    """How often progress is kept without being asked for, in seconds.

    Raises:
        ConfigError: `SASHIKO_CHECKPOINT_S` is no number of seconds.
    """
    text = os.environ.get(VARIABLE)
    try:
        seconds = float(text) if text else EVERY_S
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise ConfigError([Problem(VARIABLE, f"is {text!r}; allowed: seconds, at least 0, such as {EVERY_S:g}")])
    return seconds


@contextmanager
def told_if_not_kept() -> Iterator[None]:
    """What cannot be kept meanwhile (a full disk, a tracker that refuses) is told, and stops nothing."""
    try:
        yield
    except (SashikoError, OSError, RuntimeError) as error:  # torch tells of a full disk by the last
        print(f"what is half done could not be kept: {type(error).__name__}: {error}", file=sys.stderr)


class Keep(Protocol):
    """How a stage has the progress kept."""

    def __call__(self, *, wait: bool) -> bool:
        """Keep it, and wait until it is kept for sure, or not."""


class Store(Protocol):
    """Where the progress of one piece of work is kept."""

    def fetch(self, folder: Path) -> bool:
        """Write what was kept last to a folder; whether there is something that may be gone on with."""

    def keep(self, folder: Path, *, wait: bool) -> None:
        """Keep a folder in place of what was kept before. The folder may go when this returns."""

    def forget(self) -> None:
        """The work is done: nothing needs to be kept."""


@dataclass
class Stage:
    """A stage of a run. `state` is the file to go on from, None where there is none yet.

    The progress that it is part of says where it may write (`scratch`; nowhere, where nothing is kept) and how it
    is kept (`keep`). `is_new`: it is further than what was kept.
    """

    name: str
    state: Path | None = None
    is_over: bool = False
    entries: list[Entry] = field(default_factory=list)
    scratch: Path | None = None
    keep: Keep | None = None
    is_new: bool = False
    _write: Write | None = field(default=None, repr=False)

    @property
    def can_be_kept(self) -> bool:
        """Whether its state is kept at all."""
        return self.scratch is not None and self.keep is not None

    def halfway(self, write: Write, *, keep: bool) -> None:
        """Write the state as it is now; `keep` all of the run's progress too, without waiting until it is kept.

        What cannot be kept (a full disk, a tracker that refuses) is told, and the work goes on.
        """
        if self.scratch is None or self.keep is None:
            return
        place = self.scratch / STATE
        aside = self.scratch / f"{STATE}.aside"
        with told_if_not_kept():
            write(aside)
            aside.replace(place)
            self.state, self.is_new = place, True
            if keep:
                self.keep(wait=False)

    def over(self, write: Write) -> None:
        """The stage is over; what is left of it is written when it has to be kept."""
        self.is_over, self._write, self.is_new = True, write, True

    def store(self, folder: Path) -> None:
        """Write it to a folder."""
        journal.write(self.entries, folder)
        if self._write is not None:
            self._write(folder / STATE)
        elif self.state is not None:
            shutil.copyfile(self.state, folder / STATE)


class Progress:
    """The stages of one run."""

    def __init__(self, files: Path, said: Journal, store: Store | None) -> None:
        """`files`: the folder with the files of the run. Without a store nothing is kept."""
        self._files, self._journal, self._store = files, said, store
        self._stages: dict[str, Stage] = {}
        self._fetched = self._kept = False
        self._kept_at = time.monotonic()
        self._scratch: list[Path] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """A stage, by a name that is its own within the run, as a file may be called.

        What was said in it before is said again at once.
        """
        self._fetch()
        stage = self._stages.setdefault(name, Stage(name))
        if self._store is not None and stage.scratch is None:
            stage.scratch, stage.keep = self._folder(), self.keep
        said: list[Entry] = []
        outer = self._journal.listen(said)
        try:
            for entry in stage.entries:
                self._journal.say(entry, again=True)
            stage.entries = said
            yield stage
        finally:
            self._journal.listen(outer)
        if stage.is_new and self._store is not None and time.monotonic() - self._kept_at > every_s():
            with told_if_not_kept():
                self.keep(wait=False)

    def keep(self, *, wait: bool = True) -> bool:
        """Keep what there is; whether there was something to keep."""
        if self._store is None or not any(stage.is_new for stage in self._stages.values()):
            return False
        with tempfile.TemporaryDirectory(prefix="sashiko-progress-") as text:
            folder = Path(text)
            self._write(folder)
            self._store.keep(folder, wait=wait)
        self._kept, self._kept_at = True, time.monotonic()
        return True

    def close(self, *, is_done: bool) -> None:
        """Forget what was kept, if the work is done; remove what lies here."""
        for folder in self._scratch:
            shutil.rmtree(folder, ignore_errors=True)
        if is_done and self._kept and self._store is not None:
            self._store.forget()

    def _folder(self) -> Path:
        self._scratch.append(Path(tempfile.mkdtemp(prefix="sashiko-progress-")))
        return self._scratch[-1]

    def _write(self, folder: Path) -> None:
        kept = [stage for stage in self._stages.values() if stage.is_over or stage.state is not None]
        told = [{"name": stage.name, "is_over": stage.is_over} for stage in kept]
        for number, stage in enumerate(kept):
            stage.store(folder / STAGES / str(number))
            stage.is_new = False
        (folder / ORDER).write_text(json.dumps(told), encoding="utf-8")
        if any(self._files.rglob("*")):
            shutil.copytree(self._files, folder / FILES)

    def _fetch(self) -> None:
        """Look once whether an earlier attempt has kept something."""
        if self._fetched or self._store is None:
            return
        self._fetched = True
        folder = self._folder()
        if not self._store.fetch(folder):
            return
        self._kept = True
        for number, told in enumerate(json.loads((folder / ORDER).read_text(encoding="utf-8"))):
            place = folder / STAGES / str(number)
            self._stages[told["name"]] = Stage(told["name"], place / STATE, told["is_over"], journal.read(place))
        for path in sorted((folder / FILES).rglob("*")):
            here = self._files / path.relative_to(folder / FILES)
            if path.is_file() and not here.exists():
                here.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, here)
