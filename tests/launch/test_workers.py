"""Sweeps worked to their end by real workers, through the real client, against the embedded server."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.server import find_server
from tests.lab import LEASE, Lab, add_quick, own_port, quick_sweep

pytestmark = pytest.mark.slow

WANDB = Path(sys.executable).parent / "wandb"


def sweep_path(text: str) -> str:
    found = re.search(r"sweep (\S+/\S+/\w+)", text)
    assert found, text
    return found[1]


def rows(lab: Lab, path: str) -> list[dict[str, object]]:
    """The runs of a sweep as the public API sees them."""
    code = (
        "import json, sys, wandb\n"
        "project, sweep = sys.argv[1].rsplit('/', 1)\n"
        "runs = wandb.Api().runs(project, filters={'sweep': sweep}, lazy=False)\n"
        "rows = [dict(id=r.id, name=r.name, state=r.state, config=r.config, summary=r.summary._json_dict,\n"
        "             group=r.group, tags=r.tags, history=[dict(h) for h in r.scan_history()]) for r in runs]\n"
        "print(json.dumps(rows))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=lab.folder, env=lab.environment | server_env(lab), text=True,
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def server_env(lab: Lab) -> dict[str, str]:
    if find_server(lab.folder / ".sashiko") is None:
        lab.sashiko("status", "none")  # there is no such sweep, but now there is a server
    exports = lab.sashiko("env").stdout
    return dict(re.findall(r"export (\w+)=(\S+)", exports)) | {"WANDB_SILENT": "true"}


def test_a_sweep_runs_each_point_once_with_its_typed_values(lab: Lab):
    labels = "[null, '1e-3', '01', 'true']"
    file = quick_sweep(
        lab, "typed", f"{{x: {{values: [0, 1, 2]}}, y: {{values: [0.5, 1.0]}}, label: {{values: {labels}}}}}"
    )
    done = lab.sashiko("sweep", str(file), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "24 runs finished, 0 failed" in done.stdout
    found = rows(lab, sweep_path(done.stdout))
    points = sorted(json.dumps([r["config"][k] for k in ("x", "y", "label")]) for r in found)  # type: ignore[index]
    assert points == sorted(
        json.dumps([x, y, label]) for x in (0, 1, 2) for y in (0.5, 1) for label in (None, "1e-3", "01", "true")
    )
    for run in found:
        config, summary = run["config"], run["summary"]
        assert isinstance(config, dict)
        assert isinstance(summary, dict)
        assert summary["loss"] == config["x"] * config["y"]
        assert config["sashiko"]["config"]["mood"] == "well"
        assert run["group"] == "typed"
    tags = sorted(tag for run in found for tag in run["tags"])  # type: ignore[attr-defined]
    assert tags == sorted(["quick"] * 24 + [f"typed_config{index}" for index in range(24)])

    again = lab.sashiko("sweep", str(file), "--workers", "2")
    assert again.returncode == 0
    assert "nothing to run: 24 of 24 runs have ended" in again.stdout


def test_what_dies_is_one_failed_run_and_the_others_go_on(lab: Lab):
    file = quick_sweep(lab, "moods", "{mood: {values: [well, raises, killed, exits]}, x: {values: [1, 2]}}")
    done = lab.sashiko("sweep", str(file), "--workers", "2")
    assert done.returncode == 1
    assert "2 runs finished, 6 failed" in done.stdout
    path = sweep_path(done.stdout)
    status = lab.sashiko("status", path)
    assert status.returncode == 1
    assert "2 finished" in status.stdout
    assert "6 failed" in status.stdout
    for reason in (
        "ValueError: x is 1",
        "killed by signal 9 (SIGKILL)",
        "exited with code 7 without ending its run",
    ):
        assert reason in status.stdout, status.stdout
    logs = "\n".join(text for (text,) in database(lab).execute("SELECT text FROM lines WHERE stream = 'console'"))
    assert "Traceback" in logs
    assert "killed by signal 9" in logs


def database(lab: Lab) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{lab.folder / '.sashiko' / 'server.db'}?mode=ro", uri=True)


def test_a_killed_workers_point_is_handed_out_again_and_ends_once(tmp_path_factory: pytest.TempPathFactory):
    lab = Lab.make(tmp_path_factory.mktemp("killed"))
    add_quick(lab)
    lab.environment["SASHIKO_LEASE_SECONDS"] = LEASE
    try:
        file = quick_sweep(lab, "slow", "{x: {values: [0, 1, 2, 3, 4, 5]}, seconds: {value: 2.0}}")
        first = lab.start("launch.cli", "sweep", str(file), "--workers", "2")
        worker = wait_for_a_busy_worker(lab)
        os.kill(worker, signal.SIGKILL)
        first.communicate(timeout=120)
        second = lab.sashiko("sweep", str(file), "--workers", "2")
        assert second.returncode == 0, second.stdout + second.stderr
        found = [r for r in rows(lab, sweep_path(second.stdout)) if r["state"] == "finished"]
        assert sorted(r["config"]["x"] for r in found) == [0, 1, 2, 3, 4, 5]  # type: ignore[index]
        states = database(lab).execute("SELECT state, count(*) FROM points GROUP BY state").fetchall()
        assert states == [("ended", 6)]
    finally:
        lab.close()


def wait_for_server(lab: Lab) -> None:
    end = time.monotonic() + 60
    while find_server(lab.folder / ".sashiko") is None:
        if time.monotonic() > end:
            pytest.fail("the server does not start")
        time.sleep(0.05)


def wait_for_a_busy_worker(lab: Lab) -> int:
    """The pid of a worker (not of the first process) that has a child at work on a point."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if claimed(lab):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and is_worker(entry, lab):
                    return int(entry.name)
        time.sleep(0.05)
    pytest.fail("no worker got busy")


