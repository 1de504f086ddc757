"""In what two records of provenance differ: code, packages, machine, variables, data, inputs. Knows no tracker."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

CODE, PACKAGES, MACHINE, VARIABLES, DATA, INPUTS = "code", "packages", "machine", "variables", "data", "inputs"
ABSENT = "-"
MEASURED = "/timing.parquet"
"""The table of how long a training took, which comes out otherwise each time."""
SHORT = 12


class Difference(NamedTuple):
    """One thing that differs: of which kind, its name, and what it was and is."""

    kind: str
    name: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} → {self.now}"


def of_environments(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What is there before anything runs: code, packages, interpreter, machine, variables.

    `packages` of a record may be all that are installed, or the main ones; only what both know of is compared,
    unless both have all.
    """
    return [
        *_code(before, now),
        *_values(PACKAGES, before.get("packages", {}), now.get("packages", {})),
        *_machine(before, now),
        *_values(VARIABLES, before.get("variables", {}), now.get("variables", {})),
    ]


def of_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What holds once it ran: data sets and artifacts that were read, by digest, and how many threads computed."""
    used = [{name: one["digest"] for name, one in record.get("inputs", {}).items()} for record in (before, now)]
    return [
        *_values(DATA, before.get("data", {}), now.get("data", {}), short=True),
        *_values(INPUTS, *used, short=True),
        *_values(MACHINE, *({"threads": one["threads"]} if "threads" in one else {} for one in (before, now))),
    ]


def of_outputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The files that both made, but for measured times: those with the same bytes, and those with other ones."""
    one, other = (
        {
            f"{name}/{file}": digest
            for name, files in record.get("outputs", {}).items()
            for file, digest in files.items()
        }
        for record in (before, now)
    )
    both = [file for file in one if file in other and not file.endswith(MEASURED)]
    equal = [file for file in both if one[file] == other[file]]
    return equal, [file for file in both if one[file] != other[file]]


def _code(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    was, is_now = before.get("git", {}), now.get("git", {})
    if (before.get("environment") and before.get("environment") == now.get("environment")) or (
        was.get("tree") and was.get("tree") == is_now.get("tree")
    ):
        return
    one, other = (_state(git) for git in (was, is_now))
    if one != other or was.get("dirty") or is_now.get("dirty"):
        yield Difference(CODE, "commit", one, other)


def _state(git: Mapping[str, Any]) -> str:
    """The commit, or where none tells the code its digest."""
    if git.get("source"):
        return f"source {git['source']}"
    commit = str(git.get("commit") or "no repository")[:SHORT]
    return f"{commit} with changes" if git.get("dirty") else commit


def _machine(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in ("python", "platform"):
        if before.get(name) != now.get(name):
            yield Difference(MACHINE, name, str(before.get(name)), str(now.get(name)))
    was, is_now = before.get("device", {}), now.get("device", {})
    for name in ("cpu", "accelerators"):
        if was.get(name) != is_now.get(name):
            yield Difference(MACHINE, name, _told(was.get(name)), _told(is_now.get(name)))


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _values(
    kind: str, before: Mapping[str, Any], now: Mapping[str, Any], *, short: bool = False
) -> Iterator[Difference]:
    for name in sorted({*before, *now}):
        one, other = (str(values.get(name, ABSENT)) for values in (before, now))
        if one != other:
            yield Difference(kind, name, one[:SHORT] if short else one, other[:SHORT] if short else other)
