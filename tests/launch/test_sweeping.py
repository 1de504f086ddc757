"""A researcher's day: stopped, mended, changed, repeated, deleted. All ends right, on the real command line."""

import csv
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import LEASE
from tests.launch.day import Day, sweep_of, until

pytestmark = pytest.mark.slow

X4 = "{x: {values: [1, 2, 3, 4]}, thing: {value: {size: 0}}}"
X2 = "{x: {values: [1, 2]}, thing: {value: {size: 0}}}"


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    made = Day(tmp_path)
    yield made
    made.close()


def test_the_last_points_of_an_interrupted_sweep_are_given_back_and_go_on(day: Day):
    file = day.file(X4)
    day.touch("hold-3", "hold-4")
    command = day.start("sweep", file, "--workers", "2")
    until(lambda: day.told("held hold-3") + day.told("held hold-4") == 2, "the last two points are at work")
    said = day.interrupt(command)
    assert command.returncode == 130, said
    assert "interrupted; go on with" in said
    status = day.lab.sashiko("status", file)
    assert "2 finished" in status.stdout
    assert "2 interrupted and open" in status.stdout
    assert status.returncode == 0
    day.free("hold-3", "hold-4")
    again = day.sweep(file)  # at once: no lease has to run out
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 runs finished, 0 failed" in again.stdout
    runs = day.runs()
    assert [run["state"] for run in runs] == ["finished"] * 4
    assert all(run["steps"] == list(range(len(run["steps"]))) for run in runs)  # the same runs went on
    assert [len(run["steps"]) for run in runs] == [4, 4, 4, 4], "rows that are there are not sent again"
    assert list((day.here / "tmp").iterdir()) == []


def test_points_of_a_killed_command_are_worked_after_their_leases_ran_out(day: Day):
    file = day.file(X2)
    day.touch("hold-1", "hold-2")
    command = day.start("sweep", file, "--workers", "2")
    until(lambda: day.told("held hold-1") + day.told("held hold-2") == 2, "both points are at work")
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate(timeout=30)
    until(lambda: "lost and open" in day.lab.sashiko("status", file).stdout, "the leases have run out")
    day.free("hold-1", "hold-2")
    again = day.sweep(file)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 runs finished, 0 failed" in again.stdout
    assert list((day.here / "tmp").glob("sashiko-*")) == []


def test_a_requirement_that_failed_for_want_of_data_is_made_when_the_data_has_come(day: Day):
    file = day.file("{x: {values: [1, 2, 3]}, thing: {value: {size: 2}}}")
    day.free("data")
    for _ in range(2):
        done = day.sweep(file)
        assert done.returncode == 1
        assert "could not be made" in done.stdout + done.stderr
        assert "there is no data" in done.stdout + done.stderr
    assert day.told("making") >= 4  # more often than one invocation tries
    day.touch("data")
    again = day.sweep(file)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "3 runs finished, 0 failed" in again.stdout
    assert [day.told(f"ran {x}") for x in (1, 2, 3)] == [1, 1, 1]


