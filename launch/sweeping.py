"""Which sweep of the tracker a command means, what is open in it, and what becomes of it.

An equal sweep is one whose planned pieces of work are equal, typed as the experiment's config types them, and all
of whose runs were made by configs of the plan. This module does not know how points are worked.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.console import Console

from experiments import manager_of, sweep_files
from framework.config import Config, canonical_json
from framework.definition import Definition
from framework.errors import DefinitionError, InvalidInput, Problem, RunsFailed, SweepClosed, TrackerError
from framework.manager import Manager
from framework.plan import Difference, Point, difference, plan, required
from framework.tracking import making, remote_runs, stale, sweeps
from framework.tracking.ledger import Entry, Ledger, Standing, attempts_of, ledger_of, read_ledger
from framework.tracking.sweeps import Sweep, SweepPath, home_of, parse_path
from framework.tracking.tracker import Tracker
from launch import again, elsewhere, extending, local, successors, walltime
from launch.failures import AGAIN
from launch.frozen import Code
from launch.slots import Slot
from launch.successors import Chain, chain_of
from launch.words import counted, points_open

RULES = ("method", "run_cap", "early_terminate")
"""What else must be equal in two sweeps: how many points are handed out, and when they are stopped."""
SAID = ("name", "parameters")
DRAWN_BY = ("parameters", "metric")
"""What sweeps that draw their points are told apart by; of a grid the metric is only what pages show first."""
OPEN_AGAIN = "work what is open in a sweep of its own: sashiko sweep FILE --open"
SAME_AGAIN = "the same command again goes on"


@dataclass(frozen=True)
class Match:
    """A sweep of the tracker with its successors beside a plan, and how the plan differs from what they have."""

    sweep: Sweep
    chain: Chain
    difference: Difference


def locate(tracker: Tracker, text: str, *, as_written: bool = False, by_name: bool = True) -> SweepPath:
    """The sweep that `text` means: a path of the tracker, or a sweep file that has a sweep there.

    The sweep of a file from which points are gone since is still that of the file. `as_written`: the newest that
    was made of the same words, whatever its experiment makes of them today, or else, `by_name`, the newest of the
    same name.

    Raises:
        TrackerError: no sweep was made of the file yet.
        DefinitionError: the file is invalid, or `text` is no path.
    """
    if not Path(text).is_file() and not sweep_files.may_be_brought(Path(text)):
        if Path(text).suffix in sweep_files.SUFFIXES:
            raise DefinitionError([Problem(text, "there is no such file")])
        return parse_path(text, tracker.check())
    definition = sweep_files.read(Path(text))
    entity, project = home_of(tracker, definition)
    written = _as_written(tracker, definition, (entity, project), by_name=by_name) if as_written else None
    if written is not None:
        return written
    config = manager_of(definition.experiment).config
    points = plan(config, definition) if definition.is_grid else []
    match, other = find_equal(tracker, definition, points, config, (entity, project))
    if match is None and other is not None and not (other.difference.new or other.chain.ledger.changed):
        return other.sweep.path  # the file has lost points since, which were worked, or are wanted still
    if match is None:
        told = f"; the newest of that name, {other.sweep.path}, differs: {other.difference}" if other else ""
        raise TrackerError(
            f"{entity}/{project} has no sweep of {text} yet{told}; make it with: sashiko sweep {text}"
        )
    return match.sweep.path


def _as_written(
    tracker: Tracker, definition: Definition, home: tuple[str, str], *, by_name: bool
) -> SweepPath | None:
    """The newest sweep of a project, successors apart, that says what a file says, or has its name at least."""
    named: SweepPath | None = None
    for sweep in sweeps.listed(tracker, *home):
        with contextlib.suppress(InvalidInput):
            other = sweep.definition
            if other.experiment != definition.experiment or successors.first_of(sweep) is not None:
                continue
            if _same(other, definition, (*RULES, *SAID, *(() if definition.is_grid else DRAWN_BY))):
                return sweep.path
            if by_name and definition.data.get("name") and _same(other, definition, ("name",)):
                named = named or sweep.path
    if named is not None:
        typer.echo(f"note: {named} is older than {definition.where}; sashiko sweep takes up what is new", err=True)
    return named


def find_equal(
    tracker: Tracker, definition: Definition, points: Sequence[Point], config: type[Config], home: tuple[str, str]
) -> tuple[Match | None, Match | None]:
    """The newest equal sweep of a project, and otherwise the newest of the same name, which differs.

    A sweep is taken together with its successors.
    """
    different: Match | None = None
    later: dict[str, list[Sweep]] = {}
    for sweep in sweeps.listed(tracker, *home):
        first = successors.first_of(sweep)
        if first is not None:
            later.setdefault(first, []).append(sweep)
            continue
        match = _compared(tracker, definition, points, config, sweep, later.get(sweep.path.id, []))
        if match is None:
            continue
        if match.difference.is_none:
            return match, None
        same_name = match.sweep.definition.data.get("name") == definition.data.get("name")
        different = different or (match if same_name else None)
    return None, different


def _compared(
    tracker: Tracker,
    definition: Definition,
    points: Sequence[Point],
    config: type[Config],
    sweep: Sweep,
    rest: Sequence[Sweep],
) -> Match | None:
    """A sweep beside the plan; None if it is of another experiment, or handed out by other rules."""
    try:
        other = sweep.definition
        if other.experiment != definition.experiment or not _same(other, definition, RULES):
            return None
        if not definition.is_grid:
            same = _same(other, definition, DRAWN_BY)
            chain = Chain([sweep], _ledger(tracker, sweep, other, []))
            return Match(sweep, chain, difference((), ())) if same else None
        if rest:
            chain = successors.chain_with(tracker, sweep, rest, config)
        elif _same(other, definition, ("parameters",)):
            chain = Chain([sweep], _ledger(tracker, sweep, other, points))
        elif _same(other, definition, ("name",)) or other.size() == len(points):
            chain = Chain([sweep], _ledger(tracker, sweep, other, plan(config, other)))
        else:
            return None
    except InvalidInput:
        return None
    # A run of a config that is in no plan today was made before the config changed: its point is not what it was.
    before = {attempt.config_id for attempt in chain.ledger.changed if attempt.config_id}
    before |= {
        entry.point.config_id for entry in chain.ledger.entries if entry.point and (not before or entry.attempts)
    }
    return Match(sweep, chain, difference(before, (point.config_id for point in points)))


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
    replan: bool = False,
) -> Chosen:
    """The sweep to work for a file: an equal one, the one of its name with what is new in the file, or a new one.

    Points that failed for want of a requirement are opened again, and all `failed` ones if so asked. A stopped or
    paused sweep is resumed where points are open. With `only_open` what is open becomes a new sweep. `replan`:
    what is gone from the file is worked no more.

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
    if match is None and other is not None and extending.can_be_extended(other.sweep, other.chain, definition):
        told = extending.extend(tracker, other.chain, definition, points, replan=replan)
        chosen = _go_on(tracker, chain_of(tracker, other.sweep, config), failed=failed)
        return chosen._replace(told=f"{told}; {chosen.told}")
    if match is None:
        return _make(tracker, definition, points, (entity, project), other, only_open=only_open, new=new)
    chain = chain_of(tracker, match.sweep, config)
    called = match.sweep.definition.data.get("name")
    if called != definition.data.get("name"):
        typer.echo(f"{match.sweep.path} has the same points under the name {called!r}; --new makes one of its own")
    rest = _rest(chain, every=failed) if only_open else []
    if rest:
        return _succeed(tracker, chain, rest)
    return _go_on(tracker, chain, failed=failed)


