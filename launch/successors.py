"""Successor sweeps: what is open of a grid, handed out by a sweep of its own, and all of them read as one ledger.

Some trackers never hand out again what a dead worker held (wandb.ai does not). Then what is open becomes a new
sweep, a grid whose points are listed, and whose description says of which sweep it is the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.config import Config, canonical, canonical_json
from framework.definition import COUPLED, Definition, raw_config
from framework.errors import InvalidInput
from framework.plan import Point, plan
from framework.tracking import sweeps
from framework.tracking.ledger import Entry, Ledger, attempts_of, ledger_of, read_ledger
from framework.tracking.states import Cause
from framework.tracking.sweeps import Sweep
from framework.tracking.tracker import Tracker


@dataclass(frozen=True)
class Chain:
    """A sweep, its successors, oldest first, and the ledger of all their runs over the points of the first."""

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
    """A sweep with its successors.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    definition = sweep.definition
    points = _planned(config, definition)
    ids = frozenset(point.config_id for point in points)
    found = list(_successors(tracker, sweep, definition, ids, config)) if points else []
    if not found:
        return Chain([sweep], read_ledger(tracker, sweep.path, definition, config))
    newest_first = [part for part, _ in found]
    filters = {"sweep": {"$in": [sweep.path.id, *(part.path.id for part in newest_first)]}}
    runs = attempts_of(tracker, sweep.path.entity, sweep.path.project, filters)
    return Chain([sweep, *reversed(newest_first)], ledger_of(definition, points, runs), found[0][1])


def ids_of_successors(tracker: Tracker, sweep: Sweep, config: type[Config]) -> list[str]:
    """The ids of the sweeps that worked what a sweep left open, newest first.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    definition = sweep.definition
    if not definition.is_grid:
        return []
    return [part.path.id for part, _ in _successors(tracker, sweep, definition, frozenset(), config)]


def _planned(config: type[Config], definition: Definition) -> list[Point]:
    try:
        return plan(config, definition) if definition.is_grid else []
    except InvalidInput:
        return []


def _successors(
    tracker: Tracker, sweep: Sweep, definition: Definition, ids: frozenset[str], config: type[Config]
) -> Iterator[tuple[Sweep, frozenset[str]]]:
    """The successors, newest first, each with the identities of its points."""
    for other in sweeps.listed(tracker, sweep.path.entity, sweep.path.project):
        if other.path.id == sweep.path.id:
            return
        try:
            its = other.definition
        except InvalidInput:
            continue
        if its.experiment == definition.experiment and _mark(sweep) in str(its.data.get("description")):
            yield other, frozenset(point.config_id for point in _planned(config, its)) & ids


def _mark(sweep: Sweep) -> str:
    return f"what was open in sweep {sweep.path.id}"


def successor(chain: Chain) -> Definition:
    """The sweep of what is open in a chain, marked as the rest of its first one."""
    first = chain.sweeps[0]
    part = some_points(first.definition, [entry.point.index for entry in chain.ledger.open if entry.point])
    told = str(part.data.get("description") or "")
    return Definition(
        {**part.data, "description": f"{told}; {_mark(first)}" if told else _mark(first)}, part.where
    )


def some_points(definition: Definition, indices: Iterable[int]) -> Definition:
    """A grid of some points of a grid: what they share stays by itself, what differs becomes one parameter."""
    points = definition.points()
    raws = [canonical(raw_config(points[index])) for index in indices]
    names = list(dict.fromkeys(name for raw in raws for name in raw))
    varying = [name for name in names if len({_text(raw, name) for raw in raws}) > 1]
    parameters: dict[str, Any] = {name: {"value": raws[0][name]} for name in names if name not in varying}
    if len(varying) == 1 and all(varying[0] in raw for raw in raws):
        parameters[varying[0]] = {"values": [raw[varying[0]] for raw in raws]}
    elif varying:
        key = COUPLED.join(varying) if len(varying) > 1 else varying[0] + COUPLED
        parameters[key] = {"values": [{name: raw[name] for name in varying if name in raw} for raw in raws]}
    data = {key: value for key, value in definition.data.items() if key not in ("run_cap", "parameters")}
    return Definition({**data, "parameters": parameters}, definition.where)


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    return canonical_json(raw[name]) if name in raw else None


def never_again(entries: Sequence[Entry]) -> bool:
    """Whether all that is open was held by workers that died: a tracker that hands such out does so at once."""
    return bool(entries) and all(entry.last is not None and entry.last.cause is Cause.LOST for entry in entries)
