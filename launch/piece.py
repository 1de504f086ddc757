"""A point in a worker's hands: whose it is, and what the worker's child does with it, or with several at once."""

import contextlib
import signal
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.errors import Interrupted
from framework.manager import Manager
from framework.plan import Point, name_of
from framework.tracking import sweeps
from launch import direct, ranks
from launch.job import Job
from launch.team import Team

if TYPE_CHECKING:
    from framework.tracking.run import Resume, Run


@dataclass(frozen=True)
class Piece:
    """A point that was handed out. `point`: of a grid; the tracker draws those of other methods."""

    run_id: str
    config: Config
    point: Point | None
    swept: Mapping[str, Any]
    agent: sweeps.Agent | direct.Alone
    resume: bool

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.point.name if self.point else name_of(self.config)


def are_alike(manager: Manager[Any], first: Piece, other: Piece, folder: Path) -> bool:
    """Whether two points can be worked at once. One that has failed is tried again by itself."""
    shape = manager.shape_of(first.config)
    if shape is None or shape != manager.shape_of(other.config):
        return False
    return not any(_mark(folder, piece).exists() for piece in (first, other))


def work_alone(folder: Path, piece: Piece) -> None:
    """From now on workers of a folder work this point by itself: what it died of must take no others along."""
    _mark(folder, piece).touch()


def _mark(folder: Path, piece: Piece) -> Path:
    return folder / f"alone-{piece.config.config_id}"


# --- in the child --------------------------------------------------------------------------------------------


def run_alone(job: Job, piece: Piece, team: Team) -> None:
    """Work one point, as a team if it is one."""
    with (
        ranks.beside(team) as others,
        _run(job, piece) as run,
        ranks.leading(others, job.definition.experiment, run),
    ):
        job.manager.run(piece.config, run)


def run_together(job: Job, pieces: Sequence[Piece], to_stop: Path) -> dict[str, str]:
    """Work several points of one shape at once, each in its own run; the error of each that failed, by run id.

    `to_stop`: the file in which the worker names runs that are to end; who is interrupted then ends those for
    good, and gives the others back.
    """
    with contextlib.ExitStack() as stack:
        runs = [_run(job, piece, len(pieces)) for piece in pieces]
        for run in runs:
            stack.push(lambda kind, error, trace, run=run: _end(run, error, to_stop))
        errors = job.manager.run_together([piece.config for piece in pieces], runs)
        stack.pop_all()
        for run, error in zip(runs, errors, strict=True):
            if error is not None:
                traceback.print_exception(error)
            run.__exit__(type(error) if error else None, error, None)
    return {
        piece.run_id: f"{type(error).__name__}: {error}"
        for piece, error in zip(pieces, errors, strict=True)
        if error is not None
    }


def _end(run: "Run", error: BaseException | None, to_stop: Path) -> None:
    """End a run that an error or a signal has cut short."""
    if isinstance(error, Interrupted) and run.id in named_in(to_stop):
        error = Interrupted(signal.SIGTERM)
    run.__exit__(type(error) if error else None, error, None)


def named_in(to_stop: Path) -> list[str]:
    """The runs that are to end."""
    return to_stop.read_text(encoding="utf-8").split() if to_stop.exists() else []


def _run(job: Job, piece: Piece, together: int = 1) -> "Run":
    from framework.tracking.run import Identity, Run

    experiment, point = job.definition.experiment, piece.point
    identity = Identity(
        experiment=experiment,
        project=job.path.project,
        entity=job.path.entity,
        run_id=piece.run_id,
        name=piece.name,
        group=point.batch if point else job.definition.data.get("name"),
        tags=[experiment, point.label] if point else [experiment],
        sweep_id=job.path.id,
        swept=piece.swept,
    )
    go_on: Resume | None = "must" if piece.resume else None
    return Run(piece.config, identity, job.manager, light=True, resume=go_on, together=together)
