"""How often work that failed is tried again without being asked for: as its last error tells what kind it was.

For points of a grid and for what they require alike. How often a lost one is tried again, the tracker says.
"""

import re
from enum import StrEnum

from framework.errors import RequirementFailed


class Kind(StrEnum):
    """What made a piece of work fail."""

    MEMORY = "out of memory"
    KILLED = "killed"
    LOST = "lost"
    TIMEOUT = "timeout"
    CONFIG = "config"
    REQUIREMENT = "requirement"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    EXCEPTION = "exception"
    UNKNOWN = "unknown"


RETRIES = {Kind.MEMORY: 1, Kind.KILLED: 1, Kind.TIMEOUT: 1, Kind.EXCEPTION: 1, Kind.UNKNOWN: 1}
"""How often each is tried again; others are not: without a change they would fail the same way."""
_PATTERNS = (
    (
        Kind.MEMORY,
        re.compile(
            r"out ?of ?memory|\bMemoryError\b|not enough memory|can.{1,2}t allocate memory",
            re.I,
        ),
    ),
    (Kind.CONFIG, re.compile(r"^(ConfigError|DefinitionError|GridError)\b|^\S+: \d+ problems?$", re.MULTILINE)),
    (Kind.DIVERGED, re.compile(r"^TrainingDiverged\b")),
    (Kind.TIMEOUT, re.compile(r"^(TimeoutError|TimeoutExpired)\b|time ?limit|timed out", re.I)),
    (Kind.KILLED, re.compile(r"^killed by signal")),
    (Kind.EXCEPTION, re.compile(r"^[A-Za-z_][\w.]*(:|$)")),
)


def kind_of_error(error: str) -> Kind:
    """What made a run fail that said `error`."""
    if error.startswith(f"{RequirementFailed.__name__}:"):
        return Kind.REQUIREMENT
    return next((kind for kind, pattern in _PATTERNS if pattern.search(error)), Kind.UNKNOWN)


def lacked_memory(error: str) -> bool:
    """Whether a run that said `error` had too little memory."""
    return kind_of_error(error) is Kind.MEMORY


def is_tried_again(error: str, failed_before: int) -> bool:
    """Whether work whose run said `error`, and that failed so many times before, is tried once more."""
    return failed_before < RETRIES.get(kind_of_error(error), 0)
