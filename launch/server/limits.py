"""The numbers that bound the server: sizes in bytes, times in seconds. Nothing else is decided here."""

import os
from dataclasses import dataclass

from framework.errors import ConfigError, Problem
from framework.search.carried import LONGEST_NAME

KIB = 1024
MIB = 1024 * KIB

MAX_GRAPHQL_BODY = 16 * MIB
"""A run's config or summary, or a page of artifact entries, travels in one request."""
MAX_STREAM_BODY = 32 * MIB
"""One `file_stream` request; after gzip has been undone."""
MAX_RESTORED = 1024 * MIB
"""What is sent in bulk in one request: at least one run with all its rows."""
MAX_MANIFEST = 128 * MIB
"""An artifact's manifest (about 150 bytes a file)."""
MAX_UPLOAD = 256 * 1024 * MIB
"""One file of a run or an artifact."""
MAX_DISCARDED = 1024 * MIB
"""What is read on of an upload that has been refused already."""
MAX_JSON_DEPTH = 64
MAX_QUERY_TOKENS = 6_000
MAX_QUERY_DEPTH = 24
MAX_QUERY_LENGTH = 64 * KIB
MAX_QUERY_NODES = 250_000
"""Objects in one answer: a page of 10,000 runs with all that hangs on each is about 60,000."""
MAX_MUTATIONS = 20
"""Mutations in one operation, which is one transaction."""
MAX_ANSWER = 64 * MIB
"""Bytes of texts in one answer: configs, rows."""
LARGE_ANSWER = 4 * MIB
"""Bytes of texts from which on an answer is a large one."""
LARGE_ANSWERS, LARGE_ANSWERS_EACH = 4, 2
"""Large answers that are on their way at the same time: to all users, and to each."""
ANSWER_SECONDS = 60.0
"""How long a client may not read on while an answer is on its way."""
QUERY_SECONDS = 30.0
"""How long one operation may go on from object to object."""
MAX_PAGE = 10_000
"""Nodes in one page of a connection."""
MAX_NAME = LONGEST_NAME
"""Characters in the name of a project, run, file or artifact."""
MAX_POINTS = 1_000_000
"""Points in one sweep."""
MAX_SWEEP = 1024 * MIB
"""Bytes of all points of one sweep, each written out."""
UPLOAD_CHUNK = MIB

SIGNED_SECONDS = 6 * 3600
"""How long a signed address works. The client asks for a batch of addresses and then works it off."""
SESSION_SECONDS = 12 * 3600
"""How long a browser stays logged in."""
AHEAD_SECONDS = 3600
"""By how much a moment that was noted may lie ahead of the clock; further on, the clock was wrong when it was."""
BODY_SECONDS = 120.0
"""How long the body of a GraphQL or `file_stream` request may take to arrive."""
STALL_SECONDS = 60.0
"""How long an upload may pause in the middle."""
BUSY_SECONDS = 20.0
"""How long a statement waits for another process that holds the database."""


@dataclass(frozen=True)
class ServeOptions:
    """What can be set about a server.

    `lease_seconds`: a run whose process and agent were both silent for so long is taken for crashed, and its
    grid point is handed out again. `grace_seconds`: how long a run that its agent no longer lists may take to
    send its last rows before it is taken for crashed. `attempts`: how many lost runs a grid point may have before
    it ends with the last of them. `lab`: more people than the owner of the folder use the server, so that its
    pages need a key too. `rate`: how many requests a second a key may send before it is slowed down (`pace`); 0
    does not slow anybody down. `proxy`: the address of the proxy before the server; what the server signs for
    others leads there, whatever the proxy tells of itself. `parquet`: histories of ended runs are offered as
    Parquet. The client keeps such a file by the names of entity, project and run alone, and reads it again for a
    run that went on, for one of the same name after it was deleted, and for one of another server. `age_seconds`:
    after so much silence the lines of a run move into column files (`ageing`); None: never.
    """

    lease_seconds: float = 60.0
    grace_seconds: float = 15.0
    attempts: int = 3
    lab: bool = False
    rate: float = 0.0
    proxy: str | None = None
    parquet: bool = False
    age_seconds: float | None = 7 * 86_400.0

    @property
    def tick_seconds(self) -> float:
        """How often silent runs are looked for, at least."""
        return min(max(self.lease_seconds / 4, 0.25), 5.0)

    @property
    def pause_seconds(self) -> float:
        """The longest time without a look at the clock in which the server was not away."""
        return max(3 * self.tick_seconds, self.lease_seconds / 3)

    @classmethod
    def from_environment(cls) -> "ServeOptions":
        """Options from `SASHIKO_LEASE_SECONDS`, `SASHIKO_PARQUET` (1 or 0) and `SASHIKO_AGE_DAYS` (or never).

        Raises:
            ConfigError: a number is not positive, or `SASHIKO_PARQUET` neither 1 nor 0.
        """
        problems = []
        parquet = os.environ.get("SASHIKO_PARQUET", "0")
        if parquet not in ("0", "1"):
            problems.append(Problem("SASHIKO_PARQUET", f"is {parquet!r}; allowed: 1 or 0"))
        seconds = _positive("SASHIKO_LEASE_SECONDS", cls.lease_seconds, "seconds", problems)
        never = os.environ.get("SASHIKO_AGE_DAYS") == "never"
        days = 0.0 if never else _positive("SASHIKO_AGE_DAYS", 7.0, "days, or never", problems)
        if problems:
            raise ConfigError(problems, where="the environment")
        grace = min(cls.grace_seconds, seconds)
        age = None if never else days * 86_400
        return cls(lease_seconds=seconds, grace_seconds=grace, parquet=parquet == "1", age_seconds=age)


def _positive(name: str, default: float, unit: str, problems: list[Problem]) -> float:
    """The positive number in an environment variable; a problem if it holds none."""
    text = os.environ.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        problems.append(Problem(name, f"must be a positive number of {unit}, not {text!r}"))
    return value
