"""After the runs: which run used which artifact, aliases, and versions whose number came out another one.

Artifacts are the same at both ends where collection, type and digest are. Everything here may be done twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import wandb

from framework.errors import TrackerError
from launch.push.ends import End

SYSTEM = "wandb-"


class Lineage:
    """The artifacts of a project at both ends.

    Raises:
        TrackerError: either end cannot be read.
    """

    def __init__(self, source: End, target: End) -> None:
        """Read nothing yet."""
        self._ends = source, target
        self._source, self._target = (
            wandb.Api(overrides={"base_url": end.tracker.url, "entity": end.entity}, api_key=end.tracker.key)
            for end in (source, target)
        )
        self._pairs: dict[tuple[str, str], dict[str, Any]] = {}

    def restore(self, run_ids: Iterable[str]) -> Iterator[str]:
        """Repeat for these runs what they used, and the aliases of what they made; tells what differs."""
        try:
            for run_id in run_ids:
                yield from self._restore(run_id)
        except (ValueError, wandb.Error) as error:
            raise TrackerError(f"the artifacts cannot be compared: {error}") from error

    def _restore(self, run_id: str) -> Iterator[str]:
        run = self._run(self._source, self._ends[0], run_id)
        for artifact in run.logged_artifacts():
            if not artifact.type.startswith(SYSTEM):
                yield from self._compare(artifact)
        used = list(run.used_artifacts())
        if not used:
            return
        other = self._run(self._target, self._ends[1], run_id)
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
            return
        if same.version != artifact.version:
            yield f"{artifact.name} is {same.version} at the destination"

    def _same(self, artifact: Any) -> Any:
        collection = artifact.source_name.split(":")[0]
        key = (artifact.type, collection)
        if key not in self._pairs:
            self._pairs[key] = self._paired(*key)
        return self._pairs[key].get(artifact.id)

    def _paired(self, kind: str, collection: str) -> dict[str, Any]:
        """Which version is which, with the aliases restored: a version that was sent last has taken `latest`."""
        ours, theirs = (self._by_digest(number, kind, collection) for number in (0, 1))
        pairs = {}
        for digest, artifacts in ours.items():
            for artifact, same in zip(artifacts, theirs[digest], strict=False):
                pairs[artifact.id] = same
                missing = set(artifact.aliases) - set(same.aliases)
                if missing:
                    same.aliases = [*same.aliases, *sorted(missing)]
                    same.save()
        return pairs

    def _by_digest(self, number: int, kind: str, collection: str) -> dict[str, list[Any]]:
        api, end = (self._source, self._target)[number], self._ends[number]
        name = f"{end.entity}/{end.project}/{collection}"
        found: dict[str, list[Any]] = defaultdict(list)
        if api.artifact_collection_exists(name, kind):
            for artifact in sorted(api.artifacts(kind, name), key=lambda item: int(item.version[1:])):
                found[artifact.digest].append(artifact)
        return found

    @staticmethod
    def _run(api: "wandb.Api", end: End, run_id: str) -> Any:
        return api.run(f"{end.entity}/{end.project}/{run_id}")