def _make(
    tracker: Tracker,
    definition: Definition,
    points: Sequence[Point],
    home: tuple[str, str],
    other: Match | None,
    *,
    only_open: bool,
    new: bool,
) -> Chosen:
    """Make a sweep of the file; with `only_open` without what other sweeps of the project have done."""
    config = manager_of(definition.experiment).config
    known = elsewhere.look(tracker, definition, () if new else points, config, home)
    left = [point for point in points if point.config_id not in known.done]
    some = only_open and known.done and left
    text = (successors.grid_of(definition, left) if some else definition).text()
    path = sweeps.create(tracker, text, *home).path
    told = f"; {other.sweep.path} of the same name differs: {other.difference}" if other else ""
    if some:
        return Chosen(path, f"made sweep {path} of {points_open(len(left))}{told}")
    return Chosen(path, f"made sweep {path}{told}{known.told(len(points))}")


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


def _succeed(tracker: Tracker, chain: Chain, entries: Sequence[Entry]) -> Chosen:
    """Make a sweep of these; the one before it hands out no more, so that nothing is worked twice."""
    before, first = chain.last, chain.sweeps[0].path
    if before.state in (*sweeps.HANDS_OUT, sweeps.PAUSED):
        sweeps.set_state(tracker, before.key, sweeps.FINISHED)
    text = successors.successor(chain, entries).text()
    path = sweeps.create(tracker, text, first.entity, first.project).path
    return Chosen(path, f"made sweep {path} of what is open in {before.path}", first)


def _rest(chain: Chain, *, every: bool) -> list[Entry]:
    """What nobody has done or holds, and what waits in vain to be worked once more."""
    ledger = chain.ledger
    waiting = [] if chain.last.state in sweeps.HANDS_OUT else ledger.queued
    wanted = {id(entry) for entry in (*ledger.open, *to_reopen(ledger, every=every), *waiting)}
    return [entry for entry in ledger.entries if id(entry) in wanted]


