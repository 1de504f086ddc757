"""Which data this process has read, by digest: inputs of a run that are no artifacts.

Whoever reads a data set notes what it found; the provenance of a run tells it. Knows no data set and no run.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from framework.errors import DataUnavailable

SHORT = 12
_read: dict[str, str] = {}
_pinned: dict[str, str] = {}


def pin(digests: Mapping[str, str]) -> None:
    """From now on these data sets have to be those with these digests, as far as they are read."""
    _pinned.update(digests)


def note(name: str, *parts: Any) -> None:
    """A data set was read: `parts` are what it consists of, as bytes or contiguous arrays.

    Raises:
        DataUnavailable: it is another one than was pinned.
    """
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    note_digest(name, hashed.hexdigest())


def note_digest(name: str, digest: str) -> None:
    """A data set with this digest was read.

    Raises:
        DataUnavailable: it is another one than was pinned.
    """
    was = _pinned.get(name, digest)
    if was != digest:
        told = f"the data set {name} is another one now ({digest[:SHORT]}) than was read then ({was[:SHORT]})"
        raise DataUnavailable(f"{told}: bring back what it was, or begin a run of its own")
    _read[name] = digest


def read() -> Mapping[str, str]:
    """The digest (SHA-256) of each data set that this process has read, or the one that it was forked from."""
    return dict(sorted(_read.items()))
