"""The mirror of a project against what the real client reads run by run: the same by both ways, and up to date."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framework.errors import TrackerError
from framework.tracking import mirror as mirrors
from framework.tracking.mirror import look
from framework.tracking.tracker import Tracker
from launch.server import clients
from tests.protocol.clients import client_of
from tests.protocol.conftest import Lab, Server, shown

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent

MAKE = """
import sys, wandb
settings = wandb.Settings(x_disable_stats=True)
grid = {"method": "grid", "parameters": {"x": {"values": [1, 2]}}}
sweep = wandb.sweep(grid, project="mirrored")
for x in (1, 2):
    with wandb.init(project="mirrored", id=f"r{x}", config={"x": x, "net": {"act": "relu"}},
                    settings=wandb.Settings(sweep_id=sweep, x_disable_stats=True)) as run:
        for step in range(1200 if x == 1 else 3):
            run.log({"loss": x / (step + 1), "nest": {"a": step}, "word": f"w{step}"}, step=3 * step)
        table = wandb.Table(columns=["a", "b"], data=[[x, "t"], [2, None]])
        run.log({"loss": float("nan"), "late": 1, "table": table})
with wandb.init(project="mirrored", id="other", config={"x": "text"}, settings=settings) as run:
    run.log({"loss": "diverged", "far": 1}, step=50_000)
    run.finish(exit_code=1)
with wandb.init(project="mirrored", id="silent", settings=settings):
    pass
print('RESULT "' + sweep + '"')
"""
READ = """
import json, wandb
def flat(row, prefix=""):
    found = {}
    for key, value in row.items():
        if isinstance(value, dict) and "_type" not in value:
            found |= flat(value, f"{prefix}{key}.")
        elif not isinstance(value, dict) and value is not None:
            found[prefix + key] = repr(value)
    return found
runs = wandb.Api().runs("local/mirrored", order="+created_at", lazy=False)
print("RESULT " + json.dumps({
    run.id: [run.state, run.config, [flat(row) for row in run.scan_history(use_cache=False)]] for run in runs}))
"""
OURS = """
import json, math, sys
from framework.tracking import mirror as mirrors
from framework.tracking.results import frame, history, table
from framework.tracking.current import current_tracker
if sys.argv[1] == "api":
    mirrors.offer = lambda tracker: None
def plain(value):
    return None if value is None or isinstance(value, float) and math.isnan(value) else value
rows = {}
with mirrors.look(current_tracker(), "local/mirrored") as mirror:
    for row in mirror.history().to_pylist():
        media = lambda value: isinstance(value, str) and value.startswith("{")
        rows.setdefault(row.pop("run_id"), []).append(
            {key: repr(value) for key, value in row.items() if value is not None and not media(value)})
path = f"local/mirrored/{sys.argv[2]}"
runs = frame(path)
found = table(path, "table")
print("RESULT " + json.dumps([rows, runs[["run_id", "state", "x", "net.act"]].values.tolist(),
    [[plain(value) for value in row] for row in found.values.tolist()], list(found.columns),
    sorted(history(path, ["late"])["run_id"])]))
"""


@pytest.fixture(scope="module")
def lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("mirror")
    return Lab(folder, server, client_of(clients.NEWEST), "unused", server.info.url, server.info.key)


@pytest.fixture(scope="module")
def sweep(lab: Lab) -> str:
    return str(shown(lab.python(MAKE)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SASHIKO_CACHE", str(tmp_path / "cache"))


def ours(lab: Lab, way: str, sweep: str) -> Any:
    environment = lab.environment() | {"SASHIKO_CACHE": os.environ["SASHIKO_CACHE"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OURS, way, sweep], env=environment, cwd=lab.folder, text=True, capture_output=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return shown(done.stdout)


def numbers(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Rows whose numbers are compared as numbers, and NaN as the client's word for it."""
    return [{key: _number(value) for key, value in row.items()} for row in rows]


def _number(value: str) -> Any:
    try:
        return "NaN" if value in ("nan", "NaN", "'NaN'") else float(value)
    except ValueError:
        return value