def _go_on(tracker: Tracker, chain: Chain, *, failed: bool) -> Chosen:
    sweep, first = chain.last, chain.sweeps[0]
    after = None if sweep is first else first.path
    what = f"sweep {sweep.path}" + ("" if after is None else f", which has what was open in {after}")
    grid = chain.ledger.definition.is_grid
    open_before = len(chain.open_in_last) + _once_more(chain.ledger) if grid else chain.ledger.count(Standing.OPEN)
    if open_before and sweep.state not in sweeps.HANDS_OUT:
        _refuse_cancelled(sweep, open_before)
    anew = reopen(tracker, chain, every=failed)
    told = f", {counted(anew, 'failed point')} anew" if anew else ""
    if not open_before + anew or sweep.state in sweeps.HANDS_OUT:
        return Chosen(sweep.path, f"going on with {what}{told}", after)
    if sweep.state != sweeps.PAUSED and not grid:  # what ended it may have been its target
        return Chosen(sweep.path, f"going on with {what}", after)
    sweeps.set_state(tracker, sweep.key, sweeps.RUNNING)
    if not open_before:
        return Chosen(sweep.path, f"going on with {what}{told}", after)
    was = "paused" if sweep.state == sweeps.PAUSED else "stopped"
    return Chosen(sweep.path, f"resumed {what}, which was {was} with {points_open(open_before)}{told}", after)


def reopen(tracker: Tracker, chain: Chain, *, every: bool) -> int:
    """Have points of a grid worked again that failed for want of a requirement, or `every` failed one; how many.

    Where the tracker adds no runs to a sweep, their last runs are deleted, which is how W&B opens a point again.
    """
    chosen = to_reopen(chain.ledger, every=every)
    if chosen and not again.add(tracker, chain, chosen):
        for entry in chosen:
            if entry.last is not None:
                remote_runs.delete(tracker, entry.last.key)
    return len(chosen)


def to_reopen(ledger: Ledger, *, every: bool) -> list[Entry]:
    """The points of a grid that failed for want of a requirement, or `every` failed one.

    Also those that a job was there for alone which is gone: their tracker took them for failed before.
    """
    if not ledger.definition.is_grid:
        return []
    failed = [entry for entry in ledger.failed if entry.last and (every or entry.last.lacked_requirement)]
    return [*failed, *(entry for entry in ledger.open if entry.last and entry.last.was_alone)]


def _once_more(ledger: Ledger) -> int:
    """How many points that are done wait to be worked once more."""
    return sum(entry.standing is Standing.DONE for entry in ledger.queued)


def _refuse_cancelled(sweep: Sweep, count: int) -> None:
    if sweep.state == sweeps.CANCELED:
        raise SweepClosed(
            f"sweep {sweep.path} was cancelled with {points_open(count)}; go on with it: "
            f"wandb sweep --resume {sweep.path} (wandb.ai refuses that), or {OPEN_AGAIN}"
        )


def newest(tracker: Tracker, path: SweepPath) -> SweepPath:
    """The sweep in which a sweep is worked now: the newest of its successors, or itself.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
    """
    return successors.parts_of(tracker, sweeps.find(tracker, path))[-1].path


def must_hand_out(tracker: Tracker, path: SweepPath, *, failed: bool = False) -> None:
    """Let pass a sweep whose points are handed out, or that has no open ones; opens failed ones as `choose` does.

    Raises:
        SweepClosed: it is paused, stopped or cancelled, and points are open; the message has the command.
    """
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    ledger = read_ledger(tracker, path, definition, manager_of(definition.experiment).config)
    ledger = successors.with_jobs(Chain([sweep], ledger)).ledger
    alone = [entry for entry in to_reopen(ledger, every=False) if entry.standing is Standing.OPEN]
    count = ledger.count(Standing.OPEN) - len(alone) + _once_more(ledger)
    hands_out = sweep.state in sweeps.HANDS_OUT
    if not hands_out and count and (definition.is_grid or sweep.state in (sweeps.PAUSED, sweeps.CANCELED)):
        _refuse_cancelled(sweep, count)
        was = "paused" if sweep.state == sweeps.PAUSED else "stopped"
        message = f"sweep {path} is {was} with {points_open(count)}; go on with it: wandb sweep --resume {path}"
        raise SweepClosed(message)
    if reopen(tracker, Chain([sweep], ledger), every=failed) and not hands_out:
        sweeps.set_state(tracker, sweep.key, sweeps.RUNNING)


