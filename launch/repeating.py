"""sashiko rerun --from: a run, or what made an artifact, once more, and how it came out beside the first.

What differs of code, packages and machine is told before anything runs. The work is done by a process of its own
(`python -m experiments --again`), with the code and packages of now, or with those that were recorded.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from experiments import manager_of
from framework.errors import RunsFailed
from framework.tracking import again, apart, provenance, record
from framework.tracking.apart import Difference
from framework.tracking.tracker import Tracker
from framework.tracking.verdict import Line, Tolerance, Verdict, lines_of, whole
from launch import records
from launch.show import print_rows
from launch.telling import Exact

SHOWN = 12
LAST = 20


@dataclass(frozen=True)
class Wish:
    """What is to be done again: which run, how exactly, and whether with the recorded code and packages."""

    text: str
    tolerance: Tolerance
    fresh: bool = False


@dataclass(frozen=True)
class Repeated:
    """A run beside the one that it repeats, as a document."""

    verdict: str
    exit_code: int
    first: str
    run: str
    config_id: str
    environment: list[dict[str, str]]
    data: list[dict[str, str]]
    metrics: list[dict[str, Any]]
    equal_files: list[str] = field(default_factory=list)
    other_files: list[str] = field(default_factory=list)


def repeat(tracker: Tracker, wish: Wish) -> Repeated:
    """Do it again, tell what came out, and return it.

    Raises:
        SashikoError: it cannot be done again, or failed; the message tells why.
    """
    found = records.find(tracker, wish.text)
    work = found.told["work"]
    typer.echo(f"{found.where}: {work['experiment']}, {work['kind']} {work['config_id']}")
    if wish.fresh:
        from launch import fresh

        built = fresh.build(found)
        python, places = str(built.python), [str(built.code)]
        before = [one for one in _differing(found) if one.kind == apart.MACHINE]
    else:
        again.config_of(found.told, manager_of(str(work["experiment"])), found.where)
        python, places = sys.executable, _places()
        before = _differing(found)
    _tell_before(before)
    now = _work(found.told, python, places, tracker)
    return _compared(found, now, before, wish.tolerance)


def _places() -> list[str]:
    """Where the modules of now lie, and what this process was told to look in besides."""
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys([str(provenance.home().parent), *filter(None, told)]))


def _differing(found: records.Found) -> list[Difference]:
    """What of the environment differs from that of this process."""
    here = provenance.of_process()
    now = {**here.record, "variables": found.told.get("variables", {}), "packages": here.packages}
    return apart.of_environments({**found.told, "packages": found.packages}, now)


def _tell_before(differences: Sequence[Difference]) -> None:
    if not differences:
        typer.echo("differs before it runs: nothing")
        return
    typer.echo("differs before it runs:")
    for kind in dict.fromkeys(one.kind for one in differences):
        of_kind = [str(one) for one in differences if one.kind == kind]
        more = f" and {len(of_kind) - SHOWN} more" if len(of_kind) > SHOWN else ""
        typer.echo(f"  {kind:<10} {', '.join(of_kind[:SHOWN])}{more}")


def _work(told: Mapping[str, Any], python: str, places: Sequence[str], tracker: Tracker) -> dict[str, Any]:
    """The record of the run that does it again."""
    with tempfile.TemporaryDirectory(prefix="sashiko-again-") as text:
        folder = Path(text)
        place = {**told.get("run", {}), "entity": _entity(told, tracker)}
        record.write(folder / "first.toml", {**told, "run": place})
        words = ["-m", "experiments", "--again", str(folder / "first.toml"), "--told", str(folder / "again.toml")]
        done = subprocess.run(
            [python, *words], env=_variables(told, places), capture_output=True, text=True, check=False
        )
        if done.returncode or not (folder / "again.toml").is_file():
            said = "\n".join(f"  {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-LAST:])
            raise RunsFailed(f"the run that was to do it again failed (exit code {done.returncode}):\n{said}")
        return record.read(folder / "again.toml")


def _entity(told: Mapping[str, Any], tracker: Tracker) -> str:
    """That of the first run where it is on this tracker; else that of the key."""
    place = told.get("run", {})
    known = place.get("entity") if place.get("tracker") == tracker.url else None
    return str(known or tracker.check())


def _variables(told: Mapping[str, Any], places: Sequence[str]) -> dict[str, str]:
    """The environment of the process: the variables on which digits depend are those of the first run."""
    rest = {name: value for name, value in os.environ.items() if name not in provenance.VARIABLES}
    paths = {"PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
    return {**rest, **paths, **{str(name): str(value) for name, value in told.get("variables", {}).items()}}


def _compared(
    found: records.Found, now: Mapping[str, Any], before: Sequence[Difference], tolerance: Tolerance
) -> Repeated:
    lines = lines_of(found.told.get("metrics", {}), now["metrics"], tolerance)
    data = apart.of_data(found.told, now)
    equal, other = apart.of_outputs(found.told, now)
    failed = found.told.get("exit_code", 0) != 0
    verdict = Verdict.INCOMPARABLE if failed else whole(lines)
    place = now["run"]
    path = f"{place['entity']}/{place['project']}/{place['id']}"
    _tell(lines, data, equal, other)
    why = " (the first run failed)" if failed else ""
    typer.echo(f"verdict: {verdict}{why}; run {path}")
    return Repeated(
        str(verdict), verdict.exit_code, found.where, path, str(now["work"]["config_id"]),
        [one._asdict() for one in before], [one._asdict() for one in data], [_plain(line) for line in lines],
        equal, other,
    )  # fmt: skip


def _tell(lines: Sequence[Line], data: Sequence[Difference], equal: Sequence[str], other: Sequence[str]) -> None:
    print_rows([_row(line) for line in lines])
    for one in data:
        typer.echo(f"read something else: {one.kind} {one}")
    if equal or other:
        typer.echo(f"files: {len(equal)} of {len(equal) + len(other)} have the same bytes")
        typer.echo("".join(f"  other bytes: {name}\n" for name in other[:SHOWN]), nl=False)


def _row(line: Line) -> dict[str, Any]:
    return {
        "metric": line.name, "before": _digits(line.before), "now": _digits(line.now),
        "difference": _digits(line.difference), "tolerance": f"{line.tolerance:.1e}", "verdict": str(line.verdict),
    }  # fmt: skip


def _digits(value: float | None) -> str:
    """All digits that tell a number from the next one."""
    return "-" if value is None else repr(value)


def _plain(line: Line) -> dict[str, Any]:
    values = {"before": line.before, "now": line.now, "difference": line.difference, "tolerance": line.tolerance}
    return {
        "name": line.name,
        **{name: None if value is None else Exact(value) for name, value in values.items()},
        "verdict": str(line.verdict),
    }
