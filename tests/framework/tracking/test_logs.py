"""Structured logs: every line parses, nothing that is logged can end a run, levels of file and terminal apart."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framework.errors import ConfigError
from framework.tracking import logs

logger = logging.getLogger("framework.tests")


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A handler of the test's own, and levels as they were afterwards."""
    monkeypatch.setattr(logs, "_lines", logs.Lines())
    monkeypatch.setattr(logs, "_about", {})
    for name in (logs.TERMINAL, logs.FILE):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    before = list(root.handlers), {name: logging.getLogger(name).level for name in logs.OURS}
    yield
    root.handlers[:] = before[0]
    for name, level in before[1].items():
        logging.getLogger(name).setLevel(level)
    for name in (logs.TERMINAL, logs.FILE):
        os.environ.pop(name, None)


def lines(directory: Path) -> list[dict[str, Any]]:
    (path,) = (directory / logs.FOLDER).glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_time_with_zone_level_run_worker_and_fields(tmp_path: Path):
    logs.set_up()
    logs.into(tmp_path)
    logs.say_about(worker="node1:7")
    before = logs.begin_run("ab12")
    logger.info("took %d of %d", 3, 4, extra={"point": 7, "ratio": 0.5})
    logs.end_run(before)
    logger.warning("over", extra={"fields": {"name": "clashes with Python's", "message": "too"}})
    first, last = lines(tmp_path)
    assert datetime.fromisoformat(first["time"]).utcoffset() is not None
    assert list(first)[:4] == ["time", "level", "worker", "run"] or list(first)[:4] == [
        "time",
        "level",
        "run",
        "worker",
    ]
    assert (first["level"], first["run"], first["worker"]) == ("INFO", "ab12", "node1:7")
    assert first["message"] == "took 3 of 4"
    assert first["fields"] == {"point": 7, "ratio": 0.5}
    assert "run" not in last
    assert last["fields"] == {"name": "clashes with Python's", "message": "too"}


def test_exceptions_keep_their_traceback_and_line_breaks_stay_in_a_line(tmp_path: Path):
    logs.set_up()
    logs.into(tmp_path)
    try:
        int("two\nlines")
    except ValueError:
        logger.exception("failed\nthere")
    (line,) = lines(tmp_path)
    assert line["message"] == "failed\nthere"
    assert "ValueError: invalid literal" in line["trace"]
    assert "test_logs.py" in line["trace"]


class Unsayable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_what_is_no_json_does_not_crash(tmp_path: Path):
    logs.set_up()
    logs.into(tmp_path)
    logger.info(
        "odd", extra={"a": np.arange(2), "b": {1, 2}.__class__, "c": Unsayable(), "d": Path("x"), "e": b"\xff"}
    )
    logger.info("nan", extra={"loss": float("nan")})
    odd, nan = lines(tmp_path)
    assert odd["fields"]["a"] == [0, 1]
    assert odd["fields"]["c"] == "<Unsayable: RuntimeError>"
    unfit = logging.makeLogRecord({"msg": "%d words", "args": ("no",), "levelname": "INFO"})
    assert logs.entry_of(unfit)["message"] == "%d words ('no',)"
    assert nan["fields"]["loss"] != nan["fields"]["loss"]


@pytest.mark.parametrize(("terminal", "file"), [("WARNING", "DEBUG"), ("DEBUG", "ERROR"), ("OFF", "INFO")])
def test_the_file_has_a_level_of_its_own(terminal: str, file: str, tmp_path: Path):
    logs.set_up(terminal, file)
    logs.into(tmp_path)
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    for level in levels:
        logger.log(logging.getLevelNamesMapping()[level], "said at %s", level)
    assert [line["level"] for line in lines(tmp_path)] == levels[levels.index(file) :]


def test_the_terminal_shows_from_its_level_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    logs.set_up("WARNING", "DEBUG")
    logs.into(tmp_path)
    logger.info("quiet")
    logger.warning("loud")
    told = capsys.readouterr().err
    assert "loud" in told
    assert "quiet" not in told
    assert [line["message"] for line in lines(tmp_path)] == ["quiet", "loud"]


def test_a_level_that_is_none_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"--log-level: is WARNIN; .*WARNING"):
        logs.set_up("warnin")
    monkeypatch.setenv(logs.TERMINAL, "OFF")
    monkeypatch.setenv(logs.FILE, "loud")
    with pytest.raises(ConfigError, match="SASHIKO_LOG_FILE_LEVEL"):
        logs.set_up()


def test_lines_wait_for_the_folder_and_go_nowhere_without_one(tmp_path: Path):
    logs.set_up()
    logger.info("early")
    logs.into_if_there(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    logs.into(tmp_path)
    logger.info("late")
    assert [line["message"] for line in lines(tmp_path)] == ["early", "late"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path):
    logs.set_up()
    (tmp_path / "file").write_text("")
    logs.into(tmp_path / "file")
    logger.error("lost")


WRITER = """
import logging, os, sys
from pathlib import Path
from framework.tracking import logs
logs.set_up(); logs.into(Path(sys.argv[1]))
for _ in range(3):
    os.fork()
for i in range(200):
    logging.getLogger("launch.x").info("x" * 5000, extra={"i": i})
"""


def test_lines_of_many_processes_do_not_mix(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    assert process.wait(60) == 0
    path = next((tmp_path / logs.FOLDER).iterdir())
    deadline = 100
    while len(path.read_bytes().splitlines()) < 1600 and deadline:
        deadline -= 1
        __import__("time").sleep(0.1)
    assert len(lines(tmp_path)) == 1600
