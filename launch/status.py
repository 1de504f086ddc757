"""How far a sweep is, from the tracker alone."""

from collections import Counter

import typer

from framework.tracking import sweeps
from framework.tracking.sweeps import RunState, SweepPath
from framework.tracking.tracker import Tracker

FAILED = ("failed", "crashed", "killed")
ENDED = ("finished", *FAILED)
# A point that was handed out again is as far as its best run.
BEST_FIRST = ("finished", "running", "pending", "preempting", "preempted", *FAILED)


def counts(tracker: Tracker, path: SweepPath) -> tuple[int, int, int]:
    """Points in all, points that have ended, and how many of those failed."""
    total = sweeps.definition_of(tracker, path).size()
    states = Counter(_state(runs) for runs in _by_point(tracker, path).values())
    return total, sum(states[state] for state in ENDED), sum(states[state] for state in FAILED)


def print_status(tracker: Tracker, path: SweepPath) -> int:
    """Print the counts by state and every failure with its reason; returns how many points failed."""
    total = sweeps.definition_of(tracker, path).size()
    by_point = _by_point(tracker, path)
    states = Counter(_state(runs) for runs in by_point.values())
    waiting = total - sum(states.values())
    shown = [f"{states[state]} {state}" for state in BEST_FIRST if states[state]]
    typer.echo(f"{path}: {total} points: " + ", ".join([*shown, f"{waiting} waiting"] if waiting else shown))
    failed = [runs[-1] for runs in by_point.values() if _state(runs) in FAILED]
    for run in failed:
        reason = run.error or "no reason recorded: it stopped without ending its run"
        typer.echo(f"  {run.state} {run.name}: {reason}")
        typer.echo(f"    {tracker.url}/{path.entity}/{path.project}/runs/{run.id}")
    return len(failed)


def _by_point(tracker: Tracker, path: SweepPath) -> dict[str, list[RunState]]:
    """The runs of each point, by config id; a run that never got so far stands for itself."""
    by_point: dict[str, list[RunState]] = {}
    for run in sweeps.run_states(tracker, path):
        by_point.setdefault(run.config_id or run.id, []).append(run)
    return by_point


def _state(runs: list[RunState]) -> str:
    return min((run.state for run in runs), key=lambda s: BEST_FIRST.index(s) if s in BEST_FIRST else 99)
