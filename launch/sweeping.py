"""Which sweep of the tracker a command means, what is open in it, and what becomes of it.

An equal sweep is one whose planned pieces of work are equal, typed as the experiment's config types them, and all
of whose runs were made by configs of the plan. This module does not know how points are worked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.console import Console

from experiments import manager_of
from framework.config import Config, canonical_json
from framework.definition import Definition, read_file
from framework.errors import DefinitionError, InvalidInput, Problem, RunsFailed, SweepClosed, TrackerError
from framework.manager import Manager
from framework.plan import Difference, Point, difference, plan, required
from framework.tracking import making, remote_runs, stale, sweeps
from framework.tracking.ledger import Ledger, Standing, attempts_of, ledger_of, read_ledger
from framework.tracking.sweeps import Sweep, SweepPath, home_of, parse_path
from framework.tracking.tracker import Tracker
from launch import local, successors
from launch.successors import Chain, chain_of
from launch.words import counted, points_open

RULES = ("method", "run_cap", "early_terminate")
"""What else must be equal in two sweeps: how many points are handed out, and when they are stopped."""
OPEN_AGAIN = "work what is open in a sweep of its own: sashiko sweep FILE --open"
SAME_AGAIN = "the same command again goes on"
FAILED_AGAIN = "sashiko sweep FILE --failed"
"""What works failed points of a grid again."""


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


class Chosen(NamedTuple):
    """The sweep to work for a file, a sentence that says which it is, and the one whose rest it is, if any."""

    path: SweepPath
    told: str
    first: SweepPath | None = None


def choose(
    tracker: Tracker,
    definition: Definition,
    points: Sequence[Point],
    project: str,
    *,
    new: bool,
    failed: bool = False,
    only_open: bool = False,
) -> Chosen:
    """The sweep to work for a file, made if there is no equal one.

    Points that failed for want of a requirement are opened again, and all `failed` ones if so asked. A stopped or
    paused sweep is resumed where points are open. With `only_open` what is open becomes a new sweep.

    Raises:
        SweepClosed: the equal sweep was cancelled while points were open.
        DefinitionError: `only_open`, and the file is no grid.
    """
    if only_open and not definition.is_grid:
        message = f"is {definition.method!r}; only the open points of a grid can be listed: leave --open out"
        raise DefinitionError([Problem("method", message)], definition.where)
    config = manager_of(definition.experiment).config
    entity, project = home_of(tracker, definition, project)
    match, other = (None, None) if new else find_equal(tracker, definition, points, config, (entity, project))
    if match is None:
        path = sweeps.create(tracker, definition.text(), entity, project).path
        told = f"; {other.sweep.path} of the same name differs: {other.difference}" if other else ""
        return Chosen(path, f"made sweep {path}{told}")
    chain = chain_of(tracker, match.sweep, config)
    called = match.sweep.definition.data.get("name")
    if called != definition.data.get("name"):
        typer.echo(f"{match.sweep.path} has the same points under the name {called!r}; --new makes one of its own")
    if only_open and reopen(tracker, chain.ledger, every=failed):
        chain = chain_of(tracker, match.sweep, config)
    if only_open and chain.ledger.open:
        return _succeed(tracker, chain)
    return _go_on(tracker, chain, failed=failed)


def refuse_stale(
    tracker: Tracker, definition: Definition, manager: Manager[Any], points: Sequence[Point], project: str
) -> None:
    """Refuse a sweep before it is made, if stale artifacts are refused and one of what it requires is stale.

    Raises:
        RequirementFailed: with the artifact and why it is stale.
    """
    if stale.policy() is stale.Policy.REFUSE:
        home = "/".join(home_of(tracker, definition, project))
        for work in required(manager.requires, (point.work for point in points)):
            making.latest(tracker, home, work.identity)


def _succeed(tracker: Tracker, chain: Chain) -> Chosen:
    """Make a sweep of what is open; the one before it hands out no more, so that nothing is worked twice."""
    before, first = chain.last, chain.sweeps[0].path
    if before.state in (*sweeps.HANDS_OUT, sweeps.PAUSED):
        sweeps.set_state(tracker, before.key, sweeps.FINISHED)
    text = successors.successor(chain).text()
    path = sweeps.create(tracker, text, first.entity, first.project).path
    return Chosen(path, f"made sweep {path} of what is open in {before.path}", first)


def _go_on(tracker: Tracker, chain: Chain, *, failed: bool) -> Chosen:
    sweep, first = chain.last, chain.sweeps[0]
    after = None if sweep is first else first.path
    what = f"sweep {sweep.path}" + ("" if after is None else f", which has what was open in {after}")
    grid = chain.ledger.definition.is_grid
    open_before = len(chain.open_in_last) if grid else chain.ledger.count(Standing.OPEN)
    if open_before and sweep.state not in sweeps.HANDS_OUT:
        _refuse_cancelled(sweep, open_before)
    again = reopen(tracker, chain.ledger, every=failed)
    told = f", {counted(again, 'failed point')} anew" if again else ""
    if not open_before + again or sweep.state in sweeps.HANDS_OUT:
        return Chosen(sweep.path, f"going on with {what}{told}", after)
    if sweep.state != sweeps.PAUSED and not grid:  # what ended it may have been its target
        return Chosen(sweep.path, f"going on with {what}", after)
    sweeps.set_state(tracker, sweep.key, sweeps.RUNNING)
    if not open_before:
        return Chosen(sweep.path, f"going on with {what}{told}", after)
    was = "paused" if sweep.state == sweeps.PAUSED else "stopped"
    return Chosen(sweep.path, f"resumed {what}, which was {was} with {points_open(open_before)}{told}", after)


def reopen(tracker: Tracker, ledger: Ledger, *, every: bool) -> int:
    """Open points of a grid again that failed for want of a requirement, or `every` failed one; how many.

    Their last runs are deleted, which is how W&B opens a point again. Artifacts stay.
    """
    last = [entry.last for entry in ledger.failed if entry.last is not None]
    chosen = [run for run in last if every or run.lacked_requirement] if ledger.definition.is_grid else []
    for run in chosen:
        remote_runs.delete(tracker, run.key)
    return len(chosen)


def _refuse_cancelled(sweep: Sweep, count: int) -> None:
    if sweep.state == sweeps.CANCELED:
        raise SweepClosed(
            f"sweep {sweep.path} was cancelled with {points_open(count)}; go on with it: "
            f"wandb sweep --resume {sweep.path} (wandb.ai refuses that), or {OPEN_AGAIN}"
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


def work(tracker: Tracker, path: SweepPath, workers: int, first: SweepPath | None = None) -> int:
    """Work a sweep until it hands out no more, and say how it ended; the exit code of the workers.

    `first`: the sweep whose successor it is; what has ended is counted over both.

    Raises:
        RunsFailed: runs failed, now or before, or points are open that nobody is given.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    ledger = _whole(tracker, first or path)
    failed, total = len(ledger.failed), ledger.total
    ended = ledger.count(Standing.DONE) + failed
    again = f"; once more: {FAILED_AGAIN}" if definition.is_grid else ""
    if ended == total or (sweep.state not in sweeps.HANDS_OUT and not definition.is_grid):
        extent = f"{ended} of {total}" if total is not None else str(ended)
        over = "" if ended == total else f"; the sweep is over, to go on: wandb sweep --resume {path}"
        typer.echo(f"nothing to run: {extent} runs have ended, {failed} of them failed{over}")
        if failed:
            raise RunsFailed(f"{failed} of {total} runs failed; see: sashiko status {path}{again}")
        return 0
    tally = local.work(str(path), workers, total=total, done=ended, console=Console(stderr=True))
    stopped = f"{tally.stopped} stopped early, " if tally.stopped else ""
    back = f"{tally.given_back} given back, " if tally.given_back else ""
    typer.echo(
        f"{counted(tally.finished, 'run')} finished, {stopped}{back}{len(tally.failed)} failed, "
        f"{counted(tally.made, 'required artifact')} made"
    )
    if tally.killed:
        raise RunsFailed(
            f"the workers were killed by signal {-tally.exit_code}; what they held is free when its lease runs "
            f"out. Go on with: sashiko agents {path}, or the same command again"
        )
    if tally.interrupted:
        typer.echo(f"interrupted; go on with: sashiko agents {path}, or the same command again")
    elif tally.failed:
        raise RunsFailed(f"{counted(len(tally.failed), 'run')} failed; see: sashiko status {path}{again}")
    elif not tally.exit_code:
        _tell_rest(tracker, path, first or path, idle=not (tally.finished or tally.stopped))
    return tally.exit_code


def _whole(tracker: Tracker, path: SweepPath) -> Ledger:
    """The ledger of a sweep and its successors."""
    sweep = sweeps.find(tracker, path)
    return chain_of(tracker, sweep, manager_of(sweep.definition.experiment).config).ledger


def _tell_rest(tracker: Tracker, path: SweepPath, first: SweepPath, *, idle: bool) -> None:
    """Say what is left of a grid when its workers have gone home; `idle`: they were given nothing."""
    sweep = sweeps.find(tracker, path)
    if not sweep.definition.is_grid:
        return
    ledger = _whole(tracker, first)
    count, held = len(ledger.open), ledger.count(Standing.HELD)
    if count and sweep.state == sweeps.CANCELED:
        raise RunsFailed(f"{path} was cancelled with {points_open(count)}; {OPEN_AGAIN}")
    if count:
        again = idle or successors.never_again(ledger.open)
        raise RunsFailed(
            f"{path}: {points_open(count)}, and the tracker hands out no more (it is {sweep.state.lower()}); "
            + (f"what dead workers held it does not hand out again: {OPEN_AGAIN}" if again else SAME_AGAIN)
        )
    if held:
        typer.echo(f"{counted(held, 'run')} of other agents at work")