@pytest.mark.parametrize("way", ["bulk", "api"])
def test_everything_is_as_the_client_reads_it(lab: Lab, sweep: str, way: str) -> None:
    for _ in range(2):  # fetched, and as it was kept
        rows, runs, table, columns, late = ours(lab, way, sweep)
        theirs = shown(lab.python(READ))
        assert set(rows) == {"r1", "r2", "other"}
        for name, found in rows.items():
            expected = numbers(theirs[name][2])
            mine = numbers(found)
            if name != "other":  # a text in another run makes the column text
                for row in mine:
                    row["loss"] = (
                        _number(row["loss"].strip("'")) if isinstance(row.get("loss"), str) else row["loss"]
                    )
            assert mine == expected, name
        assert runs == [["r1", "finished", 1, "relu"], ["r2", "finished", 2, "relu"]]
        assert (columns, late) == (["run_id", "a", "b"], ["r1", "r2"])
        assert table == [["r1", 1, "t"], ["r1", 2, None], ["r2", 2, "t"], ["r2", 2, None]]


def tracker(lab: Lab) -> Tracker:
    return Tracker(lab.url, lab.key)


def test_only_what_has_changed_is_asked_for(lab: Lab, sweep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = mirrors.Bulk.request

    def request(self: Any, method: str, path: str, query: Any, *more: Any, **options: Any) -> Any:
        asked.append(f"{path.rsplit('/', 1)[1]} {json.dumps(query.get('run', 'all'))}")
        return original(self, method, path, query, *more, **options)

    monkeypatch.setattr(mirrors.Bulk, "request", request)
    with look(tracker(lab), "local/mirrored") as mirror:
        mirror.history()
        first = {run["id"]: run for run in mirror.runs()}
    assert asked == ['bulk "all"', 'project "all"', 'index "all"', 'runs "all"', 'runs "all"']
    asked.clear()
    with look(tracker(lab), "local/mirrored") as mirror:
        mirror.history()
    assert asked == ['bulk "all"', 'project "all"', 'index "all"']

    lab.python("run = wandb.Api().run('local/mirrored/r2')\nrun.notes = 'a word'\nrun.update()\n", "x")
    asked.clear()
    with look(tracker(lab), "local/mirrored") as mirror:
        assert {run["id"]: run["notes"] for run in mirror.runs()}["r2"] == "a word"
        mirror.history()
    assert asked == ['bulk "all"', 'project "all"', 'index "all"', 'runs ["r2"]', 'runs ["r2"]']
    assert first["r2"]["notes"] is None


def test_runs_that_are_deleted_or_go_on_are_so_here(lab: Lab, sweep: str) -> None:
    log = "with wandb.init(project='going', id='{}') as run:\n    {}\n"
    lab.python(log.format("g", "run.log({'x': 1})") + log.format("gone", "run.log({'x': 5})"))
    assert values(lab) == [("g", 1), ("gone", 5)]
    on = "with wandb.init(project='going', id='g', resume='must') as run:\n    run.log({'x': 2})\n"
    lab.python(f"wandb.Api().run('local/going/gone').delete()\n{on}")
    assert values(lab) == [("g", 1), ("g", 2)]


def values(lab: Lab) -> list[tuple[str, int]]:
    with look(tracker(lab), "local/going") as mirror:
        table = mirror.history()
        assert table is not None
        return [(row["run_id"], row["x"]) for row in table.to_pylist()]


def test_another_address_of_the_same_server_is_the_same_mirror(tmp_path: Path) -> None:
    places = []
    for _ in range(2):
        running = Server(tmp_path / "state").start()
        places.append(mirrors.offer(Tracker(running.info.url, running.info.key)))
        running.end()
    assert places[0] is not None
    assert places[0] == places[1]


def test_what_is_not_there_is_said(lab: Lab, sweep: str) -> None:
    with (
        pytest.raises(TrackerError, match="there is no project local/nothing"),
        look(tracker(lab), "local/nothing"),
    ):
        pass
    with pytest.raises(TrackerError, match="no sweep"), look(tracker(lab), "local/mirrored", ["nothing"]):
        pass
