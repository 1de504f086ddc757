"""sashiko diff: in what two runs differ, on one screen: config, code, packages, machine, data, metrics."""

import difflib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from framework.config import canonical_json
from framework.tracking import apart, packed
from framework.tracking.apart import Difference
from framework.tracking.tracker import Tracker
from framework.tracking.verdict import Line, Tolerance, Verdict, lines_of
from launch import records
from launch.records import Found
from launch.show import print_rows
from launch.telling import Exact
from launch.words import counted

SHOWN, SHOWN_METRICS = 6, 12
ABSENT = "-"


@dataclass(frozen=True)
class FileChange:
    """A source file that differs: how many lines came and went, and the patch."""

    name: str
    added: int
    removed: int
    patch: str


@dataclass(frozen=True)
class Differing:
    """Two runs, as a document: what differs of each kind, and all metrics."""

    first: str
    second: str
    same_config: bool
    config: list[dict[str, str]]
    code: list[dict[str, Any]]
    packages: list[dict[str, str]]
    machine: list[dict[str, str]]
    data: list[dict[str, str]]
    metrics: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def diff(tracker: Tracker, first: str, second: str, *, full: bool = False, patch: bool = False) -> Differing:
    """Tell in what two runs differ, and return it.

    Raises:
        SashikoError: one of them cannot be found, or has no record.
    """
    one, other = (records.find(tracker, text) for text in (first, second))
    before, now = ({**found.told, "packages": found.packages} for found in (one, other))
    changes, note = _code(one, other)
    environments = apart.of_environments(before, now)
    config = list(_config(one.told, other.told))
    lines = lines_of(before.get("metrics", {}), now.get("metrics", {}), Tolerance())
    packages = [each for each in environments if each.kind == apart.PACKAGES]
    machine = [each for each in environments if each.kind in (apart.MACHINE, apart.VARIABLES)]
    data = apart.of_data(one.told, other.told)
    notes = [note] if note else []
    most = None if full else SHOWN
    typer.echo(f"1  {_head(one)}\n2  {_head(other)}")
    _tell("config", config, most)
    _tell_code(changes, note, most, patch=patch)
    for title, found in (("packages", packages), ("machine", machine), ("data", data)):
        _tell(title, found, most)
    _tell_metrics(lines, None if full else SHOWN_METRICS)
    return Differing(
        one.where, other.where, one.told["work"]["config_id"] == other.told["work"]["config_id"],
        [each._asdict() for each in config], [vars(change) for change in changes],
        [each._asdict() for each in packages], [each._asdict() for each in machine],
        [each._asdict() for each in data], [_plain(line) for line in lines], notes,
    )  # fmt: skip


def _head(found: Found) -> str:
    work, place = found.told["work"], found.told.get("run", {})
    begun = str(found.told.get("start", ""))[:19]
    name = place.get("name") or ""
    return f"{found.where}  {work['experiment']} {work['kind']} {work['config_id']}  {name}  {begun}".rstrip()


def _config(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    one, other = (dict(_leaves(told["config"])) for told in (before, now))
    for key in dict.fromkeys((*one, *other)):
        was, is_now = one.get(key, ABSENT), other.get(key, ABSENT)
        if was != is_now:
            yield Difference("config", key, was, is_now)


def _leaves(data: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else canonical_json(value)


def _code(one: Found, other: Found) -> tuple[list[FileChange], str]:
    """What changed of the source, file by file; and what is to be said where it is not known."""
    if one.told.get("environment") == other.told.get("environment"):
        return [], ""
    sources = [_sources(found.environment) for found in (one, other)]
    if None in sources:
        return [], "the code of one of the two is gone, or was not recorded"
    before, now = (source or {} for source in sources)
    return [
        _change(name, before.get(name, ""), now.get(name, ""))
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ], ""


def _sources(folder: Path | None) -> dict[str, str] | None:
    if folder is None or not (folder / packed.FILE).is_file():
        return None
    with zipfile.ZipFile(folder / packed.FILE) as archive:
        names = [name for name in archive.namelist() if name != packed.INNER]
        return {name: archive.read(name).decode(errors="replace") for name in names}


def _change(name: str, before: str, now: str) -> FileChange:
    lines = list(
        difflib.unified_diff(before.splitlines(), now.splitlines(), f"1/{name}", f"2/{name}", lineterm="")
    )
    body = lines[2:]
    added, removed = (sum(line.startswith(sign) for line in body) for sign in "+-")
    return FileChange(name, added, removed, "\n".join(lines))


def _tell(title: str, found: Sequence[Difference], most: int | None) -> None:
    typer.echo(f"{title:<9} {_count(found)}")
    if found:
        rows = [{"": "  ", "name": one.name, "1": one.before, "2": one.now} for one in found[:most]]
        print_rows(rows)
    _tell_more(len(found), most)


def _count(found: Sequence[Difference]) -> str:
    return f"{counted(len(found), 'value')} differ{'s' * (len(found) == 1)}" if found else "same"


def _tell_code(changes: Sequence[FileChange], note: str, most: int | None, *, patch: bool) -> None:
    added, removed = sum(one.added for one in changes), sum(one.removed for one in changes)
    changed = f"{counted(len(changes), 'file')} changed, +{added} -{removed} lines" if changes else "same"
    told = note or changed
    typer.echo(f"{'code':<9} {told}")
    if patch:
        typer.echo("\n".join(change.patch for change in changes))
        return
    for change in changes[:most]:
        typer.echo(f"   {change.name}  +{change.added} -{change.removed}")
    _tell_more(len(changes), most)


def _tell_metrics(lines: Sequence[Line], most: int | None) -> None:
    # What differs comes first.
    ordered = sorted(lines, key=lambda line: line.verdict is Verdict.IDENTICAL)
    differing = sum(line.verdict is not Verdict.IDENTICAL for line in lines)
    typer.echo(f"{'metrics':<9} {'same' if not differing else f'{differing} of {len(lines)} not the same'}")
    print_rows(
        [
            {"": "  ", "metric": line.name, "1": line.before, "2": line.now, "difference": line.difference}
            for line in ordered[:most]
        ]
    )
    _tell_more(len(ordered), most)


def _tell_more(count: int, most: int | None) -> None:
    if most is not None and count > most:
        typer.echo(f"   … {count - most} more with --full")


def _plain(line: Line) -> dict[str, Any]:
    values = {"before": line.before, "now": line.now, "difference": line.difference}
    return {"name": line.name, **{name: None if x is None else Exact(x) for name, x in values.items()}}
