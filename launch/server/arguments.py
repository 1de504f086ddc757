"""What values the arguments of the API may have: checked once, before any resolver sees them.

The client sends whatever its user gave it, and anybody can send more. W&B's names mean the same thing in every
operation (an `artifactID` is a text, `first` a number), so one table of names is enough; the few that differ are
told apart by their operation. Names that are not listed pass unchecked; a resolver that reads one (`UNLISTED`)
checks it itself. This module does not know what a value is used for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from launch.server.errors import ApiError

Check = Callable[[object], bool]
MOST_WHOLE = 2**63 - 1
SHOWN = 60


def is_text(value: object) -> bool:
    """A text without null characters, which no name on a disk or in a query may hold."""
    return isinstance(value, str) and "\x00" not in value


def is_whole(value: object) -> bool:
    """An integer that fits 64 bits, as the database stores it."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST_WHOLE


def is_number(value: object) -> bool:
    """A number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_WHOLE


def is_flag(value: object) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_text_list(value: object) -> bool:
    """A list of texts; a null in it is the client's way to say nothing."""
    return isinstance(value, list) and all(item is None or is_text(item) for item in value)


def is_object_list(value: object) -> bool:
    """A list of objects."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def is_json(value: object) -> bool:
    """An object, or a text that should hold one."""
    return isinstance(value, dict | str)


def is_cursor(value: object) -> bool:
    """A place in a list, as this server gave it."""
    return is_text(value) or is_whole(value)


KINDS: Mapping[str, tuple[Check, str]] = {
    **dict.fromkeys(
        (
            "id", "name", "entityName", "entity", "projectName", "project", "modelName", "runName", "run", "sweep",
            "sweepName", "agentName", "displayName", "description", "notes", "groupName", "jobType", "commit",
            "host", "jobProgram", "jobRepo", "state", "title", "text", "query", "pattern", "order", "artifactID",
            "artifactTypeName", "artifactSequenceID", "artifactPortfolioID", "artifactPortfolioName",
            "artifactManifestID", "artifactCollectionName", "artifactCollectionID", "destinationArtifactTypeName",
            "baseArtifactID", "aliasName", "alias", "tagName", "digest", "md5", "clientID", "sequenceClientID",
            "distributedID", "type", "usedAs", "storageRegion", "metricName",
        ),
        (is_text, "a text"),
    ),
    **dict.fromkeys(
        ("first", "last", "samples", "minStep", "maxStep", "limit", "ttlDurationSeconds", "historyStep"),
        (is_whole, "a whole number of at most 64 bits"),
    ),
    **dict.fromkeys(
        ("upload", "missingOk", "deleteAliases", "deleteArtifacts", "enableDigestDeduplication", "includeUpload"),
        (is_flag, "true or false"),
    ),
    **dict.fromkeys(
        ("names", "files", "keys", "artifactCollectionNames", "liveKeys"), (is_text_list, "a list of texts")
    ),
    **dict.fromkeys(
        ("aliases", "tags", "tagsToAdd", "tagsToDelete", "artifactFiles", "entries"),
        (is_object_list, "a list of objects"),
    ),
    **dict.fromkeys(
        ("config", "summaryMetrics", "metadata", "runState", "metrics", "filters", "priorRunsFilters"),
        (is_json, "a JSON object"),
    ),
    "metricValue": (is_number, "a number of at most 64 bits"),
    "after": (is_cursor, "a cursor of this server"),
    "input": (lambda value: isinstance(value, dict), "an object"),
}  # fmt: skip
UNLISTED = ("specs",)
BY_OPERATION: Mapping[tuple[str, str], tuple[Check, str]] = {
    ("upsertBucket", "tags"): (is_text_list, "a list of texts"),
}


def check(field: str, arguments: Mapping[str, Any]) -> None:
    """Let pass the arguments of a field.

    Raises:
        ApiError: some are not what they must be; all of them are told.
    """
    if problems := list(_problems(field, arguments, "")):
        raise ApiError(f"{field}: {'; '.join(problems)}")


def _problems(field: str, values: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in values.items():
        if value is None:
            continue
        accepts, kind = BY_OPERATION.get((field, name)) or KINDS.get(name) or (None, "")
        if accepts is None:
            continue
        if not accepts(value):
            shown = repr(value)
            shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
            yield f"{path}{name} must be {kind}, not {shown}"
        elif name == "input":
            yield from _problems(field, value, "")
        elif accepts is is_object_list:
            for index, item in enumerate(value):
                yield from _problems(field, item, f"{path}{name}[{index}].")
