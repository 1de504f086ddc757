"""Artifacts that are addressed by the config that makes them: `<kind>-<config_id>`.

Only formats that cannot run code are taken. Config and provenance lie beside every payload, and every byte is
checked against its digest when it comes back.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import wandb

from framework.config import Config, canonical_json
from framework.errors import ArtifactError
from framework.tracking import provenance

SAFE_FORMATS = (
    ".csv", ".jpg", ".json", ".jsonl", ".md", ".npz", ".parquet", ".pdf", ".png", ".safetensors", ".svg", ".toml",
    ".txt", ".yaml",
)  # fmt: skip
CONFIG_FILE = "config.json"
PROVENANCE_FILE = "provenance.toml"


def name_of(kind: str, config: Config) -> str:
    """`<kind>-<config_id>`."""
    return f"{kind}-{config.config_id}"


def log(
    run: "wandb.Run",
    kind: str,
    config: Config,
    folder: Path,
    *,
    inputs: Mapping[str, str],
    metadata: Mapping[str, Any],
) -> "wandb.Artifact":
    """Log the files of `folder` from `run`, with config and provenance beside them.

    Raises:
        ArtifactError: a file is in an unsafe format.
    """
    unsafe = sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in SAFE_FORMATS)
    if unsafe:
        message = (
            f"{name_of(kind, config)}: {', '.join(unsafe)} could hold code; allowed: {' '.join(SAFE_FORMATS)}"
        )
        raise ArtifactError(message)
    data = config.model_dump(mode="json")
    (folder / CONFIG_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    provenance.write(
        folder / PROVENANCE_FILE, config=data, inputs=dict(inputs), config_id=config.config_id, run=run.id
    )
    artifact = wandb.Artifact(
        name_of(kind, config), type=kind, metadata={"config_id": config.config_id, "config": data, **metadata}
    )
    artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
    return run.log_artifact(artifact)


def wait(artifact: "wandb.Artifact") -> None:
    """Wait until the tracker has committed an artifact.

    Raises:
        ArtifactError: the tracker did not take it.
    """
    try:
        artifact.wait()
    except (ValueError, wandb.Error) as error:
        raise ArtifactError(f"{artifact.name} was not taken by the tracker: {error}") from error


def find_one(project_path: str, kind: str, config: Config) -> "wandb.Artifact | None":
    """The newest artifact that `config` makes, or None where the project has none."""
    api = wandb.Api(overrides={})
    path = f"{project_path}/{name_of(kind, config)}:latest"
    return api.artifact(path, type=kind) if api.artifact_exists(path) else None


def find(project_path: str, kind: str, where: Mapping[str, Any]) -> Iterator["wandb.Artifact"]:
    """Every artifact of a kind whose config has these values, by dotted key; no name is ever parsed."""
    api = wandb.Api()
    wanted = {key: canonical_json(value) for key, value in where.items()}
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


def cache_folder() -> Path:
    """Where downloaded artifacts are kept: `SASHIKO_CACHE`, default `~/.cache/sashiko`."""
    return Path(os.environ.get("SASHIKO_CACHE") or Path.home() / ".cache" / "sashiko")


def download(artifact: "wandb.Artifact") -> Path:
    """The folder with the artifact's files, checked against their digests and kept by digest.

    Raises:
        ArtifactError: a file is missing or its bytes do not match its digest.
    """
    target = cache_folder() / "artifacts" / f"{artifact.collection.name}-{artifact.digest}"
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
