"""Which data this process has read, by digest: inputs of a run that are no artifacts.

Whoever reads a data set notes what it found; the provenance of a run tells it. Knows no data set and no run.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

_read: dict[str, str] = {}


def note(name: str, *parts: Any) -> None:
    """A data set was read: `parts` are what it consists of, as bytes or contiguous arrays."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    _read[name] = hashed.hexdigest()


def note_digest(name: str, digest: str) -> None:
    """A data set with this digest was read."""
    _read[name] = digest


def read() -> Mapping[str, str]:
    """The digest (SHA-256) of each data set that this process has read, or the one that it was forked from."""
    return dict(sorted(_read.items()))
