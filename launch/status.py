"""How far a sweep is, from the tracker alone."""

from collections import Counter

import typer

from experiments import manager_of
from framework.tracking import sweeps
from framework.tracking.ledger import Entry, Ledger, Standing
from framework.tracking.states import BEST_FIRST
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.successors import chain_of
from launch.sweeping import FAILED_AGAIN


def print_status(tracker: Tracker, path: SweepPath) -> int:
    """Print the counts by state and every failure with its reason; returns how many points failed."""
    sweep = sweeps.find(tracker, path)
    definition = sweep.definition
    chain = chain_of(tracker, sweep, manager_of(definition.experiment).config)
    ledger = chain.ledger
    typer.echo(f"{path}: {_extent(ledger)}: {', '.join(_counts(ledger))}")
    if chain.last is not sweep:
        typer.echo(f"  with what was open, and is now in {', '.join(str(part.path) for part in chain.sweeps[1:])}")
        sweep = chain.last
    if sweep.state not in sweeps.HANDS_OUT and (ledger.open or not definition.is_grid):
        typer.echo(f"  the sweep is {sweep.state.lower()}; go on with it: wandb sweep --resume {sweep.path}")
    if ledger.strangers:
        typer.echo(
            f"  {len(ledger.strangers)} runs have configs that are in no point today: the config has changed"
        )
    for entry in ledger.failed:
        _print_failure(tracker, path, entry)
    if ledger.failed and definition.is_grid:
        typer.echo(f"  once more: {FAILED_AGAIN}")
    return len(ledger.failed)


def _extent(ledger: Ledger) -> str:
    if ledger.definition.is_grid:
        return f"{ledger.total} points"
    return f"{len(ledger.entries)} points so far, no end" if ledger.total is None else f"{ledger.total} points"


def _counts(ledger: Ledger) -> list[str]:
    """Every point once, by the state of the run that speaks for it; then those that wait."""
    states = Counter(_state(entry) for entry in ledger.entries if entry.attempts)
    known = [state for state in BEST_FIRST if states[state]]
    shown = [f"{states[state]} {state}" for state in [*known, *sorted(states.keys() - set(known))]]
    waiting = 0 if ledger.total is None else ledger.total - sum(states.values())
    if waiting:
        shown.append(f"{waiting} {'waiting' if ledger.definition.is_grid else 'to draw'}")
    return shown


def _state(entry: Entry) -> str:
    """The state of the run that speaks for a point. One that goes on after an interruption is no failure."""
    if entry.standing is Standing.OPEN and entry.last is not None:
        return f"{entry.last.cause} and open"
    states = [attempt.state for attempt in entry.attempts]
    return min(states, key=lambda state: BEST_FIRST.index(state) if state in BEST_FIRST else len(BEST_FIRST))


def _print_failure(tracker: Tracker, path: SweepPath, entry: Entry) -> None:
    run = entry.last
    if run is None:
        return
    times = f" ({len(entry.attempts)} runs)" if len(entry.attempts) > 1 else ""
    typer.echo(f"  {run.state} {entry.name}: {run.reason}{times}")
    typer.echo(f"    {tracker.url}/{path.entity}/{path.project}/runs/{run.run_id}")
