"""sashiko status: what people see at a terminal's widths and in a pipe, and what programs read."""

import io
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from framework.tracking.ledger import attempts_of
from framework.tracking.tracker import Tracker
from launch import status
from launch.embedded import find_server
from launch.failures import Failure
from launch.overview import End, Overview, WaitingJob, Worker
from tests.lab import Lab, quick_sweep

WHOLE = {
    "sweep", "url", "name", "state", "method", "experiment", "total", "points", "strangers", "successors",
    "workers", "waiting", "end", "failures", "problem", "hint", "again", "queued",
}  # fmt: skip
WORKER = {
    "host", "gpu", "job", "process", "attempt", "run", "name", "age_s", "silent_s", "job_state", "note",
}  # fmt: skip
FAILURE = {"cause", "count", "what", "run", "name", "url", "mend", "command"}
END = {"at", "in_s", "median_s", "finished", "left", "workers"}
SHORT = {"sweep", "name", "state", "total", "points", "workers", "jobs", "end"}
USED = {
    "job", "host", "state", "runs", "workers", "seconds", "cpus", "cpu_seconds", "memory_mb", "peak_memory_mb",
    "gpu", "gpu_percent", "peak_gpu_memory_mb", "measured_by", "starts",
}  # fmt: skip


def overview(**more) -> Overview:
    name = "mapping=affine,num_samples=50"
    worker = Worker("gpu-a100-07", "1", "123456_12", 4711, 2, "abcd1234", name, 725.0, 3.0, "RUNNING")
    waits = [WaitingJob(f"12_{i}", "PENDING", "AssocGrpGRES", "your group uses all the GPUs") for i in range(5)]
    failure = Failure("exception", 3, "ValueError: x is 3\n  and y", "me/lab/r1", "x=3", "http://h/me/lab/runs/r1",
                      "mend it, then", "sashiko agents me/lab/abc --failed")  # fmt: skip
    values = {
        "sweep": "me/lab/abc", "url": "http://h/me/lab/sweeps/abc", "name": "many", "state": "RUNNING",
        "method": "grid", "experiment": "quick", "total": 9,
        "points": {"finished": 4, "running": 1, "failed": 3, "waiting": 1}, "strangers": 0, "successors": [],
        "workers": [worker], "waiting": waits, "end": End("2026-01-02T03:04:05+00:00", 500.0, 250.0, 4, 2, 1),
        "failures": [failure],
    }  # fmt: skip
    return Overview(**{**values, **more})


