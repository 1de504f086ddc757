"""What is half done lies with the tracker, as the artifact `checkpoint-<kind>-<config_id>`, for a limited time.

It is keyed by the work, not by the run: whoever works at the same config goes on with it, on whatever machine.
What other code made, or what was made of other inputs, is not gone on with.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import wandb

from framework.errors import ArtifactError
from framework.tracking import artifacts, fingerprint, lineage
from framework.tracking.current import current_tracker
from framework.tracking.lineage import Version
from framework.tracking.stale import CODE, INPUTS

if TYPE_CHECKING:
    from framework.tracking.run import Run

KIND = "checkpoint"
TIME_TO_LIVE = timedelta(days=30)
"""What nobody has gone on with for so long is removed by the tracker."""
FORM = 1
"""The form in which progress is kept; of another one nothing is read."""


class HalfDone:
    """The progress of the work of one run, with the tracker."""

    def __init__(self, run: "Run", client: "wandb.Run") -> None:
        self._run, self._client = run, client
        self.name = f"{KIND}-{run.identity.job_type}-{run.config.config_id}"

    def fetch(self, folder: Path) -> bool:
        """Write what was kept last to a folder; whether there is something that may be gone on with.

        Raises:
            TrackerAway: the tracker is away for longer than a run's patience.
        """
        found = lineage.newest(current_tracker(), self._run.project_path, self.name)
        if found is None:
            return False
        why = self._unfit(found)
        if why:
            print(f"{found.name} is not gone on with, the work begins anew: {why}")
            return False
        path = f"{self._run.project_path}/{found.name}"
        try:
            artifacts.patiently(lambda: _download(path, folder))
        except ArtifactError as error:
            print(f"{found.name} cannot be read, the work begins anew: {error}")
            return False
        print(f"going on with {found.name}, kept by run {found.metadata.get('run', '?')}")
        return True

    def _unfit(self, found: Version) -> str:
        """Why it is not to be gone on with, in words; nothing if it is."""
        told = found.metadata
        if told.get("form") != FORM:
            return "another version of Sashiko has kept it"
        code = told.get(CODE)
        changed = fingerprint.differences(code) if isinstance(code, Mapping) else ["its code was not recorded"]
        was = told.get(INPUTS) or {}
        now = self._run.inputs
        other = [name for name, digest in now.items() if was.get(name, digest) != digest]
        return "; ".join(changed + [f"it was made of another {name}" for name in other])

    def keep(self, folder: Path, *, wait: bool) -> None:
        """Keep a folder in place of what was kept before.

        Raises:
            ArtifactError: the tracker does not take it.
        """
        told = {
            "form": FORM,
            "run": self._run.id,
            CODE: fingerprint.of_process(),
            INPUTS: dict(self._run.inputs),
        }
        artifact = wandb.Artifact(self.name, type=KIND, metadata=told)
        artifact.ttl = TIME_TO_LIVE
        artifact.add_dir(str(folder), policy="mutable", skip_cache=True)
        logged = self._client.log_artifact(artifact)
        if wait:
            artifacts.wait(logged)
            self._remove(all_but=logged.version)

    def forget(self) -> None:
        """Remove every version: the work is done."""
        self._remove(all_but="")

    def _remove(self, all_but: str) -> None:
        path = f"{self._run.project_path}/{self.name}"
        try:
            for version in wandb.Api(overrides={}).artifacts(KIND, path):
                if version.version != all_but:
                    version.delete(delete_aliases=True)
        except (ValueError, wandb.Error) as error:
            print(f"{self.name} could not be removed, it goes by itself in {TIME_TO_LIVE.days} days: {error}")


def _download(path: str, folder: Path) -> None:
    """Download a version, and check its bytes against their digests.

    Raises:
        ArtifactError: it is not whole.
    """
    artifact = wandb.Api(overrides={}).artifact(path, type=KIND)
    try:
        artifact.download(root=str(folder), skip_cache=True)
        artifact.verify(root=str(folder))
    except (ValueError, OSError) as error:
        raise ArtifactError(str(error)) from error
