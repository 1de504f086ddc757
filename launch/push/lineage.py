"""After the runs: which run used which artifact, aliases, and versions whose number came out another one.

Artifacts are the same at both ends where collection, type and digest are. Everything here may be done twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import wandb

from framework.errors import TrackerError
from launch.push.ends import End
from launch.push.versions import collection_of, is_users, number_of


class Lineage:
    """The artifacts of a project at both ends."""

    def __init__(self, source: End, target: End) -> None:
        """Read nothing yet."""
        self._source, self._target = _Side(source), _Side(target)
        self._pairs: dict[tuple[str, str], dict[str, Any]] = {}

    def restore(self, run_ids: Iterable[str]) -> Iterator[str]:
        """Repeat for these runs what they used, and the aliases of what they made; tells what differs.

        Raises:
            TrackerError: either end cannot be read.
        """
        try:
            for run_id in run_ids:
                yield from self._restore(run_id)
        except (ValueError, wandb.Error) as error:
            raise TrackerError(f"the artifacts cannot be compared: {error}") from error

    def _restore(self, run_id: str) -> Iterator[str]:
        run = self._source.run(run_id)
        for artifact in filter(is_users, run.logged_artifacts()):
            yield from self._compare(artifact)
        used = list(run.used_artifacts())
        if not used:
            return
        other = self._target.run(run_id)
        has = {item.id for item in other.used_artifacts()}
        for artifact in used:
            same = self._same(artifact)
            if same is None:
                yield f"{run.name} used {artifact.name}, which is not at the destination"
            elif same.id not in has:
                other.use_artifact(same)

    def _compare(self, artifact: Any) -> Iterator[str]:
        same = self._same(artifact)
        if same is None:
            yield f"{artifact.name} is not at the destination"
        elif same.version != artifact.version:
            yield f"{artifact.name} is {same.version} at the destination"

    def _same(self, artifact: Any) -> Any:
        key = (artifact.type, collection_of(artifact))
        if key not in self._pairs:
            self._pairs[key] = self._paired(*key)
        return self._pairs[key].get(artifact.id)

    def _paired(self, kind: str, collection: str) -> dict[str, Any]:
        """Which version is which, with the aliases restored: a version that was sent last has taken `latest`."""
        ours, theirs = (side.by_digest(kind, collection) for side in (self._source, self._target))
        pairs = {}
        for digest, artifacts in ours.items():
            for artifact, same in zip(artifacts, theirs[digest], strict=False):
                pairs[artifact.id] = same
                missing = set(artifact.aliases) - set(same.aliases)
                if missing:
                    same.aliases = [*same.aliases, *sorted(missing)]
                    same.save()
        return pairs


class _Side:
    """A project as the client reads it."""

    def __init__(self, end: End) -> None:
        overrides = {"base_url": end.tracker.url, "entity": end.entity}
        self._api = wandb.Api(overrides=overrides, api_key=end.tracker.key)
        self._project = f"{end.entity}/{end.project}"

    def run(self, run_id: str) -> Any:
        return self._api.run(f"{self._project}/{run_id}")

    def by_digest(self, kind: str, collection: str) -> dict[str, list[Any]]:
        """The versions of a collection by their digest, oldest first; of one digest there may be several."""
        name = f"{self._project}/{collection}"
        found: dict[str, list[Any]] = defaultdict(list)
        if self._api.artifact_collection_exists(name, kind):
            for artifact in sorted(self._api.artifacts(kind, name), key=number_of):
                found[artifact.digest].append(artifact)
        return found
