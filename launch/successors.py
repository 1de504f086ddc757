"""Successor sweeps: what is open of a grid, handed out by a sweep of its own, and all of them read as one ledger.

Some trackers never hand out again what a dead worker held (wandb.ai does not). Then what is open becomes a new
sweep, a grid whose points are listed, and whose description says of which sweep it is the rest. What is added to a
grid becomes one too, where the tracker does not change the points of a sweep.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from framework.config import Config, canonical, canonical_json
from framework.definition import COUPLED, Definition
from framework.errors import ClusterError, InvalidInput
from framework.plan import Point, plan
from framework.tracking import sweeps
from framework.tracking.ledger import Entry, Ledger, Standing, attempts_of, ledger_of, read_ledger
from framework.tracking.states import Cause
from framework.tracking.sweeps import Sweep
from framework.tracking.tracker import Tracker
from launch import direct, slurm

MARK_WORDS = "what was open in sweep"
MARK = re.compile(rf"{MARK_WORDS} (\w+)")
WITHDRAWN = "in place of"
"""Before these words: what was open and is not in this sweep was withdrawn."""


@dataclass(frozen=True)
class Chain:
    """A sweep, its successors, oldest first, and the ledger of all their runs over the points of all of them."""

    sweeps: Sequence[Sweep]
    ledger: Ledger
    ids_of_last: frozenset[str] = frozenset()

    @property
    def last(self) -> Sweep:
        """The newest one, which is worked."""
        return self.sweeps[-1]

    @property
    def open_in_last(self) -> list[Entry]:
        """The open points that the newest one has."""
        if len(self.sweeps) == 1:
            return self.ledger.open
        return [entry for entry in self.ledger.open if entry.point and entry.point.config_id in self.ids_of_last]


def chain_of(tracker: Tracker, sweep: Sweep, config: type[Config]) -> Chain:
    """A sweep with its successors, and with what jobs of this cluster are there for.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    if not sweep.definition.is_grid:
        return Chain([sweep], read_ledger(tracker, sweep.path, sweep.definition, config))
    return with_jobs(chain_with(tracker, sweep, _successors(tracker, sweep), config))


def with_jobs(chain: Chain) -> Chain:
    """The same, where points are held that jobs of this cluster are there for, though none has begun with them."""
    tried = {entry.point.config_id for entry in chain.ledger.entries if entry.point and _was_tried(entry)}
    if not tried or not slurm.is_here():
        return chain
    try:
        held = direct.held_by(job for part in chain.sweeps for job in slurm.jobs_of(part.path))
    except ClusterError:
        return chain
    found = held.keys() & tried
    if not found:
        return chain
    entries = [
        replace(entry, attempts=[*entry.attempts, held[entry.point.config_id]])
        if entry.point and entry.point.config_id in found
        else entry
        for entry in chain.ledger.entries
    ]
    return replace(chain, ledger=replace(chain.ledger, entries=entries))


def _was_tried(entry: Entry) -> bool:
    """Whether somebody has worked on it, and nobody has done or holds it."""
    return bool(entry.attempts) and entry.standing in (Standing.FAILED, Standing.OPEN)


def chain_with(tracker: Tracker, sweep: Sweep, newest_first: Sequence[Sweep], config: type[Config]) -> Chain:
    """A sweep with these successors.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    definition = sweep.definition
    points = _planned(config, definition)
    if not newest_first or not points:
        return Chain([sweep], read_ledger(tracker, sweep.path, definition, config))
    parts = [sweep, *reversed(newest_first)]
    planned = [points, *(_planned(config, part.definition) for part in parts[1:])]
    known = {point.config_id: point for points in reversed(planned) for point in points}
    runs = list(
        attempts_of(
            tracker, sweep.path.entity, sweep.path.project, {"sweep": {"$in": [part.path.id for part in parts]}}
        )
    )
    worked = {attempt.config_id for attempt, _ in runs}
    begins = max(index for index, part in enumerate(parts) if not index or _withdraws(part))
    wanted = worked.union(point.config_id for points in planned[begins:] for point in points)
    united = [known[one] for one in _in_order(planned) if one in wanted]
    numbered = [replace(point, index=index) for index, point in enumerate(united)]
    return Chain(parts, ledger_of(definition, numbered, runs), frozenset(point.config_id for point in planned[-1]))


def _in_order(planned: Sequence[Sequence[Point]]) -> Iterator[str]:
    """The identity of every point once, those of the first sweep before what later ones have added."""
    yield from dict.fromkeys(point.config_id for points in planned for point in points)


def _withdraws(sweep: Sweep) -> bool:
    """Whether what nobody had worked before a successor was made, and is not in it, is wanted no more."""
    return f"{WITHDRAWN} {MARK_WORDS}" in str(sweep.definition.data.get("description"))


def parts_of(tracker: Tracker, sweep: Sweep) -> list[Sweep]:
    """A sweep and its successors, oldest first.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    return [sweep, *reversed(_successors(tracker, sweep))] if sweep.definition.is_grid else [sweep]