def left_to_run(tracker: Tracker, path: SweepPath, first: SweepPath | None = None) -> Ledger | None:
    """What a sweep still has to run, with what has ended; None, and a line that says so, if nothing is left.

    Raises:
        RunsFailed: nothing is left, and runs have failed.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    sweep = sweeps.find(tracker, path)
    is_grid = sweep.definition.is_grid
    ledger, hands_out = whole(tracker, first or path), sweep.state in sweeps.HANDS_OUT
    if first and hands_out and not ledger.count(Standing.OPEN):  # points that have ended, once more in a successor
        ledger = whole(tracker, path)
    failed, total = len(ledger.failed), ledger.total
    ended = ledger.count(Standing.DONE) + failed
    if (ended != total or ledger.is_under_way) and (hands_out or is_grid):
        return ledger
    extent = f"{ended} of {total}" if total is not None else str(ended)
    over = "" if ended == total else f"; the sweep is over, to go on: wandb sweep --resume {path}"
    typer.echo(f"nothing to run: {extent} runs have ended, {failed} of them failed{over}")
    if failed:
        once_more = f"; once more: {AGAIN.format(sweep=first or path)}" if is_grid else ""
        raise RunsFailed(f"{failed} of {total} runs failed; see: sashiko status {first or path}{once_more}")
    return None


def work(
    tracker: Tracker,
    path: SweepPath,
    slots: Sequence[Slot],
    first: SweepPath | None = None,
    idle_s: float | None = None,
    code: Code | None = None,
) -> int:
    """Work a sweep until it hands out no more, and say how it ended; the exit code of the workers.

    `first`: the sweep whose successor it is; what has ended is counted over both. `idle_s` as in `job.Job`,
    `code` as in `local.work`.

    Raises:
        RunsFailed: runs failed, now or before, or points are open that nobody is given.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    ledger = left_to_run(tracker, path, first)
    if ledger is None:
        return 0
    total = ledger.total
    ended = ledger.count(Standing.DONE) + len(ledger.failed)
    once_more = f"; once more: {AGAIN.format(sweep=first or path)}" if ledger.definition.is_grid else ""
    console = Console(stderr=True)
    tally = local.work(str(path), slots, total=total, done=ended, console=console, idle_s=idle_s, code=code)
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
    if tally.exit_code == walltime.LEAVES:
        typer.echo(f"left early; go on with: sashiko agents {path}")
        return tally.exit_code
    if tally.interrupted:
        typer.echo(f"interrupted; go on with: sashiko agents {path}, or the same command again")
    elif tally.failed:
        told = f"{counted(len(tally.failed), 'run')} failed; see: sashiko status {first or path}"
        raise RunsFailed(f"{told}{once_more}")
    elif not tally.exit_code:
        _tell_rest(tracker, path, first or path, idle=not (tally.finished or tally.stopped))
    return tally.exit_code


def tell_end(tracker: Tracker, path: SweepPath) -> None:
    """Say how far a sweep is when the agents that somebody else ran have gone.

    Raises:
        RunsFailed: runs failed, or points are open that nobody is given.
    """
    ledger = whole(tracker, path)
    failed, done = len(ledger.failed), ledger.count(Standing.DONE)
    extent = str(done) if ledger.total is None else f"{done} of {ledger.total}"
    typer.echo(f"{extent} runs finished, {failed} failed")
    if failed:
        once_more = f"; once more: {AGAIN.format(sweep=path)}" if ledger.definition.is_grid else ""
        raise RunsFailed(f"{counted(failed, 'run')} failed; see: sashiko status {path}{once_more}")
    _tell_rest(tracker, path, path, idle=False)


def whole(tracker: Tracker, path: SweepPath) -> Ledger:
    """The ledger of a sweep and its successors."""
    return _chain(tracker, path).ledger


def _chain(tracker: Tracker, path: SweepPath) -> Chain:
    sweep = sweeps.find(tracker, path)
    return chain_of(tracker, sweep, manager_of(sweep.definition.experiment).config)


def _tell_rest(tracker: Tracker, path: SweepPath, first: SweepPath, *, idle: bool) -> None:
    """Say what is left of a grid when its workers have gone home; `idle`: they were given nothing."""
    sweep = sweeps.find(tracker, path)
    if not sweep.definition.is_grid:
        return
    chain = _chain(tracker, first)
    ledger = chain.ledger
    count, held = len(ledger.open), ledger.count(Standing.HELD)
    if count and sweep.state == sweeps.CANCELED:
        raise RunsFailed(f"{path} was cancelled with {points_open(count)}; {OPEN_AGAIN}")
    if count:
        left_behind = len(chain.open_in_last) < count  # in a sweep before it, which nobody works any more
        again = idle or left_behind or successors.never_again(ledger.open)
        raise RunsFailed(
            f"{path}: {points_open(count)}, and the tracker hands out no more (it is {sweep.state.lower()}); "
            + (f"what dead workers held it does not hand out again: {OPEN_AGAIN}" if again else SAME_AGAIN)
        )
    if held:
        typer.echo(f"{counted(held, 'run')} of other agents at work")
