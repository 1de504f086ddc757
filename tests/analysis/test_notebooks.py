"""The notebooks run from their first cell to the last, in a copy of the project with an embedded server."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from experiments import manager_of
from framework.definition import read_file
from framework.plan import plan
from tests.lab import Lab

ANALYSIS = Path(__file__).parents[2] / "analysis"
BOOKS = sorted(ANALYSIS.glob("*.ipynb"))
CELL_S = 120


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab.make(tmp_path_factory.mktemp("analysis"))
    shutil.copytree(ANALYSIS, lab.folder / "analysis")
    script = lab.folder / "bin" / "sashiko"  # that of the interpreter that runs the tests
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m launch.cli "$@"\n')
    script.chmod(0o755)
    lab.environment["PATH"] = f"{script.parent}:{lab.environment['PATH']}"
    yield lab
    lab.close()


def test_there_are_two():
    assert [book.stem for book in BOOKS] == ["pull_a_sweep", "results_api"]


@pytest.mark.slow
@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_it_runs_from_the_first_cell_to_the_last(lab, book):
    words = ["--nbmake", f"--nbmake-timeout={CELL_S}", "-c", "/dev/null", "-p", "no:cacheprovider", "-q"]
    done = lab.call("pytest", *words, str(lab.folder / "analysis" / book.name), MPLBACKEND="agg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_nothing_that_was_printed_is_kept_and_no_path_of_a_machine(book):
    text = book.read_text(encoding="utf-8")
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)


def test_their_sweep_is_a_plan():
    definition = read_file(ANALYSIS / "few.yaml")
    assert len(plan(manager_of("tabular").config, definition)) == 9
