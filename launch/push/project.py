"""A project of one tracker sent to another, through the client's own `wandb sync`.

Runs go in the order in which they were made; then artifacts, lineage and the states of the sweeps are set right.
A run that is there with the same state and as many rows is not sent again, so a call that was interrupted is
simply repeated. Knows neither how a run is written (`replay`) nor what a tracker is asked (`ends`).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console

from framework.errors import ConfigError, Problem, RunsFailed, TrackerError, TrackerRefused
from framework.fields import nearest
from framework.tracking.keys import api_of, stored_key
from framework.tracking.states import UNDER_WAY
from framework.tracking.tracker import Tracker
from launch.push.ends import End, RunLine, must_exist, place_sweeps, settle_sweeps
from launch.push.lineage import Lineage
from launch.push.runs import Sent, send_runs
from launch.push.send import KEY

STAYS = (
    "stays behind: when runs were made (each row keeps its _timestamp and _runtime), the times of console lines, "
    "system metrics, the steps at which artifacts were logged, reports, links to registries; crashed and killed "
    "runs are failed ones there"
)


@dataclass(frozen=True)
class Wish:
    """What of a project is sent: only these runs, only this sweep, again, those still running."""

    only: Sequence[str] = ()
    sweep: str = ""
    again: bool = False
    running: bool = False
    workers: int = 2


def destination(url: str) -> Tracker:
    """The tracker at an address, with the key from SASHIKO_PUSH_KEY or from `wandb login --host URL`.

    Raises:
        ConfigError: `url` is no address.
        TrackerRefused: there is no key for it.
    """
    url = api_of(url)
    if not url.startswith(("http://", "https://")):
        raise ConfigError([Problem("--to", f"must start with https:// or http://, not {url!r}")], "push")
    key = os.environ.get(KEY) or stored_key(url)
    if not key:
        raise TrackerRefused(f"there is no key for {url}: set {KEY}, or run `wandb login --host {url}`")
    return Tracker(url, key)


def ends(source: Tracker, target: Tracker, project: str, name: str) -> tuple[End, End]:
    """Both projects; each `[ENTITY/]PROJECT`, with the entity of the key where none is given.

    Raises:
        ConfigError: a name with too many parts, or both are the same project.
        TrackerError: one tracker or both do not answer, or refuse the key.
    """
    problems = [
        Problem(option, f"is {text!r}; write [ENTITY/]PROJECT")
        for option, text in (("PROJECT", project), ("--as", name or project))
        if not 0 < len(text.split("/")) < 3 or not all(text.split("/"))
    ]
    if problems:
        raise ConfigError(problems, "push")
    entities: list[str] = []
    errors: list[TrackerError] = []
    for tracker in (source, target):
        try:
            entities.append(tracker.check())
        except TrackerRefused as error:
            refusal = f"{target.url} refused the key: that of {KEY}, or the one that `wandb login` saved"
            errors.append(TrackerRefused(refusal) if tracker is target else error)
        except TrackerError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else TrackerError("; ".join(map(str, errors)))
    here = End(source, *_path(project, entities[0]))
    there = End(target, *_path(name or project.rsplit("/", 1)[-1], entities[1]))
    if (here.tracker.url, here.entity, here.project) == (there.tracker.url, there.entity, there.project):
        raise ConfigError([Problem("--to", f"{here} is the project itself")], "push")
    return here, there


def _path(text: str, entity: str) -> tuple[str, str]:
    first, _, rest = text.partition("/")
    return (first, rest) if rest else (entity, first)


def push(source: End, target: End, wish: Wish, console: Console) -> Sent:
    """Send what is not there yet; prints what was sent, what was not, and what stays behind.

    Raises:
        ConfigError: there is no such run or sweep.
        TrackerError: a tracker does not answer, or refuses; what was sent until then stays sent.
        RunsFailed: some runs were not sent.
    """
    runs = must_exist(source, source.runs())
    there = {run.id: run for run in target.runs() or []}
    chosen = list(_over(_chosen(runs, wish), wish))
    todo = [run for run in chosen if wish.again or not _is_there(run, there)]
    placed, made = place_sweeps(source, target, chosen, there)
    done = send_runs(source, target, todo, there, placed, wish.workers, console) if todo else Sent()
    arrived = [run.id for run in chosen if run.id not in done.failed]
    notes = [*Lineage(source, target).restore(arrived), *settle_sweeps(source, target, placed, made)]
    _tell(done, len(chosen) - len(todo), placed, made, target)
    for note in notes:
        typer.echo(note)
    if done.failed:
        raise RunsFailed(
            f"{len(done.failed)} of {len(todo)} runs were not sent; the same command tries them again"
        )
    return done


def _chosen(runs: Sequence[RunLine], wish: Wish) -> list[RunLine]:
    ids, sweeps = [run.id for run in runs], sorted({run.sweep for run in runs if run.sweep})
    problems = [
        Problem("--only", f"there is no run {name!r}; {nearest(name, ids)}")
        for name in wish.only
        if name not in ids
    ]
    if wish.sweep and wish.sweep not in sweeps:
        problems.append(Problem("--sweep", f"no run is of {wish.sweep!r}; {nearest(wish.sweep, sweeps)}"))
    if problems:
        raise ConfigError(problems, "push")
    return [
        run
        for run in runs
        if (not wish.only or run.id in wish.only) and (not wish.sweep or run.sweep == wish.sweep)
    ]


def _over(runs: Sequence[RunLine], wish: Wish) -> Iterator[RunLine]:
    for run in runs:
        if run.state in UNDER_WAY and not (wish.running and run.state == "running"):
            typer.echo(f"skipped {run.name}: it is {run.state}; --running sends what a running one has so far")
        else:
            yield run


def _is_there(run: RunLine, there: Mapping[str, RunLine]) -> bool:
    """Whether a run is whole at the destination. There a forked run also has the rows of its parent as its own."""
    other = there.get(run.id)
    if other is None or other.state != run.sent_state:
        return False
    return other.rows >= run.rows and other.step == run.step


def _tell(done: Sent, skipped: int, placed: Mapping[str, str], made: set[str], target: End) -> None:
    typer.echo(f"runs       {done.runs} sent, {skipped} there already, {len(done.failed)} not sent")
    typer.echo(f"rows       {done.rows:,}")
    typer.echo(f"files      {done.files:,} ({done.size / 1e6:.1f} MB with the artifacts)")
    typer.echo(f"artifacts  {done.artifacts:,} versions")
    typer.echo(f"sweeps     {len(made)} made, {len(placed) - len(made)} there already")
    for old in sorted(made):
        typer.echo(f"           {old} is {placed[old]} there")
    typer.echo(f"to         {target}")
    if done.runs:
        typer.echo(STAYS)
