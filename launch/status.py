"""How far a sweep is, from the tracker alone."""

from collections import Counter
from typing import Any

import typer

from framework.definition import read
from framework.errors import TrackerError

ENDED = ("finished", "failed", "crashed", "killed")
FAILED = ("failed", "crashed", "killed")
LOG_LINES = 3


def counts(path: str) -> tuple[int, int, int]:
    """Points in all, points that have ended, and how many of those failed."""
    total, runs = _read(path)
    states = Counter(_state_of_point(group) for group in runs.values())
    return total, sum(states[state] for state in ENDED), sum(states[state] for state in FAILED)


def _read(path: str) -> tuple[int, dict[str, list[Any]]]:
    """The number of points, and the runs of each point by config id."""
    import wandb

    project_path, sweep_id = path.rsplit("/", 1)
    api = wandb.Api()
    try:
        definition = read(api.sweep(path)._attrs["config"], path)  # type: ignore[no-untyped-call]
        found = list(
            api.runs(project_path, filters={"sweep": sweep_id}, per_page=500, order="+created_at", lazy=False)
        )
    except (ValueError, wandb.Error) as error:
        raise TrackerError(f"the sweep {path} cannot be read: {error}") from error
    by_point: dict[str, list[Any]] = {}
    for run in found:
        identity = (run.config.get("sashiko") or {}).get("config_id") or run.id
        by_point.setdefault(identity, []).append(run)
    return definition.size(), by_point


def _state_of_point(runs: list[Any]) -> str:
    """A point that was handed out again is as far as its best run."""
    states = [str(run.state) for run in runs]
    return next((s for s in ("finished", "running", "pending", *FAILED) if s in states), states[-1])


def print_status(path: str) -> int:
    """Print the counts by state and every failure with its reason; returns how many points failed."""
    total, by_point = _read(path)
    states = Counter(_state_of_point(runs) for runs in by_point.values())
    waiting = total - sum(states.values())
    shown = [f"{count} {state}" for state, count in sorted(states.items())]
    typer.echo(f"{path}: {total} points: " + ", ".join([*shown, f"{waiting} waiting"] if waiting else shown))
    failed = [runs[-1] for runs in by_point.values() if _state_of_point(runs) in FAILED]
    for run in failed:
        reason = run.summary.get("error") or "no reason recorded: it stopped without ending its run"
        typer.echo(f"  {run.state} {run.name} ({run.url}): {reason}")
    return len(failed)
