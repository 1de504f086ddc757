"""A point that failed is worked once more, as often as the kind of its failure allows.

By whoever is free, as a further run of the sweep; where memory was short in a job of a cluster, by a job that asks
for more. The tracker keeps the count. Where it cannot add a run to a sweep, a failure is final, and `sashiko
rerun` makes a sweep of what failed.
"""

import os
from collections.abc import Mapping
from typing import Any

from framework.errors import ClusterError, TrackerError
from framework.plan import Point
from framework.tracking import sweeps
from framework.tracking.budget import is_tried_again, lacked_memory
from framework.tracking.ledger import attempts_of
from framework.tracking.states import Cause
from launch import bigger
from launch.events import emit
from launch.job import Job


def try_again(job: Job, point: Point | None, swept: Mapping[str, Any], error: str) -> str:
    """Have a point of a grid worked once more that has just failed, if it may be; how, or nothing if it is not."""
    if point is None or not is_tried_again(error, 0):
        return ""
    path = job.path
    try:
        found = attempts_of(job.tracker, path.entity, path.project, {"sweep": path.id, "state": "failed"})
        failed = sum(one.config_id == point.config_id and one.cause is Cause.FAILED for one, _ in found)
        if not is_tried_again(error, max(failed - 1, 0)):
            return ""
        if lacked_memory(error) and bigger.can_ask(os.environ):
            return _ask(job, point)
        sweeps.enqueue(job.tracker, sweeps.find(job.tracker, path).key, swept, point.name)
    except TrackerError:
        return ""
    return "by whoever is free"


def _ask(job: Job, point: Point) -> str:
    try:
        return bigger.ask(job.tracker, job.path, point)
    except ClusterError as error:
        emit(
            "error", message=f"{point.name} had too little memory, and no job with more can be submitted: {error}"
        )
        return ""
