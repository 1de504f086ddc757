"""What an archive is made of: a project of a tracker, as parts. Two kinds of trackers tell theirs alike.

The parts are those of `framework.tracking.bulk`. A server that sends in bulk is read so; every other one through
the API of W&B (`api_source`). Knows no archive.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from framework.tracking.bulk import Bulk, Part, offered
from framework.tracking.tracker import Tracker


class Source(Protocol):
    """A project of a tracker that is read."""

    way: str
    """How it is read, for the record."""
    lacks: Sequence[str]
    """What it does not tell, in words."""

    def about(self, **query: Any) -> dict[str, Any] | None:
        """What the project is, and how many `runs` a reading has; None where there is none."""

    def parts(self, kind: str, after: int = 0, **query: Any) -> Iterator[Part]:
        """The parts of its `runs`, `sweeps` or `artifacts` after a key."""

    def file(self, told: Mapping[str, Any]) -> Iterator[bytes]:
        """The bytes of a file, of which a run or a version tells `at` and `size`."""


class BulkSource:
    """A project that is read in bulk."""

    way = "in bulk"
    lacks: Sequence[str] = ()

    def __init__(self, tracker: Tracker, entity: str, project: str) -> None:
        self._bulk = Bulk(tracker, entity, project)

    def about(self, **query: Any) -> dict[str, Any] | None:
        """As `Bulk.about`."""
        return self._bulk.about(**query)

    def parts(self, kind: str, after: int = 0, **query: Any) -> Iterator[Part]:
        """As `Bulk.parts`."""
        return self._bulk.parts(kind, after, **query)

    def file(self, told: Mapping[str, Any]) -> Iterator[bytes]:
        """The bytes of a file."""
        return self._bulk.file(told["at"], told["size"])


def source_of(tracker: Tracker, entity: str, project: str) -> Source:
    """How a project of a tracker is read.

    Raises:
        TrackerError: it does not answer, or refuses the key.
    """
    if offered(tracker):
        return BulkSource(tracker, entity, project)
    from launch.archive.api_source import ApiSource

    return ApiSource(tracker, entity, project)


def units(parts: Iterator[Part]) -> Iterator[list[Part]]:
    """The parts that belong together: the first one of each tells its `key`. One that is told again counts."""
    unit: list[Part] = []
    for part in parts:
        if "key" in part.head or part.kind == "end":
            if unit and unit[0].head["key"] != part.head.get("key"):
                yield unit
            unit = []
        unit.append(part)
