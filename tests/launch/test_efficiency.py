"""What was used of what was asked for, by records of runs and by Slurm's accounts, and what follows from it."""

from dataclasses import replace
from pathlib import Path

import pytest

from framework.tracking.ledger import Attempt
from framework.tracking.states import Cause
from launch import accounting, efficiency
from launch.efficiency import Used, advice, measured
from launch.slurm import Job
from tests.launch.test_slurm import fake

JOB = {"host": "n1", "job": "7_0", "cpus": 4, "memory_mb": 16_384}


def run(seen: float, *used: dict, worker: dict | None = None) -> Attempt:
    first = min((seen - record["seconds"] for record in used), default=seen)
    return Attempt(
        f"r{seen}", "r", "finished", Cause.FINISHED, begun=first, seen=seen, worker=worker or {}, used=used
    )


def record(seconds: float, cpu: float, peak: float, **more) -> dict:
    return {**JOB, "seconds": seconds, "cpu_seconds": cpu, "peak_memory_mb": peak, **more}


def test_runs_of_a_job_after_each_other_add_up_in_time_and_not_in_memory():
    (found,) = measured([run(100, record(50, 40, 1000)), run(200, record(50, 60, 1200))])
    assert (found.job, found.runs, found.workers) == ("7_0", 2, 1)
    assert (found.seconds, found.cpu_seconds, found.peak_memory_mb) == (100, 100, 1200)
    assert found.cpu_share == 0.25
    assert found.memory_share == pytest.approx(1200 / 16_384)


def test_runs_at_a_time_add_up_in_memory_and_not_in_time():
    (found,) = measured([run(100, record(50, 40, 1000)), run(120, record(50, 40, 1200))])
    assert (found.workers, found.seconds, found.cpu_seconds, found.peak_memory_mb) == (2, 70, 80, 2200)


def test_what_the_whole_job_has_comes_before_the_sum_of_its_runs():
    (found,) = measured([run(100, record(50, 40, 1000, job_memory_mb=1500))])
    assert found.peak_memory_mb == 1500


def test_a_run_that_went_on_elsewhere_counts_in_both_jobs():
    other = {**record(30, 30, 500), "job": "8"}
    found = measured([run(100, record(50, 40, 1000), other)])
    assert [(used.job, used.seconds, used.cpu_seconds) for used in found] == [("7_0", 50, 40), ("8", 30, 30)]


def test_what_is_not_known_is_none():
    (found,) = measured([run(100, worker=JOB)])
    assert (found.cpu_seconds, found.cpu_share, found.peak_memory_mb, found.memory_share) == (None,) * 4
    assert efficiency._row(found)["CPU used"] == "not known of 4"
    assert efficiency._row(found)["memory"] == "not known of 16 GB"
    assert advice([found]) == []
    assert measured([run(100)]) == []


def used(**more) -> Used:
    values = {
        "job": "7", "host": "n1", "state": None, "runs": 1, "workers": 1, "seconds": 100.0, "cpus": 4.0,
        "cpu_seconds": 380.0, "memory_mb": 16_384.0, "peak_memory_mb": 12_000.0, "gpu": None, "gpu_percent": None,
        "peak_gpu_memory_mb": None, "measured_by": "",
    }  # fmt: skip
    return Used(**{**values, **more})


def test_there_is_no_advice_where_it_fits():
    assert advice([used()]) == []
    assert advice([used(job=None, peak_memory_mb=10.0, cpu_seconds=1.0)]) == [], (
        "outside jobs nothing was asked for"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"peak_memory_mb": 1.2 * 1024}, "peak memory 1.2 of 16 GB asked: memory_gb = 2 would do"),
        ({"peak_memory_mb": 15.5 * 1024}, "peak memory 15.5 of 16 GB asked: memory_gb = 21 would be safer"),
        ({"cpu_seconds": 90.0}, "0.9 of 4 CPUs used: cpus = 1 would do, or more workers in a job"),
        ({"cpu_seconds": 160.0}, "1.6 of 4 CPUs used: cpus = 2 would do, or more workers in a job"),
        ({"gpu_percent": 12.0, "workers": 2}, "the GPU was busy 12 % of the time: workers = 3 lets runs share it"),
    ],
)
def test_advice_says_what_to_write(values, words):
    assert advice([used(**values)]) == [words]


def test_the_largest_job_decides_what_is_enough():
    some = [used(peak_memory_mb=1024.0, cpu_seconds=50.0), used(peak_memory_mb=5000.0, cpu_seconds=350.0)]
    (told,) = advice(some)
    assert "memory_gb = 7" in told


