"""What a word means that may be a project or a sweep, and whether it is there."""

from dataclasses import dataclass
from pathlib import Path

from framework.errors import ConfigError, Problem, TrackerError
from framework.tracking import remote_runs, sweeps
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import DEFAULT_PROJECT, Tracker


@dataclass(frozen=True)
class Chosen:
    """A project, or one sweep of it."""

    entity: str
    project: str
    sweep: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.entity, self.project, self.sweep)))


def chosen(tracker: Tracker, text: str) -> Chosen:
    """The project or the sweep that `[ENTITY/]PROJECT`, `[[ENTITY/]PROJECT/]SWEEP` or a sweep file means.

    Raises:
        ConfigError: too many parts, or both a project and a sweep are called so.
        TrackerError: there is neither, or the tracker does not answer.
        DefinitionError: the sweep file is invalid.
    """
    if Path(text).suffix in (".yaml", ".yml") or Path(text).is_file():
        from launch import sweeping

        path = sweeping.locate(tracker, text, as_written=True)
        return Chosen(path.entity, path.project, path.id)
    words = text.strip("/").split("/")
    if not 0 < len(words) < 4 or not all(words):
        message = f"is {text!r}; write [ENTITY/]PROJECT, [[ENTITY/]PROJECT/]SWEEP, or a sweep file"
        raise ConfigError([Problem("PROJECT|SWEEP", message)], "archive")
    entity = words[0] if len(words) == 3 else tracker.check()
    whole = Chosen(words[0] if len(words) == 2 else entity, words[-1])
    home = words[-2] if len(words) > 1 else DEFAULT_PROJECT
    part = Chosen(entity, home, words[-1])
    is_project = len(words) < 3 and _has_project(tracker, whole)
    is_sweep = sweeps.find_any(tracker, SweepPath(entity, home, words[-1])) is not None
    if is_project and is_sweep:
        message = f"is the project {whole} and the sweep {part}: for the sweep write all three parts"
        raise ConfigError([Problem("PROJECT|SWEEP", message)], "archive")
    if not is_project and not is_sweep:
        asked = f"no project {whole} and " if len(words) < 3 else ""
        raise TrackerError(f"{tracker.url} has {asked}no sweep {part}")
    return part if is_sweep else whole


def _has_project(tracker: Tracker, what: Chosen) -> bool:
    found = remote_runs.listed(tracker, what.entity, what.project, {}, "name", page=1)
    return found is not None
