"""Records of provenance that a word may mean: a file, an artifact, or a run of the tracker.

FILE                          a provenance.toml
[[ENTITY/]PROJECT/]NAME:vN    an artifact, or another alias in place of vN: the run that made it
[[ENTITY/]PROJECT/]RUN        a run by its id, or the name that people see
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.errors import ArtifactError, TrackerError
from framework.tracking import artifacts, lineage, record
from framework.tracking.provenance import PACKAGES_FILE
from framework.tracking.tracker import DEFAULT_PROJECT, Tracker
from launch import naming


@dataclass(frozen=True)
class Found:
    """A record, and the folder of what it stands on: code, packages, their lock; None where that is gone."""

    told: Mapping[str, Any]
    where: str
    environment: Path | None

    @property
    def packages(self) -> Mapping[str, str]:
        """Every package by version, or where that is gone the main ones."""
        if self.environment is None:
            return dict(self.told.get("packages", {}))
        lines = (self.environment / PACKAGES_FILE).read_text(encoding="utf-8").splitlines()
        return dict(line.split("==", 1) for line in lines if "==" in line)


def find(tracker: Tracker, text: str) -> Found:
    """The record that a word means.

    Raises:
        ConfigError: a file that is no provenance file, or one of another version.
        TrackerError: there is no such run or artifact, or it has no record.
        ArtifactError: its files do not match their digests.
    """
    path = Path(text)
    if path.is_file():
        told = record.read(path)
        return Found(told, text, _environment(tracker, told))
    if ":" in text.rsplit("/", 1)[-1]:
        return _of_artifact(tracker, text)
    run = naming.find_run(tracker, text)
    told = _of_run(run.entity, run.project, run.id)
    return Found(told, run.path, _environment(tracker, told))


def _of_artifact(tracker: Tracker, text: str) -> Found:
    """What the run that made it tells, or where that run is gone, what lies beside the artifact."""
    *home, name = text.split("/")
    entity = home[0] if len(home) == 2 else tracker.check()
    project = home[-1] if home else os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    version = lineage.at(tracker, f"{entity}/{project}", name)
    if version is None:
        raise TrackerError(f"{tracker.url} has no artifact {name} in {entity}/{project}")
    folder = artifacts.fetch(f"{entity}/{project}", version)
    if not (folder / record.FILE).is_file():
        raise ArtifactError(f"{version.name} has no {record.FILE}: it was not logged by Sashiko")
    told: Mapping[str, Any] = record.read(folder / record.FILE)
    with contextlib.suppress(TrackerError):
        told = _of_run(entity, project, str(told.get("run", {}).get("id")))
    return Found(told, f"{entity}/{project}/{version.name}", _environment(tracker, told))


def _of_run(entity: str, project: str, run_id: str) -> dict[str, Any]:
    import wandb

    try:
        file = wandb.Api(overrides={}).run(f"{entity}/{project}/{run_id}").file(record.FILE)
        with tempfile.TemporaryDirectory(prefix="sashiko-record-") as folder:
            file.download(root=folder, replace=True).close()
            return record.read(Path(folder) / record.FILE)
    except (ValueError, OSError, wandb.Error) as error:
        message = (
            f"run {entity}/{project}/{run_id} has no {record.FILE}: it is not over, or is no run of Sashiko's"
        )
        raise TrackerError(f"{message} ({error})") from error


def _environment(tracker: Tracker, told: Mapping[str, Any]) -> Path | None:
    place, name = told.get("run", {}), told.get("environment")
    if not (name and place.get("entity") and place.get("project")):
        return None
    path = f"{place['entity']}/{place['project']}"
    try:
        version = lineage.newest(tracker, path, str(name))
    except TrackerError:
        return None
    return None if version is None else artifacts.fetch(path, version)
