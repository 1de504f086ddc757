"""What is known of an artifact version from its names."""

from typing import Any

SYSTEM = "wandb-"


def is_users(artifact: Any) -> bool:
    """Whether it is one that a run logged, and not one that the tracker keeps for itself (its history, say)."""
    return not artifact.type.startswith(SYSTEM)


def collection_of(artifact: Any) -> str:
    """The collection that it was made in."""
    return str(artifact.source_name.split(":")[0])


def number_of(artifact: Any) -> int:
    """3 of `v3`."""
    return int(artifact.version[1:])
