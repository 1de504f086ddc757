"""Which versions of artifacts may go: those that a newer one has superseded, and nobody has used or named.

Only what others may require is looked at (models, encoders and the like, and what was half done): of it the newest
version is all that is ever asked for. Results belong to the run that has logged them, and stay.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import wandb

from framework.errors import ArtifactError
from framework.fields import nearest
from framework.tracking.stale import CODE

LATEST = "latest"


class Logged(Protocol):
    """What is asked of a version: a `wandb.Artifact`."""

    @property
    def version(self) -> str:
        """`v<number>`."""

    @property
    def aliases(self) -> list[str]:
        """Its names beside that."""

    @property
    def metadata(self) -> dict[str, object]:
        """What was said of it."""

    def used_by(self) -> Sequence[object]:
        """The runs that have used it."""


T = TypeVar("T", bound=Logged)


@dataclass(frozen=True)
class Superseded:
    """A version that may go."""

    name: str
    size: int
    artifact: "wandb.Artifact"

    def delete(self) -> None:
        """Delete it. Its bytes go when the tracker looks for what nothing names any more.

        Raises:
            ArtifactError: the tracker refuses.
        """
        try:
            self.artifact.delete()
        except (ValueError, wandb.Error) as error:
            raise ArtifactError(f"{self.name} could not be deleted: {error}") from error


def superseded(project_path: str, kind: str = "") -> Iterator[Superseded]:
    """The versions in a project (entity/project) that may go, of one kind of artifact or of all.

    Raises:
        ArtifactError: there is no such project, or it has no such kind.
    """
    api = wandb.Api()
    try:
        kinds = [found.name for found in api.artifact_types(project_path)]
    except (ValueError, wandb.Error) as error:
        raise ArtifactError(f"the artifacts of {project_path} cannot be listed: {error}") from error
    if kind and kind not in kinds:
        raise ArtifactError(f"{project_path} has no artifacts of the kind {kind!r}; {nearest(kind, kinds)}")
    for name in [kind] if kind else kinds:
        for collection in api.artifact_collections(project_path, name):
            for artifact in may_go(list(collection.artifacts())):
                yield Superseded(artifact.qualified_name, artifact.size, artifact)


def may_go(versions: Iterable[T]) -> list[T]:
    """Of the versions of one collection those that may go, oldest first.

    The newest stays, what a run has used, and what has a name other than `latest`, such as `best`.
    """
    ordered = sorted(versions, key=_number)
    return [
        one
        for one in ordered[:-1]
        if CODE in one.metadata and not set(one.aliases) - {LATEST} and not list(one.used_by())
    ]


def _number(version: Logged) -> int:
    return int(version.version.removeprefix("v"))
