"""The artifacts of one run, fetched from a tracker and logged again by an offline run.

Bytes are fetched and checked against their digests; a reference stays a reference, with the digest that it had.
Knows no destination. Three things are taken from the client's insides: the class of the artifacts that hold the
tables of `run.log` (a user may not make them), and the two ids by which rows refer to an artifact.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.artifacts._internal_artifact import InternalArtifact
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

from framework.errors import ArtifactError
from framework.tracking.current import current_tracker
from framework.tracking.tracker import PATIENCE_S
from launch.push.versions import collection_of, is_users, number_of

BY_CLIENT, BY_SERVER = "wandb-client-artifact://", "wandb-artifact://"
OF_CLIENT = ("run_table", "job", "code")
"""Types that only the client itself may make."""
CHUNK = 1 << 20
_MAPPING = "query ClientIDMapping($id: ID!) { clientIDMapping(clientID: $id) { serverID } }"


class Artifacts:
    """The artifacts that a run made, oldest first.

    Raises:
        ArtifactError: bytes that do not match their digest.
    """

    def __init__(self, source: Any, folder: Path, target: str) -> None:
        """Fetch all of them into `folder`; `target` names the project that they go to."""
        found = sorted(filter(is_users, source.logged_artifacts()), key=number_of)
        self._made = {item.id: _copied(item, folder / str(number), target) for number, item in enumerate(found)}
        self._found = found
        self._known: dict[str, str] = {}
        self.collections = sorted({collection_of(item) for item in found})
        self.size = sum(item.size for item in found)
        self.count = len(found)

    def log(self, run: "wandb.Run") -> None:
        """Log them all. At which step does not matter: `wandb sync` does not send it."""
        for item in self._found:
            run.log_artifact(self._made[item.id], aliases=list(item.aliases), tags=list(item.tags))

    def renamed(self, value: Any) -> Any:
        """The same value; what refers to an artifact of this run refers to the new one."""
        if isinstance(value, list):
            return [self.renamed(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        made = self._made.get(self._id_of(value.get("artifact_path")))
        changed = {key: self.renamed(item) for key, item in value.items()}
        if made is not None:
            changed["artifact_path"] = f"{BY_CLIENT}{made._client_id}/{_inside(value['artifact_path'])}"
            if "_latest_artifact_path" in value:
                inside = _inside(value["_latest_artifact_path"])
                changed["_latest_artifact_path"] = f"{BY_CLIENT}{made._sequence_client_id}:latest/{inside}"
        return changed

    def _id_of(self, path: Any) -> str:
        if not isinstance(path, str) or not path.startswith((BY_CLIENT, BY_SERVER)):
            return ""
        key = path.split("://", 1)[1].split("/", 1)[0]
        if key not in self._known:
            self._known[key] = _resolved(key) if path.startswith(BY_CLIENT) else _decoded(key)
        return self._known[key]


def check(path: Path, digest: str | None) -> None:
    """Hold a file against its MD5 in base64 or hexadecimal, where the tracker tells one.

    Raises:
        ArtifactError: it has other bytes.
    """
    found = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            found.update(block)
    if digest and digest not in (base64.b64encode(found.digest()).decode(), found.hexdigest()):
        raise ArtifactError(f"{path.name} did not come whole: its bytes do not match their digest")


def _copied(source: Any, root: Path, target: str) -> wandb.Artifact:
    kind = InternalArtifact if source.type in OF_CLIENT else wandb.Artifact
    made = kind(collection_of(source), source.type, description=source.description, metadata=dict(source.metadata))
    # The same ids each time: rows that were sent by an earlier call refer to them.
    made._client_id, made._sequence_client_id = (
        hashlib.sha512(f"{source.id} {target} {what}".encode()).hexdigest() for what in ("version", "sequence")
    )
    if source.ttl is not None:
        made.ttl = source.ttl
    entries = source.manifest.entries
    if not any(entry.ref for entry in entries.values()):
        source.download(root=str(root), skip_cache=True)
    for name, entry in entries.items():
        if entry.ref:
            made.manifest.add_entry(
                ArtifactManifestEntry(
                    path=entry.path, digest=entry.digest, ref=entry.ref, size=entry.size, extra=entry.extra
                )
            )
            continue
        if not (root / name).exists():
            source.get_entry(name).download(root=str(root), skip_cache=True)
        made.add_file(str(root / name), name=str(name), policy="immutable", skip_cache=True)
        if made.manifest.entries[name].digest != entry.digest:
            raise ArtifactError(f"{source.name}/{name} did not come whole: its bytes do not match their digest")
    return made


def _inside(path: str) -> str:
    return path.split("://", 1)[1].split("/", 1)[1]


def _resolved(client_id: str) -> str:
    found = current_tracker(PATIENCE_S).execute(_MAPPING, {"id": client_id}).get("clientIDMapping") or {}
    return str(found.get("serverID", ""))


def _decoded(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
