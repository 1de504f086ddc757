"""How far a sweep is, from the tracker alone."""

from collections import Counter

import typer

from framework.definition import Definition
from framework.tracking import sweeps
from framework.tracking.sweeps import RunState, SweepPath
from framework.tracking.tracker import Tracker

FAILED = ("failed", "crashed", "killed")
ENDED = ("finished", *FAILED)
LOST = ("crashed", "preempted")
# A point that was handed out again is as far as its best run.
BEST_FIRST = ("finished", "running", "pending", "preempting", "preempted", *FAILED)


def counts(tracker: Tracker, path: SweepPath) -> tuple[int | None, int, int]:
    """Points in all (None without an end), points that have ended, and how many of those failed."""
    definition = sweeps.definition_of(tracker, path)
    states = Counter(_state(runs) for runs in _by_point(tracker, path, definition))
    ended, failed = (sum(states[state] for state in which) for which in (ENDED, _failures(definition)))
    return definition.size(), ended, failed


def print_status(tracker: Tracker, path: SweepPath) -> int:
    """Print the counts by state and every failure with its reason; returns how many points failed."""
    definition = sweeps.definition_of(tracker, path)
    by_point = _by_point(tracker, path, definition)
    states = Counter(_state(runs) for runs in by_point)
    shown = [f"{states[state]} {state}" for state in BEST_FIRST if states[state]]
    total = definition.size()
    if total is None:
        extent = f"{sum(states.values())} points so far, no end"
    else:
        waiting = total - sum(states.values())
        extent = f"{total} points"
        shown += [f"{waiting} {'waiting' if definition.is_grid else 'to draw'}"] if waiting else []
    typer.echo(f"{path}: {extent}: " + ", ".join(shown))
    failed = [runs[-1] for runs in by_point if _state(runs) in _failures(definition)]
    for run in failed:
        reason = run.error or "no reason recorded: it stopped without ending its run"
        typer.echo(f"  {run.state} {run.name}: {reason}")
        typer.echo(f"    {tracker.url}/{path.entity}/{path.project}/runs/{run.id}")
    return len(failed)


def _by_point(tracker: Tracker, path: SweepPath, definition: Definition) -> list[list[RunState]]:
    """The runs of each point, told by config id; a run that never got so far stands for itself.

    Drawn points can be equal. So there only lost runs go with a later one of the same config.
    """
    found: dict[str, list[RunState]] = {}
    for run in sweeps.run_states(tracker, path):
        key = run.config_id or run.id
        lost_before = all(other.state in LOST for other in found.get(key, []))
        found.setdefault(key if definition.is_grid or lost_before else run.id, []).append(run)
    return list(found.values())


def _failures(definition: Definition) -> tuple[str, ...]:
    """The states of runs that failed. Where runs are stopped early, one that was killed did its part."""
    return tuple(state for state in FAILED if state != "killed" or "early_terminate" not in definition.data)


def _state(runs: list[RunState]) -> str:
    return min((run.state for run in runs), key=lambda s: BEST_FIRST.index(s) if s in BEST_FIRST else 99)
