"""sashiko rerun: points of a grid once more, those that failed or those that are named.

In the same sweep, where its tracker adds runs to one; elsewhere in a successor, which is read together with it.
"""

from collections.abc import Sequence

import typer

from experiments import manager_of
from framework.errors import ConfigError, DefinitionError, Problem, SweepClosed
from framework.tracking import sweeps
from framework.tracking.ledger import Entry, Standing
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import again
from launch.successors import Chain, chain_of, head_of, successor
from launch.sweeping import Chosen
from launch.words import counted


def rerun(tracker: Tracker, path: SweepPath, indices: Sequence[int] | None) -> Chosen | None:
    """Have the points with these indices worked once more, or those that failed (None); the sweep to work.

    None where nothing has failed, and nothing waits to be worked once more. Runs that there are stay as they are.

    Raises:
        DefinitionError: the sweep is no grid.
        ConfigError: an index is out of range, or its point is held or was never worked.
        SweepClosed: the sweep was cancelled.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    sweep = head_of(tracker, sweeps.find(tracker, path))
    path, definition = sweep.path, sweep.definition
    if not definition.is_grid:
        message = f"is {definition.method!r}; only points of a grid can be worked once more"
        raise DefinitionError([Problem("method", message)], str(path))
    chain = chain_of(tracker, sweep, manager_of(definition.experiment).config)
    entries = chain.ledger.failed if indices is None else _named(chain, indices)
    queued = [] if entries else chain.ledger.queued
    if not entries and not queued:
        return None
    if chain.last.state == sweeps.CANCELED:
        raise SweepClosed(
            f"{chain.last.path} was cancelled; go on with it: wandb sweep --resume {chain.last.path}"
        )
    first = None if chain.last is sweep else path
    if queued:
        return Chosen(
            chain.last.path, f"{counted(len(queued), 'point')} in {chain.last.path} waiting already", first
        )
    told = counted(len(entries), "point")
    if any(run.cause is None and not run.waits for entry in chain.ledger.entries for run in entry.attempts):
        typer.echo(
            "note: workers that are at work go on with the code that they were started with, and take such points "
            "too; for the code of now alone cancel their jobs first",
            err=True,
        )
    if again.add(tracker, chain, entries):
        return Chosen(chain.last.path, f"{told} once more in {chain.last.path}", first)
    made = sweeps.create(tracker, successor(chain, entries).text(), path.entity, path.project).path
    return Chosen(made, f"{told} once more in sweep {made}: this tracker adds no runs to {path}", path)


def _named(chain: Chain, indices: Sequence[int]) -> list[Entry]:
    entries = chain.ledger.entries
    problems = [
        Problem(f"--points {index}", f"is out of range; allowed: 0 to {len(entries) - 1}")
        for index in indices
        if not 0 <= index < len(entries)
    ]
    chosen = [entries[index] for index in indices if 0 <= index < len(entries)]
    problems += [
        Problem(f"--points {entry.point.index}", f"({entry.name}) {why}; leave it out")
        for entry in chosen
        if entry.point and (why := _why_not(entry))
    ]
    if problems:
        raise ConfigError(problems)
    return chosen


def _why_not(entry: Entry) -> str:
    """Why a point need not be worked once more; nothing if it may be."""
    if entry.is_queued:
        return "waits to be worked once more already"
    waiting = {Standing.HELD: "is being worked on", Standing.OPEN: "is open, and will be worked anyway"}
    return waiting.get(entry.standing, "")


def indices_of(text: str) -> list[int]:
    """The indices that `3,7-9` means, in order.

    Raises:
        ConfigError: it means none.
    """
    found: set[int] = set()
    problems = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.isdigit() for end in ends) or int(ends[0]) > int(ends[1]):
            problems.append(Problem("--points", f"is {part.strip()!r}; write indices and ranges: 3,7-9"))
        else:
            found |= set(range(int(ends[0]), int(ends[1]) + 1))
    if problems:
        raise ConfigError(problems)
    return sorted(found)
