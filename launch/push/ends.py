"""What `sashiko push` asks the two trackers, and the sweeps that it makes at the destination.

No table of what went where is kept on disk: a run keeps its id, so everything is found again at the destination.
That cannot grow stale, and it also works from another machine. Knows no files and no rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.errors import TrackerError
from framework.tracking import remote_runs, sweeps
from framework.tracking.states import FAILED, FINISHED
from framework.tracking.sweeps import PAUSED
from framework.tracking.tracker import Tracker

_FIELDS = "id name displayName state sweepName historyLineCount historyKeys"
OPEN = (*sweeps.HANDS_OUT, PAUSED)
"""States of sweeps that are not over."""


@dataclass(frozen=True)
class RunLine:
    """One run as a list shows it. `rows`: how many rows of history it has, `step`: the step of the last one.

    `id` is the one in addresses, `key` the tracker's own.
    """

    id: str
    name: str
    state: str
    sweep: str | None
    rows: int
    step: int = -1
    key: str = ""

    @property
    def sent_state(self) -> str:
        """Its state after `wandb sync`, which knows an exit code and nothing else."""
        return FINISHED if self.state == FINISHED else FAILED


@dataclass(frozen=True)
class SweepLine:
    """One sweep as a list shows it. `key` is the tracker's own id of it, `id` the one in addresses."""

    key: str
    id: str
    state: str
    config: str
    runs: int


@dataclass(frozen=True)
class End:
    """A project of a tracker."""

    tracker: Tracker
    entity: str
    project: str

    def __str__(self) -> str:
        return f"{self.tracker.url}/{self.entity}/{self.project}"

    def runs(self, ids: Sequence[str] | None = None) -> list[RunLine] | None:
        """The runs, oldest first (only those with these ids); None where there is no such project.

        Raises:
            TrackerError: the tracker does not answer, or answers with an error.
        """
        filters = {} if ids is None else {"name": {"$in": list(ids)}}
        nodes = remote_runs.listed(self.tracker, self.entity, self.project, filters, _FIELDS)
        return None if nodes is None else [_run(node) for node in nodes]

    def sweeps(self) -> list[SweepLine]:
        """The sweeps; none where there is no such project.

        Raises:
            TrackerError: the tracker does not answer, or answers with an error.
        """
        found = sweeps.listed(self.tracker, self.entity, self.project)
        return [SweepLine(sweep.key, sweep.path.id, sweep.state, sweep.config, sweep.runs) for sweep in found]

    def make_sweep(self, config: str) -> str:
        """Make a sweep of a definition, paused from the start, so that nobody works its points again; its id.

        Raises:
            TrackerError: the tracker does not take the definition.
        """
        sweep = sweeps.create(self.tracker, config, self.entity, self.project)
        self.set_sweep_state(sweep.key, PAUSED)
        return sweep.path.id

    def set_sweep_state(self, key: str, state: str) -> None:
        """Set the state of the sweep with this `key`."""
        sweeps.set_state(self.tracker, key, state)


def _run(node: Mapping[str, Any]) -> RunLine:
    return RunLine(
        node["name"], node["displayName"] or node["name"], node["state"], node["sweepName"] or None,
        node["historyLineCount"] or 0, (node["historyKeys"] or {}).get("lastStep", -1), node["id"],
    )  # fmt: skip


def place_sweeps(
    source: End, target: End, chosen: Sequence[RunLine], there: Mapping[str, RunLine]
) -> tuple[dict[str, str], set[str]]:
    """The id at the destination of each sweep of the chosen runs, made where it is missing; and which were made.

    A sweep is there if a run of it is, or if one of the same definition has no runs: an interrupted call made it.

    Raises:
        TrackerError: the destination does not take a sweep.
    """
    wanted = {run.sweep for run in chosen if run.sweep}
    known = {run.sweep: there[run.id].sweep for run in chosen if run.id in there}
    placed = {old: new for old, new in known.items() if old and new}
    idle = [sweep for sweep in target.sweeps() if sweep.runs == 0 and sweep.state == PAUSED]
    made = set()
    for sweep in source.sweeps():
        if sweep.id not in wanted or sweep.id in placed:
            continue
        same = next((other for other in idle if other.config == sweep.config), None)
        if same is not None:
            idle.remove(same)
            placed[sweep.id] = same.id
        else:
            placed[sweep.id] = target.make_sweep(sweep.config)
        made.add(sweep.id)
    return placed, made


def settle_sweeps(source: End, target: End, placed: Mapping[str, str], made: set[str]) -> Iterator[str]:
    """Give every sweep at the destination the state that it has at the source; tells what is left otherwise.

    Raises:
        TrackerError: the destination does not take a state.
    """
    there = {sweep.id: sweep for sweep in target.sweeps()}
    for sweep in source.sweeps():
        other = there.get(placed.get(sweep.id, ""))
        if other is None or sweep.state == other.state:
            continue
        if sweep.state not in OPEN:
            target.set_sweep_state(other.key, sweep.state)
        elif sweep.id in made and sweep.state != PAUSED:
            yield f"sweep {sweep.id} is not over: there it is {other.id}, paused, lest points are worked twice"


def must_exist(end: End, runs: list[RunLine] | None) -> list[RunLine]:
    """The runs of a project.

    Raises:
        TrackerError: there is no such project.
    """
    if runs is None:
        raise TrackerError(f"{end.tracker.url} has no project {end.entity}/{end.project}")
    return runs
