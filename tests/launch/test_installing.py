"""An installation tells how far it is: what is read off pip's lines, and what is shown of them."""

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from launch import installing
from launch.installing import State, ending, main

FETCH = [
    "Obtaining file:///srv/project",
    "Collecting torch>=2.11 (from sashiko==0.1.0)",
    "  Downloading torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (30 kB)",
    "Downloading torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl (906.4 MB)",
    "Progress 104857600 of 950432768",
]


def after(*lines: str) -> State:
    state = State()
    for line in lines:
        state.take(line.strip())
    return state


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "  0:05  looking up what is needed"),
        (FETCH[:3], "  0:05  looking up what is needed"),
        (FETCH[:4], "  0:05  1 package found; fetching torch"),
        (FETCH, "  0:05  1 package found; fetching torch 100 of 906 MB"),
        ([*FETCH, "Processing /w/scikit_learn-1.7-cp311.whl"], "  0:05  2 packages found; fetching scikit_learn"),
        (["Using cached rich-14.0-py3-none-any.whl (2 kB)"], "  0:05  1 package found; fetching rich"),
        ([FETCH[3], "Progress 9 of 99"], "  0:05  1 package found; fetching torch"),
        (["Building editable for sashiko (pyproject.toml): started"], "  0:05  building"),
        ([*FETCH, "Installing collected packages: a, b-c, d"], "  0:05  unpacking 3 packages, 2 in place"),
    ],
)  # fmt: skip
def test_the_state_is_read_off_the_lines_of_pip(lines, told):
    assert after(*lines).told(5.4, 2) == told


def test_minutes_and_no_more_in_place_than_are_wanted():
    assert after("Installing collected packages: a, b").told(125, 7) == "  2:05  unpacking 2 packages, 2 in place"


def test_the_end_has_errors_and_of_a_failure_what_pip_said():
    said = ["Collecting a", "WARNING: old", "ERROR: a needs b", *map(str, range(30))]
    assert ending(0, 1, 12.6, said) == ["ERROR: a needs b", "  installed in 13 s: 1 new package"]
    assert ending(0, 3, 1, []) == ["  installed in 1 s: 3 new packages"]
    assert ending(1, 0, 1, said) == ["  pip ended with an error; it said:", *map(str, range(10, 30))]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_a_line_now_and_then_and_on_a_terminal_over_the_last_one(out, monkeypatch):
    monkeypatch.setattr(installing, "LOG_S", 0.01)
    monkeypatch.setattr(installing, "TERMINAL_S", 0.01)
    over = threading.Event()
    teller = threading.Thread(target=installing._tell, args=(after(*FETCH), set(), 0.0, over, out))
    teller.start()
    while out.getvalue().count("fetching torch") < 3:
        over.wait(0.005)
    over.set()
    teller.join()
    text = out.getvalue()
    assert text.count("\n") == (0 if out.isatty() else text.count("fetching"))
    assert text.endswith("\r") == out.isatty()
    assert max(map(len, text.replace("\r", "\n").split("\n"))) <= installing.LONGEST


def test_pip_is_run_and_its_exit_code_kept(monkeypatch, capsys):
    script = "import sys; print('ERROR: no such thing', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    monkeypatch.setattr(installing, "PIP", (sys.executable, "-c", script))
    assert main(["3"]) == 3
    assert "  pip ended with an error; it said:\nERROR: no such thing\n" in capsys.readouterr().out
    assert main(["0"]) == 0
    assert capsys.readouterr().out.startswith("ERROR: no such thing\n  installed in 0 s: 0 new packages")


def test_it_runs_without_what_it_installs():
    file = Path(installing.__file__)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(file), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("  installed in ")
