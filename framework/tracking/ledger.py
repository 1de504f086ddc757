"""The ledger of work: what is open, held, done or failed, by which runs, and for what cause.

A piece of work (a point of a sweep, or an artifact that one requires) has attempts; each is a run of the tracker,
and ended by one of the causes in `states`. Everything else follows: what "go on" has to do, what `status` tells,
whether an artifact may be tried again. The tracker keeps the book, this module reads it; it knows not how work
is done.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from framework.config import Config, canonical_json
from framework.definition import Definition
from framework.errors import InvalidInput, RequirementFailed
from framework.plan import Point, plan
from framework.tracking import remote_runs
from framework.tracking.states import Cause, cause_of
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from framework.tracking.workplace import USED

PENDING = "pending"
_FIELDS = "id name displayName state exitcode config summaryMetrics createdAt heartbeatAt"


class Standing(StrEnum):
    """How far a piece of work is."""

    DONE = "done"
    HELD = "held"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True)
class Attempt:
    """One run that worked, or works, on a piece of work. `cause` is None while it is at work.

    `key` is the tracker's own id of the run.
    """

    run_id: str
    name: str
    state: str
    cause: Cause | None
    config_id: str = ""
    error: str = ""
    invocation: str = ""
    given_up: bool = False
    """Whether the tracker ended the piece of work with this lost run, and hands it out no more."""

    key: str = ""
    begun: float | None = None
    """When the tracker was first told of it, and `seen` when last: seconds since 1970, on the tracker's clock.

    One that nobody has begun was never seen.
    """

    seen: float | None = None
    worker: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Where it is worked on, or was last, as `workplace.here` tells it; empty where no process began it."""

    used: Sequence[Mapping[str, Any]] = field(default=(), compare=False)
    """What each process that has worked on it used, as `workplace.Meter` tells it."""

    @property
    def waits(self) -> bool:
        """Whether it was added to the sweep, and no agent has been told of it yet: nobody is at work."""
        return self.cause is None and self.state == PENDING and self.seen is None

    @property
    def was_alone(self) -> bool:
        """Whether a job was there for it alone: the tracker does not hand it out to anybody else."""
        return bool(self.worker.get("alone"))

    @property
    def lacked_requirement(self) -> bool:
        """Whether it failed only because something that it requires could not be made."""
        return self.cause is Cause.FAILED and self.error.startswith(f"{RequirementFailed.__name__}:")

    @property
    def reason(self) -> str:
        """Why it did not finish, in words."""
        if self.error:
            return self.error
        return {
            Cause.LOST: "no sign of life came from it: it died, or its machine or network did",
            Cause.FAILED: "no reason recorded: it ended with an exit code above 0",
            Cause.STOPPED: "it was stopped",
        }.get(self.cause or Cause.FINISHED, str(self.cause or self.state))


@dataclass(frozen=True)
class Entry:
    """A piece of work with its attempts, oldest first. `stops_early`: one that the tracker stops is done."""

    name: str
    attempts: Sequence[Attempt] = ()
    point: Point | None = None
    stops_early: bool = False

    @property
    def standing(self) -> Standing:
        """How far it is. The last attempt alone decides whether it failed.

        How many may be lost is for the tracker to say: it knows of deleted runs, and of such as came back.
        """
        causes = [attempt.cause for attempt in self.attempts]
        if Cause.FINISHED in causes or (self.stops_early and Cause.STOPPED in causes):
            return Standing.DONE
        if any(attempt.cause is None and not attempt.waits for attempt in self.attempts):
            return Standing.HELD
        last = self.last
        failed = last is not None and (last.cause in (Cause.FAILED, Cause.STOPPED) or last.given_up)
        return Standing.FAILED if failed else Standing.OPEN

    @property
    def is_queued(self) -> bool:
        """Whether a run of it waits for an agent: somebody wanted it once more."""
        return any(attempt.waits for attempt in self.attempts)

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True)
class Ledger:
    """The pieces of work of one sweep. `strangers`: runs of the sweep whose config is in no point of the plan.

    `changed` are those of them that were given the values of a point: since then the experiment's config has
    changed. The others are of points that were withdrawn.
    """

    definition: Definition
    entries: Sequence[Entry]
    strangers: Sequence[Attempt] = ()
    size: int | None = field(default=None)
    changed: Sequence[Attempt] = ()

    @property
    def total(self) -> int | None:
        """How many pieces of work there are; None if they are drawn without an end."""
        return self.size if self.size is not None or not self.definition.is_grid else len(self.entries)

    def count(self, standing: Standing) -> int:
        """How many pieces of work stand so."""
        if standing is Standing.OPEN and self.size is not None:
            return self.size - sum(self.count(other) for other in Standing if other is not Standing.OPEN)
        return sum(entry.standing is standing for entry in self.entries)

    @property
    def is_under_way(self) -> bool:
        """Whether a run of it is at work, or waits for an agent: also one of a point that is done already."""
        return any(attempt.cause is None for entry in self.entries for attempt in entry.attempts)

    @property
    def queued(self) -> list[Entry]:
        """Those that wait to be worked once more, whatever became of them before."""
        return [entry for entry in self.entries if entry.is_queued]

    @property
    def failed(self) -> list[Entry]:
        """Those that failed."""
        return [entry for entry in self.entries if entry.standing is Standing.FAILED]

    @property
    def open(self) -> list[Entry]:
        """Those of a grid that nobody holds and nobody has done."""
        return [entry for entry in self.entries if entry.standing is Standing.OPEN]


