"""Which sweep of the tracker a command means, what is open in it, and what becomes of it.

An equal sweep is one whose planned pieces of work are equal, typed as the experiment's config types them, and all
of whose runs were made by configs of the plan. This module does not know how points are worked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from experiments import manager_of
from framework.config import Config, canonical_json
from framework.definition import Definition, read_file
from framework.errors import InvalidInput, RunsFailed, SweepClosed, TrackerError
from framework.plan import Difference, Point, difference, plan
from framework.tracking import runs, sweeps
from framework.tracking.ledger import Ledger, Standing, attempts_of, ledger_of, read_ledger
from framework.tracking.sweeps import Sweep, SweepPath, home_of, parse_path
from framework.tracking.tracker import Tracker
from launch import local
from launch.words import counted, points_open

RULES = ("method", "run_cap", "early_terminate")
"""What else must be equal in two sweeps: how many points are handed out, and when they are stopped."""


@dataclass(frozen=True)
class Match:
    """A sweep of the tracker beside a plan: its ledger, and how the plan differs from it."""

    sweep: Sweep
    ledger: Ledger
    difference: Difference


def locate(tracker: Tracker, text: str) -> SweepPath:
    """The sweep that `text` means: a path of the tracker, or a sweep file that has a sweep there.

    Raises:
        TrackerError: no sweep was made of the file yet.
        DefinitionError: the file is invalid, or `text` is no path.
    """
    if not Path(text).is_file():
        return parse_path(text, tracker.check())
    definition = read_file(Path(text))
    entity, project = home_of(tracker, definition)
    config = manager_of(definition.experiment).config
    points = plan(config, definition) if definition.is_grid else []
    match, other = find_equal(tracker, definition, points, config, (entity, project))
    if match is None:
        told = f"; the newest of that name, {other.sweep.path}, differs: {other.difference}" if other else ""
        raise TrackerError(
            f"{entity}/{project} has no sweep of {text} yet{told}; make it with: sashiko sweep {text}"
        )
    return match.sweep.path


def find_equal(
    tracker: Tracker, definition: Definition, points: Sequence[Point], config: type[Config], home: tuple[str, str]
) -> tuple[Match | None, Match | None]:
    """The newest equal sweep of a project, and otherwise the newest of the same name, which differs."""
    different: Match | None = None
    for sweep in sweeps.listed(tracker, *home):
        match = _compared(tracker, definition, points, config, sweep)
        if match is None:
            continue
        if match.difference.is_none:
            return match, None
        same_name = match.ledger.definition.data.get("name") == definition.data.get("name")
        different = different or (match if same_name else None)
    return None, different


def _compared(
    tracker: Tracker, definition: Definition, points: Sequence[Point], config: type[Config], sweep: Sweep
) -> Match | None:
    """A sweep beside the plan; None if it is of another experiment, or handed out by other rules."""
    try:
        other = sweep.definition
        if other.experiment != definition.experiment or not _same(other, definition, RULES):
            return None
        if not definition.is_grid:
            same = _same(other, definition, ("parameters", "metric"))
            return Match(sweep, _ledger(tracker, sweep, other, []), difference((), ())) if same else None
        if _same(other, definition, ("parameters",)):
            others = list(points)
        elif _same(other, definition, ("name",)) or other.size() == len(points):
            others = plan(config, other)
        else:
            return None
    except InvalidInput:
        return None
    ledger = _ledger(tracker, sweep, other, others)
    # A run of a config that is in no plan today was made before the config changed: its point is not what it was.
    before = {attempt.config_id for attempt in ledger.strangers if attempt.config_id}
    before |= {p.config_id for p in others if not before or ledger.entries[p.index].attempts}
    return Match(sweep, ledger, difference(before, (point.config_id for point in points)))


def _same(one: Definition, other: Definition, keys: Sequence[str]) -> bool:
    """Whether two definitions say the same under these keys, type for type: 0 is not false there."""
    return all(canonical_json(one.data.get(key)) == canonical_json(other.data.get(key)) for key in keys)


def _ledger(tracker: Tracker, sweep: Sweep, definition: Definition, points: Sequence[Point]) -> Ledger:
    path = sweep.path
    return ledger_of(definition, points, attempts_of(tracker, path.entity, path.project, {"sweep": path.id}))


def choose(
    tracker: Tracker,
    definition: Definition,
    points: Sequence[Point],
    project: str,
    *,
    new: bool,
    failed: bool = False,
) -> tuple[SweepPath, str]:
    """The sweep to work for a file, made if there is no equal one, and a sentence that says which it is.

    Points that failed for want of a requirement are opened again, and all `failed` ones if so asked. A stopped or
    paused sweep is resumed where points are open.

    Raises:
        SweepClosed: the equal sweep was cancelled while points were open.
    """
    config = manager_of(definition.experiment).config
    entity, project = home_of(tracker, definition, project)
    match, other = (None, None) if new else find_equal(tracker, definition, points, config, (entity, project))
    if match is None:
        path = sweeps.create(tracker, definition.text(), entity, project).path
        told = f"; {other.sweep.path} of the same name differs: {other.difference}" if other else ""
        return path, f"made sweep {path}{told}"
    path, state = match.sweep.path, match.sweep.state
    open_before = match.ledger.count(Standing.OPEN)
    if open_before and state not in sweeps.HANDS_OUT:
        _refuse_cancelled(match.sweep, open_before)
    again = reopen(tracker, match.ledger, every=failed)
    told = f", {counted(again, 'failed point')} anew" if again else ""
    if not open_before + again or state in sweeps.HANDS_OUT:
        return path, f"going on with sweep {path}{told}"
    if state != sweeps.PAUSED and not definition.is_grid:  # what ended it may have been its target
        return path, f"going on with sweep {path}"
    sweeps.set_state(tracker, match.sweep.key, sweeps.RUNNING)
    if not open_before:
        return path, f"going on with sweep {path}{told}"
    was = "paused" if state == sweeps.PAUSED else "stopped"
    return path, f"resumed sweep {path}, which was {was} with {points_open(open_before)}{told}"


def reopen(tracker: Tracker, ledger: Ledger, *, every: bool) -> int:
    """Open points of a grid again that failed for want of a requirement, or `every` failed one; how many.

    Their last runs are deleted, which is how W&B opens a point again. Artifacts stay.
    """
    last = [entry.last for entry in ledger.failed if entry.last is not None]
    chosen = [run for run in last if every or run.lacked_requirement] if ledger.definition.is_grid else []
    for run in chosen:
        runs.delete(tracker, run.key)
    return len(chosen)


def _refuse_cancelled(sweep: Sweep, count: int) -> None:
    if sweep.state == sweeps.CANCELED:
        raise SweepClosed(
            f"sweep {sweep.path} was cancelled with {points_open(count)}; go on with it: "
            f"wandb sweep --resume {sweep.path}, or start another one: sashiko sweep FILE --new"
        )


def must_hand_out(tracker: Tracker, path: SweepPath, *, failed: bool = False) -> None:
    """Let pass a sweep whose points are handed out, or that has no open ones; opens failed ones as `choose` does.

    Raises:
        SweepClosed: it is paused, stopped or cancelled, and points are open; the message has the command.
    """
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    ledger = read_ledger(tracker, path, definition, manager_of(definition.experiment).config)
    count = ledger.count(Standing.OPEN)
    hands_out = sweep.state in sweeps.HANDS_OUT
    if not hands_out and count and (definition.is_grid or sweep.state in (sweeps.PAUSED, sweeps.CANCELED)):
        _refuse_cancelled(sweep, count)
        was = "paused" if sweep.state == sweeps.PAUSED else "stopped"
        message = f"sweep {path} is {was} with {points_open(count)}; go on with it: wandb sweep --resume {path}"
        raise SweepClosed(message)
    if reopen(tracker, ledger, every=failed) and not hands_out:
        sweeps.set_state(tracker, sweep.key, sweeps.RUNNING)


def work(tracker: Tracker, path: SweepPath, workers: int) -> int:
    """Work a sweep until it hands out no more, and say how it ended; the exit code of the workers.

    Raises:
        RunsFailed: runs failed, now or before, or points are open that nobody is given.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    ledger = read_ledger(tracker, path, definition, manager_of(definition.experiment).config)
    failed, total = len(ledger.failed), ledger.total
    ended = ledger.count(Standing.DONE) + failed
    if ended == total or (sweep.state not in sweeps.HANDS_OUT and not definition.is_grid):
        extent = f"{ended} of {total}" if total is not None else str(ended)
        over = "" if ended == total else f"; the sweep is over, to go on: wandb sweep --resume {path}"
        typer.echo(f"nothing to run: {extent} runs have ended, {failed} of them failed{over}")
        if failed:
            raise RunsFailed(f"{failed} of {total} runs failed; see: sashiko status {path}")
        return 0
    tally = local.work(str(path), workers, total=total, done=ended, console=Console(stderr=True))
    stopped = f"{tally.stopped} stopped early, " if tally.stopped else ""
    back = f"{tally.given_back} given back, " if tally.given_back else ""
    typer.echo(
        f"{counted(tally.finished, 'run')} finished, {stopped}{back}{len(tally.failed)} failed, "
        f"{counted(tally.made, 'required artifact')} made"
    )
    if tally.interrupted:
        typer.echo(f"interrupted; go on with: sashiko agents {path}, or the same command again")
    elif tally.failed:
        raise RunsFailed(f"{counted(len(tally.failed), 'run')} failed; see: sashiko status {path}")
    elif not tally.exit_code:
        _tell_rest(tracker, path)
    return tally.exit_code


def _tell_rest(tracker: Tracker, path: SweepPath) -> None:
    """Say what is left of a grid when its workers have gone home."""
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    if not definition.is_grid:
        return
    ledger = read_ledger(tracker, path, definition, manager_of(definition.experiment).config)
    count, held = len(ledger.open), ledger.count(Standing.HELD)
    if count and sweep.state == sweeps.CANCELED:
        typer.echo(f"the sweep was cancelled with {points_open(count)}")
    elif count:
        raise RunsFailed(
            f"{path}: {points_open(count)}, and the tracker hands out no more (it is {sweep.state.lower()}); "
            "the same command again goes on"
        )
    if held:
        typer.echo(f"{counted(held, 'run')} of other agents at work")
