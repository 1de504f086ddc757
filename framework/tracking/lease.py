"""Made once: a missing artifact is made by one worker, however many ask for it.

The lease is the making run itself. Its id derives from the config, and the tracker creates a run id once, in
one transaction, and tells one caller only that it `inserted` it. That caller makes the artifact; the others
watch the run. If the run dies, the next id in line (`…-1`, `…-2`) is the next lease.
"""

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wandb

from framework.config import Config
from framework.errors import ArtifactError
from framework.tracking import artifacts
from framework.tracking.tracker import Tracker, configured

if TYPE_CHECKING:
    from framework.manager import Manager

LEASE_S = 120.0
POLL_S = 0.5
ATTEMPTS = 3
ENDED = ("finished", "failed", "crashed", "killed")

_TAKE = """
mutation UpsertBucket($entity: String, $project: String, $name: String, $jobType: String, $displayName: String) {
  upsertBucket(input: {entityName: $entity, modelName: $project, name: $name, jobType: $jobType,
                       displayName: $displayName}) { bucket { id } inserted }
}"""
_EXISTS = """
query ArtifactExists($entity: String, $project: String, $name: String!) {
  project(entityName: $entity, name: $project) { artifact(name: $name) { id } }
}"""
_WATCH = """
query LeaseState($entity: String, $project: String, $name: String!) {
  project(entityName: $entity, name: $project) { run(name: $name) { id state heartbeatAt } }
}"""


def lease_seconds() -> float:
    """How long a silent maker keeps its lease: `SASHIKO_LEASE_SECONDS`, default 120."""
    return float(os.environ.get("SASHIKO_LEASE_SECONDS") or LEASE_S)


@dataclass(frozen=True)
class Maker:
    """Who makes artifacts, and where: the experiment's Manager, and the project (entity/project)."""

    manager: "Manager[Any]"
    experiment: str
    project_path: str


def made(maker: Maker, kind: str, config: Config) -> "wandb.Artifact":
    """The artifact, made by this caller or by whoever holds the lease.

    Raises:
        ArtifactError: it could not be made, in this process or in the run that the message names.
    """
    tracker = current_tracker()
    run_id = ""
    for attempt in range(ATTEMPTS):
        found = artifacts.find_one(maker.project_path, kind, config)
        if found is not None:
            return found
        run_id = artifacts.name_of(kind, config) + (f"-{attempt}" if attempt else "")
        if take(tracker, maker.project_path, run_id, kind):
            make(maker, kind, config, run_id)
        else:
            wait(tracker, maker.project_path, run_id)
    found = artifacts.find_one(maker.project_path, kind, config)
    if found is not None:
        return found
    message = f"{artifacts.name_of(kind, config)} could not be made in {ATTEMPTS} runs; see the log of {run_id}"
    raise ArtifactError(message)


def made_if_free(maker: Maker, kind: str, config: Config) -> bool:
    """Make the artifact unless it exists or somebody is making it; whether this caller made it."""
    if artifacts.find_one(maker.project_path, kind, config) is not None:
        return False
    run_id = artifacts.name_of(kind, config)
    if not take(current_tracker(), maker.project_path, run_id, kind):
        return False
    make(maker, kind, config, run_id)
    return True


def exists(tracker: Tracker, project_path: str, name: str) -> bool:
    """Whether the project has an artifact of this name; asked without the client, for a parent that forks."""
    entity, project = project_path.split("/")
    variables = {"entity": entity, "project": project, "name": f"{name}:latest"}
    return bool((tracker.execute(_EXISTS, variables).get("project") or {}).get("artifact"))


def take(tracker: Tracker, project_path: str, run_id: str, kind: str) -> bool:
    """Whether this caller, and no other, has created the run."""
    if _look(tracker, project_path, run_id):
        return False  # asked first: to upsert a run that has ended would start it again
    entity, project = project_path.split("/")
    variables = {"entity": entity, "project": project, "name": run_id, "jobType": kind, "displayName": run_id}
    return bool(tracker.execute(_TAKE, variables)["upsertBucket"]["inserted"])


def make(maker: Maker, kind: str, config: Config, run_id: str) -> None:
    """Make the artifact in a run of its own; an exception ends that run as failed."""
    from framework.plan import name_of
    from framework.tracking.run import Identity, Run

    entity, project = maker.project_path.split("/")
    identity = Identity(
        maker.experiment,
        project,
        entity,
        run_id,
        name=f"{kind} {name_of(config)}",
        group=kind,
        job_type=kind,
        tags=[kind],
    )
    with Run(config, identity, maker.manager) as run:
        maker.manager.make(kind, config, run)


def wait(tracker: Tracker, project_path: str, run_id: str) -> str:
    """Wait until the run has ended or has been silent for the length of a lease; returns its last state."""
    last_beat, silent_since = None, time.monotonic()
    while True:
        run = _look(tracker, project_path, run_id)
        state = str(run.get("state", "deleted"))
        if state in (*ENDED, "deleted"):
            return state
        if run.get("heartbeatAt") != last_beat:
            last_beat, silent_since = run.get("heartbeatAt"), time.monotonic()
        if time.monotonic() - silent_since > lease_seconds():
            return "silent"
        time.sleep(POLL_S)


def _look(tracker: Tracker, project_path: str, run_id: str) -> dict[str, Any]:
    """State and last sign of life of a run; empty if there is none."""
    entity, project = project_path.split("/")
    variables = {"entity": entity, "project": project, "name": run_id}
    return (tracker.execute(_WATCH, variables).get("project") or {}).get("run") or {}


def current_tracker() -> Tracker:
    """The tracker that this process' client speaks to."""
    tracker = configured(os.environ, wandb.setup().settings.base_url)
    if tracker is None:
        raise ArtifactError("no tracker is configured: set WANDB_BASE_URL and WANDB_API_KEY")
    return tracker
