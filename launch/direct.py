"""Points that a worker is there for: it is told which, and asks the tracker for none.

The tracker knows such a run when it has begun. Before, and while its job is queued again, the job's comment tells
whoever asks on the cluster that the point is held.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from framework.tracking.ledger import Attempt
from framework.tracking.tracker import Tracker
from launch.slurm import Job

WAITING = "waiting"
"""The state of a run whose job has not begun with it."""
_REMARK = re.compile(r"\bwork=(\w+) run=(\w+)")


def remark(config_id: str, run_id: str) -> str:
    """What is noted with a job that is there for one point."""
    return f"work={config_id} run={run_id}"


def is_for_one(job: Job) -> bool:
    """Whether a job is there for one point."""
    return _REMARK.search(job.comment) is not None


def held_by(jobs: Iterable[Job]) -> Mapping[str, Attempt]:
    """The attempts, by the identity of their point's config, that jobs are there for which are not over."""
    found = {}
    for job in jobs:
        match = _REMARK.search(job.comment)
        if match is not None and not job.has_ended:
            found[match[1]] = Attempt(match[2], f"job {job.id}", WAITING, None, match[1], worker={"job": job.id})
    return found


class Alone:
    """Signs of life for the run that a worker has, where it is no agent of the sweep."""

    def __init__(self, impatient: Tracker, project_path: str) -> None:
        """`project_path`: entity/project."""
        self._impatient = impatient
        self._project_path = project_path

    def heartbeat(self, running: str | None) -> list[dict[str, Any]]:
        """What the tracker wants, as an agent is told it: that the run stops, or nothing.

        Raises:
            TrackerAway: it does not answer at present.
        """
        if running is None:
            return []
        told = self._impatient.file_stream(f"{self._project_path}/{running}", {})
        return [{"type": "stop", "run_id": running}] if told.get("stopped") else []