def test_a_requirement_that_was_interrupted_three_times_is_made(day: Day):
    file = day.file("{x: {values: [1]}, thing: {value: {size: 2}}}")
    day.touch("hold-making")
    for _ in range(3):
        before = day.told("held hold-making")  # the second worker may have begun before it heard of its end, too
        command = day.start("sweep", file, "--workers", "2")
        until(lambda before=before: day.told("held hold-making") > before, "it is being made")
        if not before:
            assert "makes thing size=2" in day.lab.sashiko("status", file).stdout
        day.interrupt(command)
        assert command.returncode == 130
    day.free("hold-making")
    done = day.sweep(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert day.told("ran 1") == 1
    assert day.told("making") >= 4
    made = day.client(
        "print(json.dumps([dict(state=r.state, parts=[h['part'] for h in r.scan_history()])\n"
        "  for r in api.runs('local/day', lazy=False) if r.job_type == 'thing']))"
    )
    assert made == [{"state": "finished", "parts": [0, 1]}], "it went on in the same run"


def test_an_old_sweep_keeps_its_own_numbers_when_a_new_one_ran_with_other_code(day: Day, tmp_path: Path):
    file = day.file("{x: {values: [1, 2]}, thing: {value: {size: 2}}}")
    old = sweep_of(day.sweep(file).stdout)
    day.change("FACTOR = 1", "FACTOR = 10")
    newer = day.sweep(file, "--new", "--stale", "remake")
    assert newer.returncode == 0, newer.stdout + newer.stderr
    new = sweep_of(newer.stdout)
    assert old != new
    for sweep, expected in ((old, ["3", "4"]), (new, ["30", "40"])):
        table = tmp_path / "table.csv"
        compared = day.lab.sashiko("compare", sweep, "--csv", str(table))
        assert compared.returncode == 0, compared.stderr
        assert sorted(float(row["summary.loss_mean"]) for row in read(table)) == [float(v) for v in expected]
        pulled = tmp_path / sweep.rsplit("/", 1)[1]
        words = ["pull", sweep, "--to", str(pulled), "--artifact", "thing", "--format", "csv"]
        assert day.lab.sashiko(*words).returncode == 0
        assert sorted(row["value"] for row in read(pulled / "results.csv")) == expected
        runs = read(pulled / "runs.csv")
        assert {row["loss"] for row in runs} == {"0.5"}
        assert {row["state"] for row in runs} == {"finished"}
        assert {row["summary.state"] for row in runs} == {"from the summary"}
        assert len(list((pulled / "thing").iterdir())) == 1
    used = {run["sweep"]: run["config"]["sashiko"]["inputs"] for run in day.runs()}
    versions = [next(iter(used[sweep.rsplit("/", 1)[1]].values()))["version"][-2:] for sweep in (old, new)]
    assert versions == ["v0", "v1"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_stale_requirement_is_told_once_and_the_policy_is_followed(day: Day):
    first = day.file("{x: {values: [1, 2]}, thing: {value: {size: 2}}}", "s1")
    second = day.file("{x: {values: [3, 4]}, thing: {value: {size: 2}}}", "s3")
    assert day.sweep(first).returncode == 0
    day.change("FACTOR = 1", "# one\nFACTOR = 1")
    quiet = day.sweep(day.file("{x: {values: [9]}, thing: {value: {size: 2}}}", "s9"))
    assert "stale:" not in quiet.stdout + quiet.stderr  # a comment is no change
    day.change("FACTOR = 1", "FACTOR = 10")
    refused = day.sweep(second, "--stale", "refuse")
    assert refused.returncode == 1
    assert "experiments.day.manager changed" in refused.stdout + refused.stderr
    assert day.told("ran 3") == 0
    used = day.sweep(second)
    assert used.returncode == 0, used.stdout + used.stderr
    assert (used.stdout + used.stderr).count("stale: thing-") == 1
    marks = [run["config"]["sashiko"]["inputs"] for run in day.runs() if run["summary"]["loss"] in (32, 42)]
    assert [next(iter(mark.values()))["stale"] for mark in marks] == [["experiments.day.manager changed"]] * 2
    remade = day.sweep(day.file("{x: {values: [7]}, thing: {value: {size: 2}}}", "s7"), "--stale", "remake")
    assert remade.returncode == 0, remade.stdout + remade.stderr
    assert (day.told("making"), day.runs()[-1]["summary"]["loss"]) == (2, 90)
    wrong = day.sweep(second, "--stale", "remaek")
    assert wrong.returncode == 2
    assert "remake" in wrong.stderr


def test_a_config_that_changed_makes_another_sweep_and_the_difference_is_told(day: Day):
    file = day.file(X2)
    old = sweep_of(day.sweep(file).stdout)
    day.change("    flag: int | bool = 0", "    flag: int | bool = 0\n    extra: int = 1")
    located = day.lab.sashiko("agents", file)
    assert located.returncode == 3
    assert "2 new, 0 unchanged, 2 gone" in located.stderr
    assert "2 runs are of no point today" in day.lab.sashiko("status", file).stdout
    done = day.sweep(file)
    assert done.returncode == 0, done.stderr
    assert f"{old} of the same name differs: 2 new, 0 unchanged, 2 gone" in done.stdout
    assert day.told("ran 1") == 2
    more = day.sweep(day.file("{x: {values: [1, 2, 3]}, thing: {value: {size: 0}}}"))
    assert "1 new, 2 unchanged, 0 gone" in more.stdout


def test_equal_is_what_is_planned_equal_and_typed_equal(day: Day):
    numbers = day.file("{flag: {values: [0, 1]}, thing: {value: {size: 0}}}")
    first = sweep_of(day.sweep(numbers).stdout)
    truths = day.file("{flag: {values: [false, true]}, thing: {value: {size: 0}}}")
    second = day.sweep(truths)
    assert f"changed {first} (2 new, 0 unchanged, 2 gone)" in second.stdout
    again = day.sweep(
        day.file("{thing: {value: {size: 0}}, flag: {values: [0, 1]}}", more="description: another\n")
    )
    assert f"{first} has all of it (0 new, 2 unchanged, 2 gone); going on with sweep {first}" in again.stdout
    assert "nothing to run: 4 of 4" in again.stdout


@pytest.mark.parametrize(("verb", "word"), [("pause", "paused"), ("stop", "stopped"), ("cancel", "cancelled")])
def test_a_sweep_that_somebody_ended_is_resumed_or_refused_with_what_to_do(day: Day, verb: str, word: str):
    file = day.file(X4)
    day.touch("hold-3", "hold-4")
    command = day.start("sweep", file, "--workers", "2")
    until(lambda: day.told("held hold-3") + day.told("held hold-4") == 2, "the last two points are at work")
    day.interrupt(command)
    day.free("hold-3", "hold-4")
    path = sweep_of(day.lab.sashiko("status", file).stdout)
    day.client(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'wandb', 'sweep', '--{verb}', '{path}'],"
        " check=True, capture_output=True)\nprint('0')"
    )
    agents = day.lab.sashiko("agents", path)
    assert agents.returncode == 1
    assert f"{word} with 2 points open" in agents.stderr
    assert f"wandb sweep --resume {path}" in agents.stderr
    done = day.sweep(file)
    if verb == "cancel":
        assert done.returncode == 1
        assert f"wandb sweep --resume {path}" in done.stderr
        assert "sashiko sweep FILE --open" in done.stderr
        assert day.told("ran 3") == 0
    else:
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"resumed sweep {path}, which was {word} with 2 points open" in done.stdout
        assert "2 runs finished" in done.stdout


def test_a_running_run_that_is_deleted_stops_and_the_other_points_are_untouched(day: Day):
    file = day.file(X4)
    day.touch("hold-1")
    command = day.start("sweep", file, "--workers", "1")
    until(lambda: day.told("held hold-1") == 1, "the first point is at work")
    day.client("(r,) = api.runs('local/day'); r.delete(); print('0')")
    # The agent heard of it, stopped, and only then got points again: this one, which is open again, among them.
    until(lambda: day.told("held hold-1") == 2, "the point is at work again")
    assert day.told("ran 1") == 0
    day.free("hold-1")
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 0, said
    assert "4 runs finished, 1 stopped early, 0 failed" in said
    runs = day.runs()
    assert [run["state"] for run in runs] == ["finished"] * 4  # the deleted one is a point like any other
    assert sorted(run["config"]["x"] for run in runs) == [1, 2, 3, 4]
    assert [day.told(f"ran {x}") for x in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_every_run_has_provenance_and_its_long_parts_are_stored_once(day: Day):
    assert day.sweep(day.file(X4)).returncode == 0
    records = [run["config"]["sashiko"]["provenance"] for run in day.runs()]
    for record in records:
        assert {"command", "device", "git", "host", "packages", "python", "seeds"} <= set(record)
        assert record["seeds"] == {"seed": 0}
        assert record["device"]["visible"] is None  # explicit nulls survive
    (name,) = {record["environment"] for record in records}
    stored = day.client(
        f"a = api.artifact('local/day/{name}:latest'); names = sorted(f.name for f in a.files())\n"
        f"print(json.dumps([a.version, names, len(list(api.artifact_collections('local/day', 'provenance')))]))"
    )
    assert stored[0] == "v0"
    assert "packages.txt" in stored[1]
    assert stored[2] == 1
    assert [path for path in (day.lab.folder / ".sashiko" / "client").rglob("*") if path.is_file()] == []


def test_a_tracker_that_is_away_for_longer_than_every_lease_costs_nobody_a_point_or_a_row(day: Day):
    """One run holds a point, one waits for what another makes, and the server is killed for three leases."""
    file = day.file("{x: {values: [1]}, thing: {values: [{size: 0}, {size: 2}]}}")
    day.touch("hold-1", "hold-making")
    day.serve()
    command = day.start("sweep", file, "--workers", "2")
    until(lambda: day.told("held hold-making") == 1, "a requirement is being made")
    until(lambda: day.told("held hold-1") == 1, "a point is at work")
    day.kill_server()
    time.sleep(3.5 * float(LEASE))
    day.start_server()
    time.sleep(float(LEASE) / 2)
    day.free("hold-1", "hold-making")
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 0, said
    assert "2 runs finished, 0 failed, 1 required artifact made" in said
    assert "going on after" in said
    runs = day.runs()
    assert [(run["state"], run["steps"]) for run in runs] == [("finished", [0, 1, 2, 3])] * 2
    assert (day.told("ran 1"), day.told("making")) == (2, 1)


def test_what_runs_print_is_seen_while_they_run_and_outlives_their_worker(day: Day):
    file = day.file("{x: {values: [1]}, thing: {value: {size: 0}}}")
    day.touch("hold-1")
    command = day.start("sweep", file)
    until(lambda: day.told("held hold-1") == 1, "the point is at work")
    lines = "(r,) = api.runs('local/day'); print(json.dumps([l.content for l in r.console_logs()]))"
    until(lambda: "a line of 1.0" in "".join(day.client(lines)), "the line has come")
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate(timeout=30)
    assert "a line of 1.0" in "".join(day.client(lines))
