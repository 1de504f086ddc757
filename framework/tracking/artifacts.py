"""Artifacts that are addressed by the config that makes them: `<kind>-<config_id>`.

Only formats that cannot run code are taken. Config and provenance lie beside every payload, and every byte is
checked against its digest when it comes back.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import requests
import wandb

from framework.config import Config, canonical_json
from framework.errors import ArtifactError
from framework.fields import nearest
from framework.tracking import fingerprint, provenance, record
from framework.tracking.account import Account
from framework.tracking.cache import cache_folder
from framework.tracking.current import current_tracker
from framework.tracking.lineage import Version
from framework.tracking.stale import CODE, INPUTS

SAFE_FORMATS = (
    ".csv", ".jpg", ".json", ".jsonl", ".md", ".npz", ".parquet", ".patch", ".pdf", ".png", ".safetensors", ".svg",
    ".toml", ".txt", ".yaml",
)  # fmt: skip
CONFIG_FILE = "config.json"
PROVENANCE_FILE = record.FILE
ABOUT = (CONFIG_FILE, PROVENANCE_FILE)
"""The files that lie beside what was made."""
TRIES = 3

T = TypeVar("T")


def name_of(kind: str, config: Config) -> str:
    """`<kind>-<config_id>`."""
    return f"{kind}-{config.config_id}"


class Made(NamedTuple):
    """What is made into an artifact: its kind, the config that makes it, and what its metadata tell besides.

    What others may require (`required`) tells each module of the code that made it; of other artifacts the
    fingerprint is enough.
    """

    kind: str
    config_id: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    required: bool

    @property
    def name(self) -> str:
        """`<kind>-<config_id>`."""
        return f"{self.kind}-{self.config_id}"


def log(run: "wandb.Run", made: Made, folder: Path, account: Account) -> "wandb.Artifact":
    """Log the files of `folder` from `run`, with config and provenance beside them.

    `account` tells which artifacts the run has used, and the rest of its provenance.

    Raises:
        ArtifactError: a file is in an unsafe format.
    """
    _refuse_unsafe(made, folder)
    code = fingerprint.of_process()
    word = fingerprint.fingerprint(code)
    (folder / CONFIG_FILE).write_text(json.dumps(made.config, indent=2) + "\n", encoding="utf-8")
    account.made(made.name, folder, ABOUT)
    record.write(folder / PROVENANCE_FILE, {**account.of_artifact(made.name, made.metadata), "code": word})
    inputs = {name: used["digest"] for name, used in account.inputs.items()}
    told = {"config_id": made.config_id, "config": made.config, "fingerprint": word, INPUTS: inputs}
    if made.required:
        told[CODE] = code
    artifact = wandb.Artifact(made.name, type=made.kind, metadata={**told, **_finite(made.metadata)})
    artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
    return run.log_artifact(artifact)


def _refuse_unsafe(made: Made, folder: Path) -> None:
    unsafe = sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in SAFE_FORMATS)
    if unsafe:
        message = f"{made.name}: {', '.join(unsafe)} could hold code; allowed: {' '.join(SAFE_FORMATS)}"
        raise ArtifactError(message)


def _finite(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON can have it: numbers that are none, or infinite, as words."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metadata.items()
    }


def log_environment(run: "wandb.Run", folder: Path) -> None:
    """Log the packages and the patch of this process, which all runs of one state of the code share."""
    environment = provenance.of_process()
    environment.write(folder)
    artifact = wandb.Artifact(environment.name, type=provenance.KIND, metadata=environment.record["git"])
    artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
    run.log_artifact(artifact)


def wait(artifact: "wandb.Artifact") -> None:
    """Wait until the tracker has committed an artifact.

    Raises:
        ArtifactError: the tracker did not take it.
    """
    try:
        artifact.wait()
    except (ValueError, wandb.Error) as error:
        raise ArtifactError(f"{artifact.name} was not taken by the tracker: {error}") from error


def find(project_path: str, kind: str, where: Mapping[str, Any]) -> Iterator["wandb.Artifact"]:
    """Every artifact of a kind whose config has these values, by dotted key; no name is ever parsed.

    Raises:
        ArtifactError: the project has no such kind.
    """
    api = wandb.Api()
    wanted = {key: canonical_json(value) for key, value in where.items()}
    kinds = [found.name for found in api.artifact_types(project_path)]
    if kind not in kinds:
        raise ArtifactError(f"{project_path} has no artifacts of the kind {kind!r}; {nearest(kind, kinds)}")
    for collection in api.artifact_collections(project_path, kind):
        for artifact in collection.artifacts():
            config = (artifact.metadata or {}).get("config") or {}
            if all(canonical_json(_value_at(config, key)) == value for key, value in wanted.items()):
                yield artifact
            break  # the newest version speaks for the config


def _value_at(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def fetch(project_path: str, version: Version) -> Path:
    """The folder with the files of a version: as it was kept here, or downloaded; the tracker is waited for.

    Raises:
        ArtifactError: a file is missing or its bytes do not match their digest.
        TrackerAway: the tracker is away for longer than a run's patience.
    """
    kept = _kept(version.collection, version.digest)
    if kept.is_dir():
        return kept
    path = f"{project_path}/{version.name}"
    return patiently(lambda: download(wandb.Api(overrides={}).artifact(path, type=version.kind)))


def patiently(call: Callable[[], T], tries: int = TRIES) -> T:
    """The result of a call of the client, which is made again after the tracker was away.

    Raises:
        ArtifactError: the tracker answers, and the call fails all the same.
        TrackerAway: the tracker is away for longer than a run's patience.
    """
    try:
        return call()
    except (requests.RequestException, wandb.Error, ArtifactError) as error:
        if tries == 1:
            raise error if isinstance(error, ArtifactError) else ArtifactError(str(error)) from error
        current_tracker().check()  # waits until it answers
    return patiently(call, tries - 1)


def _kept(collection: str, digest: str) -> Path:
    return cache_folder() / "artifacts" / f"{collection}-{digest}"


def download(artifact: "wandb.Artifact") -> Path:
    """The folder with the artifact's files, checked against their digests and kept by digest.

    Raises:
        ArtifactError: a file is missing or its bytes do not match its digest.
    """
    target = _kept(artifact.collection.name, artifact.digest)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        artifact.download(root=str(partial), skip_cache=True)
        artifact.verify(root=str(partial))
        # Whole or not at all: another worker may be placing the same artifact right now.
        if not target.is_dir():
            partial.rename(target)
    except (ValueError, OSError, wandb.Error) as error:
        if target.is_dir():
            return target
        message = f"{artifact.qualified_name} could not be read whole: {error}; log it again from its config"
        raise ArtifactError(message) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
