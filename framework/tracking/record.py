"""`provenance.toml`: what made a result, in one file from which it can be made again.

    provenance = 1                 the version of this form
    work                           experiment, kind (`run`, or that of an artifact), config_id
    start, end                     of a run; of an artifact, `created`
    [run]                          where it is: tracker, entity, project, id, name, sweep
    command, python, platform, host, device, git, environment, packages, variables, seeds
    [inputs.<artifact>]            version and digest of each artifact that was used; [data] digests of data sets
    [outputs.<artifact>]           digest of each file that was made
    [metrics]                      the numbers of the summary
    [config], [origins]            each value, and the layer that it came from where that is not the default
    nulls                          the dotted keys of what is null: TOML has none

Knows no tracker and no git.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from framework.errors import ConfigError, Problem

FILE = "provenance.toml"
VERSION = 1
NULLS = "nulls"


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record; whoever reads meanwhile finds a whole file."""
    nulls: list[str] = []
    whole = _without_nulls(record, "", nulls)
    partial = path.with_name(f".{path.name}")
    partial.write_text(tomli_w.dumps({"provenance": VERSION, NULLS: nulls, **whole}), encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> dict[str, Any]:
    """The record in a file, nulls in their places.

    Raises:
        ConfigError: it cannot be read, is no provenance file, or is one of another version.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([Problem("", f"cannot be read: {error}")], str(path)) from error
    version = record.pop("provenance", None)
    if version != VERSION:
        told = "is missing: this is no provenance file" if version is None else f"is {version!r}"
        message = f"{told}; allowed: {VERSION}, as this version of Sashiko writes and reads it"
        raise ConfigError([Problem("provenance", message)], str(path))
    missing = [name for name in ("work", "config") if not isinstance(record.get(name), Mapping)]
    if missing:
        raise ConfigError([Problem(name, "is missing: the file was cut or edited") for name in missing], str(path))
    for place in record.pop(NULLS, ()):
        _put_null(record, place.split("."))
    return record


def digests_of(folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in leave_out)
    return {path.relative_to(folder).as_posix(): digest_of(path) for path in files}


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_nulls(value: Any, key: str, nulls: list[str]) -> Any:
    """The value without its nulls, whose dotted keys go to `nulls`."""
    if isinstance(value, Mapping):
        items = [(str(name), item, f"{key}.{name}" if key else str(name)) for name, item in value.items()]
        nulls += [place for _, item, place in items if item is None]
        return {name: _without_nulls(item, place, nulls) for name, item, place in items if item is not None}
    if isinstance(value, list | tuple):
        nulls += [f"{key}.{place}" for place, item in enumerate(value) if item is None]
        return [_without_nulls(item, f"{key}.{i}", nulls) for i, item in enumerate(value) if item is not None]
    return value


def _put_null(record: Any, place: list[str]) -> None:
    """Put a null back; a key with dots in it is found by what is there. In a list they come in order."""
    for count in range(1, len(place) + 1):
        head, rest = ".".join(place[:count]), place[count:]
        if isinstance(record, list):
            if rest:
                _put_null(record[int(head)], rest)
            else:
                record.insert(int(head), None)
            return
        if not rest:
            record.setdefault(head, None)
            return
        if head in record:
            _put_null(record[head], rest)
            return
