"""The operations of a day on two servers side by side: one that holds what is asked for, one with all else too."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.server import upkeep
from launch.server.instance import ServerInfo
from tests.benchmarks.servers import Line, ours
from tests.benchmarks.year import shown
from tests.benchmarks.year.shape import ASKED, LARGE, OPEN

UPSERT = """mutation U($name: String, $project: String) {
  upsertBucket(input: {name: $name, modelName: $project, config: "{}"}) { bucket { id } } }"""
AGENT = """mutation A($sweep: String!, $project: String) {
  createAgent(input: {host: "h", sweep: $sweep, projectName: $project, entityName: "local"}) { agent { id } } }"""
BEAT = 'mutation H($id: ID!) { agentHeartbeat(input: {id: $id, metrics: "{}", runState: "{}"}) { commands } }'
RUNS = """
import sys, time
import wandb
api = wandb.Api(overrides={"base_url": sys.argv[1]}, api_key=sys.argv[2], timeout=120)
start = time.perf_counter()
count = len(list(api.runs(sys.argv[3], per_page=1000)))
print(count, time.perf_counter() - start)
"""


@dataclass
class Side:
    """One of the two servers: its folder, what it is, and a line to it."""

    name: str
    folder: Path
    info: ServerInfo
    line: Line
    agent: str
    live: str
    rows: int = 0


@dataclass(frozen=True)
class Measured:
    """The medians of an operation on a server with what is asked for, and on the one with a whole year (in ms)."""

    name: str
    small: float
    year: float
    tries: int

    @property
    def ratio(self) -> float:
        """How much longer it takes with all else there."""
        return self.year / self.small


@contextlib.contextmanager
def side(name: str, folder: Path) -> Iterator[Side]:
    """A server of a folder, with an agent and a run of its own."""
    with ours(folder) as info:
        line = Line(info)
        agent = ""
        if name != LARGE:
            made = json.loads(line.ask(AGENT, sweep="open", project=OPEN))
            agent = made["data"]["createAgent"]["agent"]["id"]
        live = f"live{time.time_ns()}"
        line.ask(UPSERT, name=live, project="live")
        yield Side(name, folder, info, line, agent, live)


def beside(name: str, work: Callable[[Side], object], small: Side, year: Side, tries: int) -> Measured:
    """Do the same on both by turns, so that whatever else the machine does meets both."""
    times: dict[str, list[float]] = {small.name: [], year.name: []}
    for one in (small, year):
        work(one)
    for turn in range(tries):
        for one in (small, year) if turn % 2 else (year, small):
            start = time.perf_counter()
            told = work(one)
            taken = told if isinstance(told, float) else 1e3 * (time.perf_counter() - start)
            times[one.name].append(taken)
    return Measured(name, statistics.median(times[small.name]), statistics.median(times[year.name]), tries)


def beat(one: Side) -> None:
    """A heartbeat of an agent that is free: it gets the next point."""
    told = json.loads(one.line.ask(BEAT, id=one.agent))["data"]["agentHeartbeat"]["commands"]
    if '"run"' not in told:
        raise RuntimeError(f"no point was handed out: {told}")


def rows(one: Side) -> None:
    """A batch of 100 rows of five metrics."""
    content = [
        json.dumps({"_step": step, **{f"m{key}": step / (key + 7) for key in range(5)}})
        for step in range(one.rows, one.rows + 100)
    ]
    files = {"wandb-history.jsonl": {"offset": one.rows, "content": content}}
    one.line.post(f"/files/local/live/{one.live}/file_stream", {"files": files})
    one.rows += 100


def page(address: str) -> Callable[[Side], None]:
    """What a page, or the data behind it, takes from the request to the last byte."""

    def get(one: Side) -> None:
        one.line.get(address)

    return get


def runs(project: str) -> Callable[[Side], float]:
    """`wandb.Api().runs` of a project, all pages of it, by the real client in a process of its own."""

    def ask(one: Side) -> float:
        command = [sys.executable, "-c", RUNS, one.info.url, one.info.key, f"local/{project}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=one.folder, env=_quiet())
        return 1e3 * float(done.stdout.split()[-1])

    return ask


def compare(one: Side) -> None:
    """`sashiko compare` of the sweep that both have, with what it fetched before (a mirror of its own)."""
    sashiko(one, "compare", f"local/{ASKED}/asked", "--dir", str(one.folder), "--embedded")


def sashiko(one: Side, *words: str) -> str:
    """A command of Sashiko in a process of its own; what it prints."""
    environment = {**_quiet(), "SASHIKO_CACHE": str(one.folder.with_suffix(".cache"))}
    command = [sys.executable, "-m", "launch.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def backup(one: Side) -> float:
    """Milliseconds of a backup into a folder that has one, after one more run has logged."""
    rows(one)
    start = time.perf_counter()
    upkeep.backup(one.folder, one.folder.with_suffix(".copy"))
    return 1e3 * (time.perf_counter() - start)


def pages(small: Side, year: Side, tries: int) -> Iterator[Measured]:
    """Every page of what both have, and the data behind it."""
    for kind, addresses in (("page", shown.PAGES), ("data", shown.DATA)):
        for what, address in addresses.items():
            yield beside(f"{kind}: {what}", page(address), small, year, tries)


def started(folder: Path, tries: int) -> float:
    """Milliseconds from the start of `sashiko serve` until it answers, the imports of Python among them."""
    return statistics.median(_started(folder) for _ in range(tries))


def _started(folder: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_quiet())
    if process.stdout is None or "serving" not in process.stdout.readline():
        raise RuntimeError(f"{folder} is not served")
    taken = time.perf_counter() - start
    process.terminate()
    process.wait(30)
    return 1e3 * taken


def _quiet() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")} | {
        "WANDB_SILENT": "true"
    }


def all_beside(small: Side, year: Side, tries: int) -> Iterator[Measured]:
    """What is measured of a folder with the asked sweep, against the year."""
    yield beside("heartbeat and next point", beat, small, year, 5 * tries)
    yield beside("a batch of 100 rows", rows, small, year, 5 * tries)
    yield from pages(small, year, 3 * tries)
    yield beside(f"Api().runs of {ASKED}, 1,000 runs", runs(ASKED), small, year, tries)
    yield beside("sashiko compare of a sweep of 1,000 runs", compare, small, year, tries)
    yield beside("backup, when one run has logged since", backup, small, year, tries)


def large_beside(alone: Side, year: Side, tries: int) -> Iterator[Measured]:
    """What is measured of a folder that has the large project alone, against the year."""
    yield beside(f"Api().runs of {LARGE}, a tenth of all runs", runs(LARGE), alone, year, tries)
    yield beside(f"data: the table of {LARGE}", page(f"/view/local/{LARGE}/runs"), alone, year, 3 * tries)
