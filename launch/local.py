"""Workers on this machine: started, watched with a progress bar, and counted."""

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape

from launch.child import STOPPING, die_with
from launch.frozen import Code
from launch.progress import runs_bar
from launch.slots import Slot

logger = logging.getLogger(__name__)
SHOWN = 3
THREADS = "1"
"""One thread a child: a run's numbers must not depend on how many workers run beside it."""


@dataclass
class Tally:
    """How the runs of this invocation ended. `stopped`: the tracker ended them early, or they were cancelled."""

    finished: int = 0
    stopped: int = 0
    made: int = 0
    given_back: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    exit_code: int = 0
    told: set[str] = field(default_factory=set)
    killed: bool = False
    """Whether somebody killed the workers' first process, and with it the workers."""

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the workers."""
        return self.exit_code > 128


def work(
    path: str,
    slots: Sequence[Slot],
    *,
    total: int | None,
    done: int,
    console: Console,
    threads: str = THREADS,
    idle_s: float | None = None,
    code: Code | None = None,
) -> Tally:
    """Work the sweep entity/project/id with a worker a slot, until it has no more points to hand out.

    `total` is None for a sweep without an end: then the bar only counts. `idle_s` as in `job.Job`.
    `code`: what the workers run; None runs what lies where this process found it.
    """
    pid, events = _fork(path, slots, threads, idle_s, code)
    tally = Tally()
    with runs_bar(console) as progress:
        bar = progress.add_task("runs", total=total, completed=done, note="starting workers …")
        with _passed_on(pid) as stopped:
            for event in _events(events):
                note = _take_in(event, tally, console)
                ended = tally.finished + tally.stopped + len(tally.failed)
                known = None if total is None else max(total, done + ended)  # points once more are beyond the plan
                progress.update(bar, completed=done + ended, total=known, note=note)
            exit_code = _ended(pid)
        tally.exit_code = 128 + stopped[0] if stopped else exit_code
        tally.killed = exit_code < 0 and not stopped
        progress.update(bar, note="")
    return tally


@contextmanager
def _passed_on(pid: int) -> Iterator[list[int]]:
    """Meanwhile Ctrl-C and SIGTERM end the workers, and their events with them; the signals that came.

    Nothing is raised: an exception out of a signal handler can come anywhere, and be lost there.
    """
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        if not stopped:
            os.kill(pid, number)
        stopped.append(number)

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stopped else handler)  # the end of the command is near


def _fork(
    path: str, slots: Sequence[Slot], threads: str, idle_s: float | None, code: Code | None
) -> tuple[int, TextIO]:
    """Start the workers' first process; its pid, and its events.

    It is forked before this process has a thread or has imported anything heavy: what is imported here already
    (half a second) is not imported again there, but for what it is to find in `code`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ended = 1
        try:
            die_with(parent)
            for number in STOPPING:  # nothing is begun yet
                signal.signal(number, lambda number, _: os._exit(128 + number))
            os.close(read_end)
            os.dup2(write_end, 1)
            os.close(write_end)
            os.environ |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
            if code is not None:
                code.enter()
            from launch import crew

            ended = crew.main(crew.words_for(path, slots, idle_s))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(ended)
    os.close(write_end)
    return pid, os.fdopen(read_end, encoding="utf-8")


def _ended(pid: int) -> int:
    """Its exit code, or the signal that killed it, negative."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _events(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a library's word on standard output is no event
        if isinstance(event, dict) and "event" in event:
            yield event


def _take_in(event: Mapping[str, Any], tally: Tally, console: Console) -> str:
    """Count an event; returns what the progress bar says next to it."""
    name = str(event.get("name", ""))
    _log(event)
    if event["event"] == "ended":
        _take_in_end(event, name, tally, console)
    elif event["event"] == "made" and event["error"]:
        told = f"[red]not made[/] {escape(name)}: {escape(str(event['error']))}"
        if told not in tally.told:  # each worker has tried, and says so
            console.print(told, highlight=False, soft_wrap=True)
        tally.told.add(told)
    elif event["event"] == "made":
        tally.made += 1
    elif event["event"] == "given_back":
        tally.given_back += 1
    elif event["event"] == "error":
        console.print(f"[red]error[/] {escape(str(event['message']))}", highlight=False, soft_wrap=True)
    elif event["event"] == "stale":
        console.print(_stale(event["names"], event["reasons"]), highlight=False, soft_wrap=True)
    elif event["event"] == "idle":
        console.print(f"[yellow]waiting[/] {escape(str(event['reason']))}", highlight=False, soft_wrap=True)
    elif event["event"] == "replaced":
        told = "its run is given back, and another worker goes on" if event["run"] else "another takes its place"
        console.print(f"[yellow]killed[/] a worker; {told}", highlight=False)
    elif event["event"] == "leaves":
        console.print(f"[yellow]leaving[/] {escape(str(event['reason']))}", highlight=False, soft_wrap=True)
    elif event["event"] == "away":
        console.print(f"[yellow]waiting[/] {escape(str(event['error']))}", highlight=False, soft_wrap=True)
    elif event["event"] == "back":
        console.print(f"[green]going on[/] after {event['seconds']:.0f} s", highlight=False)
    return {"making": f"making {name}", "started": name}.get(str(event["event"]), "")


def _log(event: Mapping[str, Any]) -> None:
    failed = event["event"] in ("ended", "made") and event.get("error")
    level = logging.ERROR if failed or event["event"] == "error" else logging.INFO
    logger.log(level, str(event["event"]), extra={"fields": dict(event)})


def _take_in_end(event: Mapping[str, Any], name: str, tally: Tally, console: Console) -> None:
    """Count how a run ended. One that is worked once more is not over."""
    error = str(event["error"])
    if event.get("stopped"):
        tally.stopped += 1
    elif event.get("again"):
        told = f"[yellow]once more[/] {escape(name)}, {escape(str(event['again']))}: {escape(error)}"
        console.print(told, highlight=False, soft_wrap=True)
    elif error:
        tally.failed.append((name, error))
        console.print(f"[red]failed[/] {escape(name)}: {escape(error)}", highlight=False, soft_wrap=True)
    else:
        tally.finished += 1


def _stale(names: Sequence[str], reasons: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    many = len(names) > 1
    return escape(
        f"stale: {shown} {'are' if many else 'is'} used, made by other code or of other inputs "
        f"({'; '.join(reasons[:SHOWN])}{' …' if len(reasons) > SHOWN else ''}); to make "
        f"{'them' if many else 'it'} anew: --stale remake"
    )
