"""Reading logs: every filter beside a slow twin that parses each line, and lines as they come."""

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from framework.errors import ConfigError
from launch import log_lines
from launch.log_lines import Filter, entries, filter_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def make(directory: Path, count: int = 2_000) -> list[dict[str, Any]]:
    """Lines of two days, a little out of order, with what could be taken for something else."""
    rng, made = random.Random(0), []
    for number in range(count):
        moment = NOW - timedelta(hours=30) + timedelta(seconds=number * 50 + rng.uniform(-20, 20))
        entry = {"time": moment.isoformat(timespec="microseconds"), "level": rng.choice(LEVELS)}
        entry |= {"run": f"run{number % 7}"} if number % 3 else {}
        entry |= {"worker": f"n:{number % 2}"} if number % 5 else {}
        entry |= {"logger": "launch.x", "message": rng.choice(["plain", '"level": "ERROR"', "point=7 ä"])}
        entry["fields"] = {
            "point": number % 9,
            "name": rng.choice(["a", "a b", 'q"']),
            "inner": {"deep": number % 4},
        }
        made.append(entry)
    folder = directory / "logs"
    folder.mkdir()
    for day in sorted({entry["time"][:10] for entry in made}):
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in made if one["time"][:10] == day)
        (folder / f"{day}-host.jsonl").write_text(text)
    return sorted(made, key=lambda entry: str(entry["time"]))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"level": "error"},
        {"run": "run3"},
        {"worker": "n:1", "level": "WARNING"},
        {"fields": ["point=7"]},
        {"fields": ["name=a"]},
        {"fields": ['name=q"', "inner.deep=2"]},
        {"fields": ["message=point=7 ä"]},
        {"fields": ["nothing=1"]},
        {"since": "5h"},
        {"since": "2026-02-28T20:00+00:00", "until": "2h", "level": "INFO"},
        {"until": "2026-02-28T18:00+00:00"},
        {"since": "9h", "run": "run1", "fields": ["point=4"]},
    ],
)
def test_a_filter_finds_what_its_slow_twin_finds(given: dict[str, Any], tmp_path: Path):
    made = make(tmp_path)
    whole = {"level": "DEBUG", "run": "", "worker": "", "fields": [], "since": "", "until": "", **given}
    wanted = filter_of(**whole, now=NOW)
    found = entries(tmp_path, wanted)
    assert found == [entry for entry in made if wanted.takes(entry)]
    if "nothing=1" not in whole["fields"]:
        assert 0 < len(found) <= len(made)
    assert entries(tmp_path, wanted, 3) == found[-3:]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path):
    made = make(tmp_path, 10)
    path = next((tmp_path / "logs").iterdir())
    path.write_bytes(b'{"time": "2026\n\xff\xff\n[1]\n' + path.read_bytes() + b'{"cut')
    assert entries(tmp_path, Filter()) == made
    assert entries(tmp_path / "nowhere", Filter()) == []


def test_wrong_filters_are_told_together():
    with pytest.raises(ConfigError) as caught:
        filter_of("loud", "", "", ["point"], "yesterday", "3w", NOW)
    told = str(caught.value)
    assert all(
        word in told for word in ("--field", "KEY=VALUE", "--level", "--since", "'yesterday'", "--until", "5m")
    )


def test_a_line_for_people_has_time_level_run_and_fields():
    line = log_lines.told({**make_one(), "trace": "Traceback\n  there"})
    assert "ERROR" in line
    assert "ab12" in line
    assert "point=7" in line
    assert line.endswith("\n    Traceback\n      there")
    assert log_lines.told({}).startswith("?")


def make_one() -> dict[str, Any]:
    moment = NOW.isoformat(timespec="microseconds")
    return {"time": moment, "level": "ERROR", "run": "ab12", "message": "failed", "fields": {"point": 7}}


def test_lines_are_followed_as_they_come_and_a_half_written_one_is_waited_for(tmp_path: Path):
    make(tmp_path, 5)
    command = [
        sys.executable,
        "-m",
        "launch.cli",
        "logs",
        "-f",
        "-n",
        "1",
        "--level",
        "ERROR",
        "--dir",
        str(tmp_path),
        "--json",
    ]
    path = tmp_path / "logs" / f"{datetime.now(UTC):%Y-%m-%d}-host.jsonl"
    text = json.dumps(make_one()) + "\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["level"] in ("ERROR", "CRITICAL")  # it is at work
            with path.open("a") as file:
                file.write(text[:20])
                file.flush()
                time.sleep(1.2)
                file.write(text[20:])
            assert json.loads(process.stdout.readline()) == make_one()
        finally:
            process.terminate()