def drawn(found: Overview, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True, highlight=False)
    status.show(status.parts(found), console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off_at_the_width_of_a_terminal(width: int):
    said = drawn(overview(), width)
    assert max(len(line.rstrip()) for line in said.splitlines()) <= width
    for word in ("gpu-a100-07", " 123456_12 ", " abcd1234 ", "mapping=affine", "12 min", "3 s ago", "  node "):
        assert word in said, said
    assert "(start 2 of its job)" in " ".join(said.split()) or width < 100
    assert "…" not in said.replace(" …)", "")


def test_points_that_are_worked_once_more_are_told():
    assert "4 finished, 1 running, 3 failed, 1 waiting; 2 finished points under way once more" in drawn(
        overview(again=2), 200
    )
    assert "once more\n" not in drawn(overview(), 200)


def test_jobs_of_one_reason_are_told_once_in_words_and_as_waiting():
    said = drawn(overview(), 200)
    assert (
        "5 jobs wait in the queue (12_0, 12_1, 12_2 …): your group uses all the GPUs; Slurm: AssocGrpGRES" in said
    )
    assert "killed" not in said


def test_a_failure_has_its_cause_example_and_command_alone_on_a_line():
    lines = [line.rstrip() for line in drawn(overview(), 120).splitlines()]
    assert lines[-4:] == [
        "3 × exception: ValueError: x is 3 and y",
        "  such as x=3: http://h/me/lab/runs/r1",
        "  → mend it, then:",
        "    sashiko agents me/lab/abc --failed",
    ]


def test_the_end_says_what_it_rests_on():
    assert "end in about 8 min (" in drawn(overview(), 120)
    assert "4 finished runs took 4 min in the median, 1 worker at work" in drawn(overview(), 120)
    assert "end in" not in drawn(overview(end=None), 120)


def test_names_with_brackets_are_no_markup():
    worker = Worker("n", None, None, 1, None, "r", "layers=[red]", 1.0, 1.0, None)
    assert "layers=[red]" in drawn(overview(workers=[worker]), 120)


def test_of_many_workers_the_silent_ones_are_shown():
    some = [Worker("n", None, None, i, None, f"r{i}", "x", 1.0, float(i), None) for i in range(30)]
    said = drawn(overview(workers=some), 120)
    assert "and 10 more workers" in said
    assert " r29 " in said
    assert " r0 " not in said


# --- a real server -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held(lab: Lab) -> Iterator[tuple[str, Path]]:
    """A sweep under way: two of five points failed, two are held by two workers."""
    hold = lab.folder / "hold"
    hold.write_text("")
    parameters = "{mood: {values: [raises, well]}, x: {values: [1, 2, 3]}, seconds: {value: 0}}"
    file = quick_sweep(lab, "held", parameters)
    made = lab.sashiko("sweep", str(quick_sweep(lab, "before", "{x: {values: [7]}}")), "--embedded")
    assert made.returncode == 0, made.stderr
    process = lab.start("launch.cli", "sweep", str(file), "--embedded", "--workers", "2", QUICK_HOLD=str(hold))
    try:
        _until(lambda: _points(lab, file).get("running") == 2)
        yield str(file), hold
    finally:
        hold.unlink(missing_ok=True)
        process.communicate(timeout=60)


def _until(is_so, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.3)


def document(done: "subprocess.CompletedProcess[str]") -> dict:
    """The one JSON document on standard output."""
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    found: dict = json.loads(done.stdout)
    return found


def _points(lab: Lab, file: Path) -> dict:
    done = lab.sashiko("status", str(file), "--embedded", "--json")
    found: dict = document(done).get("points", {})  # an error, while there is no sweep yet
    return found


@pytest.mark.slow
def test_a_sweep_under_way_is_joined_from_what_its_runs_tell(lab: Lab, held: tuple[str, Path]):
    done = lab.sashiko("status", held[0], "--embedded", "--json")
    assert done.returncode == 0, done.stderr
    found = document(done)
    assert set(found) == WHOLE
    assert "tracker: " in done.stderr
    assert sum(found["points"].values()) == found["total"] == 6
    assert (found["points"], found["state"]) == ({"running": 2, "waiting": 4}, "RUNNING")
    assert [set(worker) for worker in found["workers"]] == [WORKER] * 2
    for worker in found["workers"]:
        assert worker["host"]
        assert (worker["job"], worker["note"]) == (None, "")
        assert Path(f"/proc/{worker['process']}").exists(), "the process that works on the run"
        assert 0 <= worker["silent_s"] <= worker["age_s"] + 1
    assert found["end"] is None, "nothing has finished: there is nothing to rest on"
    said = lab.sashiko("status", held[0], "--embedded").stdout
    assert "6 points: 2 running, 4 waiting" in said
    assert all(str(worker["process"]) in said for worker in found["workers"])
    assert all(line == line.rstrip() for line in said.splitlines())


@pytest.mark.slow
def test_without_a_sweep_those_that_are_not_over_are_listed(lab: Lab, held: tuple[str, Path]):
    done = lab.sashiko("status", "--embedded", "--json")
    found = document(done)
    assert set(found) == {"tracker", "sweeps"}
    (one,) = found["sweeps"]
    assert set(one) == SHORT
    assert (one["name"], one["workers"], one["points"]) == ("held", 2, {"running": 2, "waiting": 4})
    assert "6 points" not in done.stdout
    said = lab.sashiko("status", "--embedded").stdout
    assert "2 running, 4 waiting" in said
    assert "before" not in said, "that one is over"
    assert lab.sashiko("status", "--embedded", "--project", "elsewhere").stdout.endswith("pages\n")


@pytest.mark.slow
def test_what_a_run_under_way_prints_is_followed_by_its_name(lab: Lab, held: tuple[str, Path]):
    found = document(lab.sashiko("status", held[0], "--embedded", "--json"))
    run, name = found["workers"][0]["run"], found["workers"][0]["name"]
    for word in (run, f"lab/{run}", f"local/lab/{run}", f"lab/{name}", name):
        told = document(lab.sashiko("logs", word, "--embedded", "--json"))
        assert (told["what"], told["state"]) == (f"local/lab/{run}", "running"), word
        assert set(told) == {"what", "state", "lines"}


@pytest.mark.slow
def test_options_that_do_not_go_together_are_refused(lab: Lab):
    assert lab.sashiko("status", "--watch").returncode == 2
    assert "needs a SWEEP" in lab.sashiko("status", "--watch").stderr
    assert "leave out SWEEP" in lab.sashiko("status", "lab/abc", "--project", "lab").stderr


@pytest.mark.slow
def test_what_was_worked_here_is_told_as_json(lab: Lab):
    file = str(quick_sweep(lab, "told", "{x: {values: [0, 1]}, mood: {values: [well, wrong]}}"))
    done = lab.sashiko("sweep", file, "--json", "--workers", "2")
    assert done.returncode == 1
    told = document(done)
    assert {"total": 4, "done": 2, "failed": 2}.items() <= told.items()
    assert told["url"].endswith(told["sweep"].rsplit("/", 1)[1])
    again = lab.sashiko("sweep", file, "--json", "--workers", "2")
    assert document(again) == told, "also where nothing is left"
    wrong = lab.sashiko("sweep", str(quick_sweep(lab, "wrong", "{x: {values: [one]}, z: {value: 1}}")), "--json")
    error = document(wrong)["error"]
    assert (wrong.returncode, error["exit_code"], error["kind"]) == (2, 2, "ConfigError")
    assert {problem["key"] for problem in error["problems"]} == {"x", "z"}


@pytest.mark.slow
def test_a_watch_ends_with_the_sweep_and_with_ctrl_c(lab: Lab, held: tuple[str, Path]):
    """The last test of the sweep under way: it lets the runs go."""
    file, hold = held
    leaves = lab.start("launch.cli", "status", file, "--embedded", "--watch", "--every", "0.3")
    watch = lab.start("launch.cli", "status", file, "--embedded", "--watch", "--every", "0.3", "--json")
    first = []
    for process in (leaves, watch):
        assert process.stdout is not None
        if process is leaves:
            process.stdout.readline()  # the tracker
        first.append(process.stdout.readline())
    leaves.send_signal(signal.SIGINT)
    said, problem = leaves.communicate(timeout=30)
    assert (leaves.returncode, said, problem) == (0, "", "")
    assert first[0].endswith("2 running, 4 waiting\n")
    run = document(lab.sashiko("status", file, "--embedded", "--json"))["workers"][0]["run"]
    asked = document(lab.sashiko("cancel", f"lab/{run}", "--embedded", "--json"))
    assert asked == {"kind": "run", "what": f"local/lab/{run}", "state": "running", "cancelled": True, "jobs": []}
    _until(lambda: _points(lab, Path(file)).get("stopped") == 1)
    hold.unlink()
    said, _ = watch.communicate(timeout=60)
    looks = [json.loads(line) for line in [first[1], *said.splitlines()]]
    assert watch.returncode == 1, "runs failed"
    assert all(set(look) == WHOLE for look in looks)
    assert all(sum(look["points"].values()) == 6 for look in looks)
    assert sum(looks[-1]["points"].get(state, 0) for state in ("finished", "failed", "stopped")) == 6
    midway = [look for look in looks[:-1] if look["points"].get("finished") and look["points"].get("running")]
    assert all(look["end"] for look in midway), "something has finished, and somebody is at work"
    last = looks[-1]
    assert [set(failure) for failure in last["failures"]] == [FAILURE] * len(last["failures"])
    assert {failure["cause"] for failure in last["failures"]} == {"exception", "stopped"}
    assert sum(failure["count"] for failure in last["failures"]) == 6 - last["points"]["finished"]
    assert all(failure["command"] == f"sashiko rerun {last['sweep']} --failed" for failure in last["failures"])
    done = lab.sashiko("cancel", f"lab/{run}", "--embedded")
    assert done.stdout.endswith(f"run local/lab/{run} is over already (stopped)\n")
    again = lab.sashiko(*last["failures"][0]["command"].split()[1:], "--embedded", "--workers", "2")
    assert "failed" in again.stdout, "the command is one that runs"


@pytest.mark.slow
def test_what_local_runs_used_is_told(lab: Lab):
    file = quick_sweep(lab, "used", "{x: {values: [1, 2]}, seconds: {value: 1.0}, mood: {values: [well, killed]}}")
    lab.sashiko("sweep", str(file), "--embedded", "--workers", "2")
    done = lab.sashiko("efficiency", str(file), "--embedded", "--json")
    assert done.returncode == 0, done.stderr
    found = document(done)
    assert set(found) == {"sweep", "jobs", "cpu_share", "memory_share", "gpu_percent", "advice"}
    (used,) = found["jobs"]
    assert set(used) == USED
    assert (used["job"], used["runs"], used["workers"], used["measured_by"]) == (None, 6, 2, "the runs themselves")
    assert 1 <= used["seconds"] < 60
    assert 0 < used["cpu_seconds"] < used["seconds"] * used["cpus"]
    assert 20 < used["peak_memory_mb"] < 4_000
    assert found["gpu_percent"] is None
    info = find_server(lab.folder / ".sashiko")
    assert info is not None
    filters = {"sweep": found["sweep"].rsplit("/", 1)[1]}
    runs = [run for run, _ in attempts_of(Tracker(info.url, info.key), "local", "lab", filters)]
    assert [len(run.used) for run in runs] == [1] * 6, "also those that were killed, by whom they worked for"
    assert all(run.used[0]["cpu_seconds"] > 0 for run in runs)
    said = lab.sashiko("efficiency", str(file), "--embedded").stdout
    assert "measured by the runs themselves" in said
    nothing = quick_sweep(lab, "unused", "{x: {values: [1]}, mood: {value: raises}, label: {value: never}}")
    assert lab.sashiko("efficiency", str(nothing), "--embedded").returncode == 3