SACCT = """\
7_0|COMPLETED|100|4|05:00.500||16G|node3
7_0.batch|COMPLETED|100|4|00:00.015|12044K||node3
7_0.0|COMPLETED|100|4|05:00.485|2048000K||node3
7_1|RUNNING|50|4|00:00:00||4000Mc|node2
7_1.batch|RUNNING|50|4|00:00:00|||node2
8|PENDING|0|0|00:00:00||16Gn|None assigned
9|CANCELLED by 0|3|4|00:00:00||16G|node1
11|PREEMPTED|38|2|00:17.500||4G|node1
11.batch|PREEMPTED|38|2|00:17.500|300000K||node1
11|REQUEUED|39|2|00:18.100||4G|node2
11.batch|CANCELLED|39|2|00:18.100|500M||node2
11|COMPLETED|68|2|00:29.600||4G|node3
11.batch|COMPLETED|68|2|00:29.600|400M||node3
12|REQUEUED|10|2|00:05.000||4G|node1
12|RUNNING|20|2|00:00:00||4G|node2
"""


def test_accounts_as_sacct_and_sstat_write_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name, text in (("sacct", SACCT), ("sstat", "00:40.000|1500K\n00:10.000|30M\n"), ("squeue", "")):
        fake(monkeypatch, tmp_path, name, f"cat <<'END'\n{text}END")
    found = accounting.of(["7_0", "7_1", "8", "9", "10", "11", "12"])
    assert set(found) == {"7_0", "7_1", "8", "9", "11", "12"}
    queued_again = accounting.Told("COMPLETED", "node3", 145, 2, 17.5 + 18.1 + 29.6, 4096, 500)
    assert found["11"] == queued_again, "all its starts count"
    assert found["12"] == accounting.Told("RUNNING", "node2", 30, 2, 55, 4096, 30)
    assert found["7_0"] == accounting.Told("COMPLETED", "node3", 100, 4, 300.5, 16_384, 2000)
    assert found["7_1"] == accounting.Told("RUNNING", "node2", 50, 4, 50, 16_000, 30)
    assert found["8"] == accounting.Told("PENDING", None, None, None, None, 16_384, None)
    assert (found["9"].state, found["9"].cpu_seconds, found["9"].peak_memory_mb) == ("CANCELLED", None, None)


def test_without_accounting_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fake(monkeypatch, tmp_path, "squeue", "")
    assert accounting.of(["7"]) == {}
    fake(monkeypatch, tmp_path, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert accounting.of(["7"]) == {}


def test_slurm_knows_the_time_of_a_job_and_its_accounts_what_all_of_it_used():
    mine = used(measured_by=efficiency.RUNS)
    queued = Job("7", "RUNNING", "n9", "", 150)
    timed = efficiency._corrected(mine, queued, None)
    assert (timed.state, timed.seconds, timed.host, timed.measured_by) == ("RUNNING", 100, "n9", efficiency.RUNS)
    over = Job("7", "COMPLETED", "n9", "", 150)
    assert efficiency._corrected(mine, over, None).seconds == 150
    again = efficiency._corrected(replace(mine, starts=2), over, None)
    assert again.seconds == 100, "what Slurm tells is of its last start alone"
    told = accounting.Told("COMPLETED", "n9", 200, 8, 500, None, 999)
    both = efficiency._corrected(mine, queued, told)
    assert (both.seconds, both.cpus, both.cpu_seconds, both.memory_mb) == (200, 8, 500, 16_384)
    assert (both.peak_memory_mb, both.measured_by) == (999, efficiency.ACCOUNTING)
    empty = efficiency._corrected(mine, None, accounting.Told("PENDING", None, None, None, None, None, None))
    assert (empty.cpu_seconds, empty.measured_by) == (mine.cpu_seconds, efficiency.RUNS)


@pytest.mark.parametrize(
    ("text", "mb"),
    [("372024K", 372024 / 1024), ("1.50G", 1536), ("2048", 2048 / 2**20), ("", None), ("16?", None)],
)
def test_sizes_as_slurm_writes_them(text, mb):
    assert accounting.megabytes(text) == mb


@pytest.mark.parametrize(("apart", "workers"), [(-0.9, 1), (0.0, 1), (-5.0, 2)])
def test_runs_that_meet_for_the_step_of_the_clock_came_one_after_the_other(apart, workers):
    spans = [(0.0, 10.0, 1.0), (10.0 + apart, 20.0, 1.0)]
    assert efficiency._together(spans) == workers


def test_runs_that_one_process_worked_at_once_have_used_once_what_it_used():
    """Each of them has told the whole."""
    records = [record(60, 30, 900, host="n1", process=7, together=3) for _ in range(3)]
    (found,) = measured([run(100 + number, one) for number, one in enumerate(records)])
    assert (found.runs, found.workers) == (3, 1)
    assert (found.seconds, found.cpu_seconds, found.peak_memory_mb) == (60, 30, 900)
    others = [record(60, 30, 900, host="n1", process=8, together=2) for _ in range(2)]
    (both,) = measured([run(100, one) for one in records] + [run(100, one) for one in others])
    assert (both.runs, both.cpu_seconds, both.peak_memory_mb) == (5, 60, 1800)
