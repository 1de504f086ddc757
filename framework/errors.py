"""Every error that Sashiko raises for a user to read.

    SashikoError                    exit code 1
    ├── InvalidInput                exit code 2: collects every problem found, none hides another
    │   ├── ConfigError             a config, a config file or a command-line value
    │   ├── GridError               a grid whose axes contradict each other or the config
    │   └── DefinitionError         a W&B sweep definition
    ├── UnknownExperiment           exit code 2
    ├── CodeError                   exit code 2: code that cannot be frozen, or frozen code that is gone or changed
    ├── DataUnavailable             a data set that is not where it was looked for
    ├── WeightsUnavailable          pretrained weights that are not here and cannot be fetched
    ├── TrackerError                exit code 3: the tracker cannot be reached or refuses
    │   ├── TrackerGone             what was asked for was there, and has been deleted
    │   ├── TrackerAway             nothing answers at its address
    │   ├── TrackerRefused          a wrong key, or no right to do what was asked
    │   └── NotStarted              a run that was not begun at the tracker
    ├── ArtifactError               an artifact that is missing, broken or cannot be made
    │   └── RequirementFailed       a required one; the run that requires it is not to blame
    ├── TrainingDiverged            a loss that became NaN or infinite
    ├── RankFailed                  one of the processes that work a run together failed, or died
    ├── ClusterError                exit code 3: Slurm is not here, does not answer, or refuses a job
    ├── SweepClosed                 a sweep that hands out nothing while points are open
    └── RunsFailed                  some runs of a sweep failed; the others are finished

    Interrupted                     no error but a signal, so that nothing that handles errors takes it for one

Messages name the key, the value, what is allowed and what to do. The command line prints them without a
traceback and exits with `exit_code`.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass


class SashikoError(Exception):
    """Base of all errors that are addressed to the user."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (`key`, dotted; empty for the whole) and what to do about it."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class Interrupted(BaseException):
    """A signal asked the process to end: SIGINT or SIGUSR2 to give its work back, SIGTERM to end it for good."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"interrupted by signal {number} ({signal.Signals(number).name})")

    @property
    def exit_code(self) -> int:
        """128 + the signal, as a shell tells it."""
        return 128 + self.number

    @property
    def gives_back(self) -> bool:
        """Whether somebody else is to go on with the work."""
        return self.number != signal.SIGTERM


class InvalidInput(SashikoError):
    """Input that cannot be used. `problems` holds every one that was found; `where` names the input."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        self.problems = tuple(problems)
        self.where = where
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        head = f"{where}: {count}" if where else count
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class ConfigError(InvalidInput):
    """A config, a config file or a command-line value that cannot be used."""


class GridError(InvalidInput):
    """A grid whose axes contradict each other or do not fit the config."""


class DefinitionError(InvalidInput):
    """A W&B sweep definition that cannot be read as a grid."""


class UnknownExperiment(SashikoError):
    """The name of an experiment that does not exist."""

    exit_code = 2


class CodeError(SashikoError):
    """The code of a sweep cannot be frozen; or what was frozen is gone, or somebody changed it."""

    exit_code = 2


class DataUnavailable(SashikoError):
    """A data set that is not in the folder that was looked in."""


class WeightsUnavailable(SashikoError):
    """Pretrained weights that are not on this machine and cannot be fetched."""


class TrackerError(SashikoError):
    """The tracker (wandb.ai, a W&B server, the embedded one) cannot be reached or answered with an error."""

    exit_code = 3


class ClusterError(SashikoError):
    """The cluster's scheduler is not here, does not answer, or refuses a job."""

    exit_code = 3


class TrackerAway(TrackerError):
    """Nothing answers at the tracker's address, or it is overloaded; it may come back."""


class TrackerGone(TrackerError):
    """What was asked for was there and has been deleted; the ids of deleted runs are not given again."""


class TrackerRefused(TrackerError):
    """The tracker refused the API key, or the key has no right to do what was asked."""


class NotStarted(TrackerError):
    """A run that was not begun at the tracker: it refused, or the process was interrupted. The cause tells.

    `broke_off`: whether the tracker's answer came in part; then the run may be begun once more.
    """

    def __init__(self, message: str, *, broke_off: bool = False) -> None:
        super().__init__(message)
        self.broke_off = broke_off


class ArtifactError(SashikoError):
    """An artifact that is missing, broken, or could not be made."""


class RequirementFailed(ArtifactError):
    """A required artifact that could not be made, or may not be used: the run that requires it is not to blame."""


class TrainingDiverged(SashikoError):
    """A loss that became NaN or infinite; the message names the step."""


class RankFailed(SashikoError):
    """One of the processes that work a run together failed or died; with its error, and where it was."""


class SweepClosed(SashikoError):
    """A paused, stopped or cancelled sweep: it hands out nothing, and points are open."""


class RunsFailed(SashikoError):
    """Some runs of a sweep failed; the others are finished."""
