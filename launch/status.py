"""How sweeps are told to people: as tables on a terminal or in a pipe. What there is to tell: `overview`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from framework.tracking.sweeps import Sweep
from launch.overview import End, Overview, WaitingJob, Worker, jobs_by_state
from launch.show import UNBOUNDED, table_of
from launch.telling import lasting
from launch.words import counted

SHOWN = 20
"""Workers that are listed one by one; of more the longest silent ones are."""
MARK = 2


def parts(overview: Overview) -> Iterator[RenderableType]:
    """A sweep, told whole: points, workers, jobs that wait, the end, failures."""
    again = f"; {counted(overview.again, 'finished point')} under way once more" if overview.again else ""
    again += (
        f"; {counted(overview.queued, 'finished point')} waiting to be worked once more" if overview.queued else ""
    )
    yield _line(f"{overview.sweep}: {extent(overview)}: {counts(overview.points)}{again}")
    if overview.successors:
        yield _line(f"with what was open, and is now in {', '.join(overview.successors)}", MARK)
    if overview.hint:
        yield _line(overview.hint, MARK)
    if overview.strangers:
        are = f"{counted(overview.strangers, 'run')} {'is' if overview.strangers == 1 else 'are'}"
        told = f"{are} of no point today: it was withdrawn, or the config has changed"
        yield _line(told, MARK)
    if overview.problem:
        yield _line("jobs: Slurm does not answer; why: sashiko doctor", MARK)
    if overview.end is not None:
        yield _line(end_of(overview.end), MARK)
    if overview.workers:
        yield _line("")
        yield _workers(overview.workers)
    if overview.waiting:
        yield from _waiting(overview.waiting)
    for failure in overview.failures:
        yield _line("")
        yield _line(f"{failure.count} × {failure.cause}: {' '.join(failure.what.split())}")
        yield _line(f"such as {failure.name}: {failure.url}", MARK)
        yield _line(f"→ {failure.mend}:", MARK)
        yield _line(failure.command, 2 * MARK)


def extent(overview: Overview) -> str:
    """How many points there are."""
    if overview.total is None:
        return f"{sum(overview.points.values())} points so far, no end"
    return counted(overview.total, "point")


def counts(numbers: Mapping[str, int]) -> str:
    """`3 finished, 2 running`."""
    return ", ".join(f"{count} {state}" for state, count in numbers.items()) or "none yet"


def end_of(end: End) -> str:
    """When the end is expected, and what that rests on."""
    at = datetime.fromisoformat(end.at).astimezone()
    when = f"{at:%H:%M}" if end.in_s < 43_200 else f"{at:%a %d %b %H:%M}"
    rests = f"{counted(end.finished, 'finished run')} took {lasting(end.median_s)} in the median"
    return f"end in about {lasting(end.in_s)} ({when}): {rests}, {counted(end.workers, 'worker')} at work"


def _line(text: str, indent: int = 0) -> RenderableType:
    if not text:
        return Text()
    return Padding(Text(text, overflow="fold"), (0, 0, 0, indent), expand=False)


def _workers(workers: Sequence[Worker]) -> RenderableType:
    shown = sorted(workers, key=lambda worker: -(worker.silent_s or 0.0))[:SHOWN]
    shown = [worker for worker in workers if worker in shown]
    rows = [_row(worker) for worker in shown]
    told = [name for name in rows[0] if any(row[name] for row in rows)]
    table = table_of([{name: row[name] for name in told} for row in rows], words=True)
    if len(workers) > len(shown):
        table.caption = f"and {len(workers) - len(shown)} more workers"
        table.caption_justify = "left"
    return Padding(table, (0, 0, 0, MARK), expand=False)


def _row(worker: Worker) -> dict[str, str]:
    doing = worker.name if worker.run else "no run yet, or none left"
    remarks = [f"start {worker.attempt} of its job"] if (worker.attempt or 1) > 1 else []
    remarks += [worker.note] if worker.note else []
    return {
        "node": worker.host or ("?" if worker.run else ""),
        "GPU": worker.gpu or "",
        "job": worker.job or "",
        "process": "" if worker.job else str(worker.process or ""),
        "run": worker.run or "-",
        "for": lasting(worker.age_s),
        "last sign": "" if worker.silent_s is None else f"{lasting(worker.silent_s)} ago",
        "works on": f"{doing} ({'; '.join(remarks)})" if remarks else doing,
    }


def _waiting(jobs: Sequence[WaitingJob]) -> Iterator[RenderableType]:
    """The jobs that wait, those of one reason in one line."""
    by_reason: dict[str, list[WaitingJob]] = {}
    for job in jobs:
        by_reason.setdefault(job.reason, []).append(job)
    yield _line("")
    for reason, some in by_reason.items():
        ids = ", ".join(job.id for job in some[:3]) + (" …" if len(some) > 3 else "")
        told = f"{counted(len(some), 'job')} {'waits' if len(some) == 1 else 'wait'} in the queue ({ids})"
        meaning = "; ".join(filter(None, [some[0].meaning, reason and f"Slurm: {reason}"]))
        yield _line(f"{told}: {meaning}" if meaning else told, MARK)


def short(found: Sequence[Overview | Sweep]) -> Iterator[RenderableType]:
    """A line for each of several sweeps."""
    if not found:
        yield _line("no sweep is under way; those that are over stand on the tracker's pages")
        return
    yield table_of(short_rows(found), words=True)


def short_rows(found: Sequence[Overview | Sweep]) -> list[dict[str, str]]:
    """What stands in these lines."""
    return [_foreign(item) if isinstance(item, Sweep) else _short(item) for item in found]


def _short(overview: Overview) -> dict[str, str]:
    end = overview.end
    jobs = jobs_by_state(overview)
    workers = str(sum(worker.run is not None for worker in overview.workers))
    return {
        "sweep": overview.sweep,
        "name": overview.name,
        "state": overview.state.lower(),
        "points": counts(overview.points),
        "at work": workers + (f" (jobs: {counts(jobs)})" if jobs else ""),
        "end": f"in {lasting(end.in_s)}" if end else "",
    }


def _foreign(sweep: Sweep) -> dict[str, str]:
    told = f"{counted(sweep.runs, 'run')}; no sweep of an experiment here"
    return {"sweep": str(sweep.path), "name": "", "state": sweep.state.lower(), "points": told, "at work": "",
            "end": ""}  # fmt: skip


def line(overview: Overview) -> str:
    """A sweep in one line, for pipes: what of it changes when something happens."""
    jobs = jobs_by_state(overview)
    return counts(overview.points) + (f"; jobs: {counts(jobs)}" if jobs else "")


def show(renderables: Iterable[RenderableType], console: Console | None = None) -> None:
    """Print; a pipe has no edge to fold at, and no blanks at the ends of its lines."""
    console = console or Console(highlight=False)
    if console.is_terminal:
        console.print(*renderables, sep="\n")
        return
    console.width = UNBOUNDED
    with console.capture() as captured:
        console.print(*renderables, sep="\n")
    for told in captured.get().splitlines():
        print(told.rstrip())


def note(text: str) -> RenderableType:
    """A remark beside what is told."""
    return Text.from_markup(f"[yellow]{escape(text)}[/]")


def json_of(found: Sequence[Overview | Sweep], tracker_url: str) -> dict[str, Any]:
    """Several sweeps for programs; one that is not Sashiko's has null for its points."""
    return {"tracker": tracker_url, "sweeps": [_short_json(item) for item in found]}


def _short_json(item: Overview | Sweep) -> dict[str, Any]:
    if isinstance(item, Sweep):
        state = {"sweep": str(item.path), "name": None, "state": item.state}
        return state | dict.fromkeys(("total", "points", "workers", "jobs", "end"))
    return {
        "sweep": item.sweep, "name": item.name, "state": item.state, "total": item.total, "points": item.points,
        "workers": sum(worker.run is not None for worker in item.workers), "jobs": jobs_by_state(item),
        "end": item.end,
    }  # fmt: skip
