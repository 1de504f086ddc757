"""The record beside frozen code, and that runs in it record what git said."""

import subprocess
import sys
from pathlib import Path

import pytest

from framework.tracking import frozen
from framework.tracking.frozen import Record
from tests.lab import ROOT

TREE = "0123456789abcdef"
GIT = {"commit": "abc", "dirty": True, "patch_bytes": 6}
PATCH = b"\xff\x00\r\n\nx"


def record(tree: str = TREE) -> Record:
    return Record(tree, "/somewhere", GIT, PATCH, "seal")


def test_it_is_found_from_within_as_it_was_written(tmp_path: Path):
    folder = tmp_path / TREE
    (folder / "inner").mkdir(parents=True)
    assert frozen.around(folder / "inner") is None
    record().write(folder)
    record().write(folder)
    assert frozen.around(folder / "inner") == frozen.read(folder) == record()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{TREE}.json"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"patch": 1}', '{"patch": "", "tree": "0123456789abcdef"}'])
def test_other_files_beside_a_folder_are_no_records(tmp_path: Path, text: str):
    folder = tmp_path / TREE
    folder.mkdir()
    frozen.beside(folder).write_text(text)
    assert frozen.around(folder) is None
    record("another").write(folder)
    assert frozen.around(folder) is None


def test_a_process_that_runs_frozen_code_has_the_record_of_then(tmp_path: Path):
    folder = tmp_path / TREE
    (folder / "experiments").mkdir(parents=True)
    (folder / "experiments" / "__init__.py").write_text("")
    record().write(folder)
    code = (
        "import sys, experiments; from framework.tracking import provenance; found = provenance.of_process();"
        "print(found.record['git']); print(found.patch == bytes.fromhex(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, PATCH.hex()], env={"PYTHONPATH": f"{folder}:{ROOT}"}, capture_output=True,
        cwd=tmp_path, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str({**GIT, "tree": TREE}), "True"]