def claimed(lab: Lab) -> list[object]:
    try:
        return database(lab).execute("SELECT 1 FROM points WHERE state = 'claimed'").fetchall()
    except sqlite3.OperationalError:
        return []


def is_worker(entry: Path, lab: Lab) -> bool:
    """The third in the line command → first process → worker → child of this lab."""
    try:
        pid = entry.name
        above = parent_of(pid)
        mine = all(worker_process(p, lab) for p in (pid, above, parent_of(above)))
        children = (entry / "task" / pid / "children").read_text().split()
        return mine and any(worker_process(child, lab) for child in children)
    except (OSError, IndexError):
        return False


def worker_process(pid: str, lab: Lab) -> bool:
    try:
        command = (Path("/proc") / pid / "cmdline").read_bytes()
        return (
            b"launch.cli" in command
            and b"serve" not in command
            and (Path("/proc") / pid / "cwd").readlink() == lab.folder
        )
    except OSError:
        return False  # it ended while it was looked at


def parent_of(pid: str) -> str:
    return (Path("/proc") / pid / "stat").read_text().rsplit(")", 1)[1].split()[1]


def test_a_server_that_dies_mid_sweep_loses_and_doubles_nothing(tmp_path_factory: pytest.TempPathFactory):
    lab = Lab.make(tmp_path_factory.mktemp("outage"))
    add_quick(lab)
    try:
        file = quick_sweep(lab, "outage", "{x: {values: [0, 1, 2, 3, 4, 5, 6, 7]}, seconds: {value: 0.7}}")
        port = str(own_port())  # at the usual one another lab's server could start while this one is down
        server = lab.start("launch.cli", "serve", "--port", port)
        wait_for_server(lab)
        sweep = lab.start("launch.cli", "sweep", str(file), "--workers", "2")
        wait_for_a_busy_worker(lab)
        server.kill()
        server.communicate(timeout=30)
        time.sleep(3)
        server = lab.start("launch.cli", "serve", "--port", port)
        out, err = sweep.communicate(timeout=180)
        assert sweep.returncode == 0, out + err
        assert "8 runs finished, 0 failed" in out
        found = rows(lab, sweep_path(out))
        assert sorted(r["config"]["x"] for r in found) == list(range(8))  # type: ignore[index]
        for run in found:
            assert [row["step"] for row in run["history"]] == [run["config"]["x"]]  # type: ignore[index, attr-defined]
    finally:
        lab.close()
        server.communicate(timeout=30)


def wandb_sweep(lab: Lab, file: Path) -> str:
    """Make a sweep with `wandb sweep`; its path."""
    environment = lab.environment | server_env(lab) | {"WANDB_SILENT": "false"}
    made = subprocess.run(
        [str(WANDB), "sweep", str(file)], cwd=lab.folder, env=environment, text=True, capture_output=True,
        check=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"wandb agent (\S+)", made.stderr + made.stdout)
    assert found, made.stderr
    return found[1]


def test_the_stock_agent_runs_the_same_sweep(lab: Lab):
    file = quick_sweep(lab, "stock", "{x: {values: [0, 1]}, label: {values: [null, '01']}}")
    environment = server_env(lab)
    path = wandb_sweep(lab, file)
    agent = subprocess.run(
        [str(WANDB), "agent", path], cwd=lab.folder, env=lab.environment | environment, text=True,
        capture_output=True, check=True, timeout=200,
    )  # fmt: skip
    runs = rows(lab, path)
    assert sorted(json.dumps([r["config"]["x"], r["config"]["label"]]) for r in runs) == [  # type: ignore[index]
        '[0, "01"]', "[0, null]", '[1, "01"]', "[1, null]"
    ], agent.stderr  # fmt: skip
    assert {r["state"] for r in runs} == {"finished"}


def test_agents_work_a_sweep_that_wandb_made(lab: Lab):
    file = quick_sweep(lab, "mixed", "{x: {values: [7, 8, 9]}}")
    done = lab.sashiko("agents", wandb_sweep(lab, file), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "3 runs finished, 0 failed" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_leaves_no_process_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
):
    lab = Lab.make(tmp_path_factory.mktemp("interrupted"))
    add_quick(lab)
    lab.environment["SASHIKO_LEASE_SECONDS"] = LEASE
    try:
        file = quick_sweep(lab, "interrupted", "{x: {values: [0, 1, 2, 3]}, seconds: {value: 2.0}}")
        command = [sys.executable, "-m", "launch.cli", "sweep", str(file), "--workers", "2"]
        # A suite that was started in the background has inherited that SIGINT is ignored, and would pass it on.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        first = subprocess.Popen(
            command, cwd=lab.folder, env=lab.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        wait_for_a_busy_worker(lab)
        if number == signal.SIGINT:
            os.killpg(first.pid, number)  # as the terminal does on Ctrl-C
        else:
            first.send_signal(number)  # the command alone, as `kill` does
        first.communicate(timeout=60)
        assert first.returncode == 128 + number
        assert not [pid for pid in processes() if worker_process(pid, lab)]
        second = lab.sashiko("sweep", str(file), "--workers", "2")
        assert second.returncode == 0, second.stdout + second.stderr
        found = [r for r in rows(lab, sweep_path(second.stdout)) if r["state"] == "finished"]
        assert sorted(r["config"]["x"] for r in found) == [0, 1, 2, 3]  # type: ignore[index]
    finally:
        lab.close()


def processes() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