def attempts_of(
    tracker: Tracker, entity: str, project: str, filters: Mapping[str, Any]
) -> list[tuple[Attempt, Any]]:
    """Runs of a project by a filter, oldest first, each with the config that the tracker shows.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    return [_attempt(node) for node in remote_runs.listed(tracker, entity, project, filters, _FIELDS) or ()]


def _attempt(node: Mapping[str, Any]) -> tuple[Attempt, Any]:
    config = json.loads(node["config"] or "{}")
    summary = json.loads(node["summaryMetrics"] or "{}")
    truth = (config.get("sashiko") or {}).get("value") or {}
    cause = cause_of(node["state"], node.get("exitcode"))
    attempt = Attempt(
        node["name"],
        node["displayName"] or node["name"],
        node["state"],
        cause,
        str(truth.get("config_id") or ""),
        str(summary.get("error") or ""),
        str(truth.get("invocation") or ""),
        given_up=cause is Cause.LOST and node.get("exitcode") is not None,
        key=str(node.get("id") or ""),
        begun=_seconds(node.get("createdAt")),
        seen=_seconds(node.get("heartbeatAt")),
        worker=truth.get("worker") or {},
        used=summary.get(USED) or (),
    )
    return attempt, config


def _seconds(told: str | None) -> float | None:
    """A time of the tracker in seconds since 1970; its times are UTC, also where they do not say so."""
    if not told:
        return None
    moment = datetime.fromisoformat(told)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_ledger(tracker: Tracker, path: SweepPath, definition: Definition, config: type[Config]) -> Ledger:
    """The ledger of a sweep, from the tracker alone.

    A grid that the experiment's config no longer admits is told by the configs of its runs.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    try:
        points = plan(config, definition) if definition.is_grid else []
    except InvalidInput:
        points = []
    runs = attempts_of(tracker, path.entity, path.project, {"sweep": path.id})
    return ledger_of(definition, points, runs)


def ledger_of(
    definition: Definition, points: Sequence[Point], runs: Iterable[tuple[Attempt, Mapping[str, Any]]]
) -> Ledger:
    """The ledger that runs amount to: each goes to the point whose config it has, or whose values it was given.

    `points` are those of the definition, and any that were added to them since.
    """
    early = "early_terminate" in definition.data
    if not points:
        grouped = _drawn(runs, is_grid=definition.is_grid)
        entries = [Entry(group[0].name, group, stops_early=early) for group in grouped]
        return Ledger(definition, entries, size=definition.size())
    by_id = {point.config_id: point for point in points}
    by_values = dict(zip(map(canonical_json, definition.points()), points, strict=False))
    names = list(definition.parameters)
    found: dict[int, list[Attempt]] = {}
    strangers, changed = [], []
    for attempt, config in runs:
        point = by_id.get(attempt.config_id)
        by_value = None if point is not None else by_values.get(_values(config, names))
        if not attempt.config_id:  # it never got so far as to tell its config
            point = point or by_value
        if point is None:
            strangers.append(attempt)
            changed += [attempt] if by_value is not None else []
        else:
            found.setdefault(point.index, []).append(attempt)
    entries = [Entry(point.name, found.get(point.index, []), point, early) for point in points]
    return Ledger(definition, entries, strangers, changed=changed)


def _values(config: Mapping[str, Any], names: Iterable[str]) -> str:
    given = {name: (config.get(name) or {}).get("value") for name in names if name in config}
    return canonical_json(given)


def _drawn(runs: Iterable[tuple[Attempt, Any]], *, is_grid: bool) -> list[list[Attempt]]:
    """The runs of each piece of work, told by config id; a run that never got so far stands for itself.

    Drawn points can be equal, so there only runs that ended undone go with a later one of the same config.
    """
    found: dict[str, list[Attempt]] = {}
    undone = (Cause.LOST, Cause.PREEMPTED, Cause.INTERRUPTED)
    for attempt, _ in runs:
        key = attempt.config_id or attempt.run_id
        goes_on = all(other.cause in undone for other in found.get(key, []))
        found.setdefault(key if is_grid or goes_on else attempt.run_id, []).append(attempt)
    return list(found.values())