def head_of(tracker: Tracker, sweep: Sweep) -> Sweep:
    """The sweep that a successor is the rest of; any other is its own head.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    first = first_of(sweep)
    path = None if first is None else replace(sweep.path, id=first)
    return (path and sweeps.find_any(tracker, path)) or sweep


def ids_of_successors(tracker: Tracker, sweep: Sweep) -> list[str]:
    """The ids of the sweeps that worked what a sweep left open, newest first.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    return [part.path.id for part in _successors(tracker, sweep)] if sweep.definition.is_grid else []


def _planned(config: type[Config], definition: Definition) -> list[Point]:
    try:
        return plan(config, definition) if definition.is_grid else []
    except InvalidInput:
        return []


def _successors(tracker: Tracker, sweep: Sweep) -> list[Sweep]:
    """The successors, newest first."""
    found = []
    for other in sweeps.listed(tracker, sweep.path.entity, sweep.path.project):
        if other.path.id == sweep.path.id:
            break
        if first_of(other) == sweep.path.id and other.definition.experiment == sweep.definition.experiment:
            found.append(other)
    return found


def first_of(sweep: Sweep) -> str | None:
    """The id of the sweep whose rest this one is; None for one that is nobody's."""
    try:
        found = MARK.search(str(sweep.definition.data.get("description")))
    except InvalidInput:
        return None
    return None if found is None else found[1]


def successor(chain: Chain, entries: Sequence[Entry]) -> Definition:
    """The sweep of some entries of a chain's ledger, marked as the rest of its first one."""
    return marked(chain, [entry.point for entry in entries if entry.point])


def marked(chain: Chain, points: Sequence[Point], *, withdraws: bool = False) -> Definition:
    """A sweep of these points, marked as a further part of a chain's first one.

    `withdraws`: what nobody has worked of the parts before, and is not in it, is wanted no more.
    """
    first = chain.sweeps[0]
    part = grid_of(first.definition, points)
    told, mark = str(part.data.get("description") or ""), f"{MARK_WORDS} {first.path.id}"
    mark = f"{WITHDRAWN} {mark}" if withdraws else mark
    return Definition({**part.data, "description": f"{told}; {mark}" if told else mark}, part.where)


def grid_of(like: Definition, points: Sequence[Point]) -> Definition:
    """A grid of these points: what they share stays by itself, what differs becomes one parameter.

    All else is said as `like` says it.
    """
    raws = [canonical(point.raw) for point in points]
    names = list(dict.fromkeys(name for raw in raws for name in raw))
    varying = [name for name in names if len({_text(raw, name) for raw in raws}) > 1]
    parameters: dict[str, Any] = {name: {"value": raws[0][name]} for name in names if name not in varying}
    if len(varying) == 1 and all(varying[0] in raw for raw in raws):
        parameters[varying[0]] = {"values": [raw[varying[0]] for raw in raws]}
    elif varying:
        key = COUPLED.join(varying) if len(varying) > 1 else varying[0] + COUPLED
        parameters[key] = {"values": [{name: raw[name] for name in varying if name in raw} for raw in raws]}
    data = {key: value for key, value in like.data.items() if key not in ("run_cap", "parameters")}
    return Definition({**data, "parameters": parameters}, like.where)


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    return canonical_json(raw[name]) if name in raw else None


def never_again(entries: Sequence[Entry]) -> bool:
    """Whether all that is open was held by workers that died: a tracker that hands such out does so at once."""
    return bool(entries) and all(entry.last is not None and entry.last.cause is Cause.LOST for entry in entries)
