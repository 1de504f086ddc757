"""Without the folder `launch/server` everything works that another W&B server can serve, and the rest says so."""

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import ROOT, Lab, add_quick, quick_sweep
from tests.launch.test_workers import server_env

pytestmark = pytest.mark.slow

ABSENT = """
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "launch.server" or name.startswith("launch.server."):
            raise ModuleNotFoundError(f"No module named {name!r}", name="launch.server")


sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    """A lab with a server, and one of the same folder in which `launch.server` cannot be imported."""
    lab = Lab.make(tmp_path_factory.mktemp("served"))
    add_quick(lab)
    hidden = lab.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(ABSENT)
    bare = Lab(lab.folder, lab.environment | {"PYTHONPATH": f"{hidden}:{lab.folder}"})
    try:
        yield lab, bare
    finally:
        lab.close()


def test_a_sweep_is_worked_told_compared_and_pulled_without_it(served: tuple[Lab, Lab]):
    lab, bare = served
    environment = server_env(lab)
    file = str(quick_sweep(lab, "bare", "{x: {values: [1, 2]}, seed: {values: [0, 1]}}"))
    done = bare.sashiko("sweep", file, "--workers", "2", **environment)
    assert done.returncode == 0, done.stderr
    assert "4 runs finished, 0 failed" in done.stdout
    for words, wanted in {
        ("status", file): "4 points: 4 finished",
        ("compare", file): "loss",
        ("pull", file, "--to", "pulled", "--format", "csv"): "4 rows",
    }.items():
        told = bare.sashiko(*words, **environment)
        assert (told.returncode, wanted in told.stdout) == (0, True), told.stdout + told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("serve", "--stop"),
        ("serve", "backup", "there"),
        ("serve", "user", "list"),
        ("env",),
        ("sweep", "{file}"),
        ("status", "{file}", "--embedded"),
    ],
)
def test_what_needs_it_says_that_it_is_missing_and_what_to_do(served: tuple[Lab, Lab], words: tuple[str, ...]):
    _, bare = served
    file = str(quick_sweep(bare, "wanting", "{x: {values: [1]}}"))
    told = bare.sashiko(*(word.format(file=file) for word in words))
    assert told.returncode == 3, told.stdout + told.stderr
    assert "this installation has no embedded server" in told.stderr
    assert "wandb login" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_doctor_works_without_it(served: tuple[Lab, Lab]):
    lab, bare = served
    told = bare.sashiko("doctor")
    assert told.returncode == 1
    assert "is no part of this installation" in told.stdout
    assert "!!  tracker" in told.stdout
    assert "none is configured" in told.stdout
    assert "→ set WANDB_BASE_URL and WANDB_API_KEY, or run `wandb login`" in told.stdout
    told = bare.sashiko("doctor", **server_env(lab))
    assert "!!  tracker" not in told.stdout


def test_commands_that_begin_at_once_share_the_server_that_one_of_them_starts(tmp_path: Path):
    lab = Lab.make(tmp_path)
    try:
        commands = [lab.start("launch.cli", "status", "--embedded") for _ in range(3)]
        said = [command.communicate(timeout=120) for command in commands]
        assert [command.returncode for command in commands] == [0, 0, 0], said
    finally:
        lab.close()


def test_a_server_that_is_started_again_is_where_it_was(tmp_path: Path):
    lab = Lab.make(tmp_path)

    def port() -> str:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", lab.sashiko("status", "--embedded").stdout)
        assert found is not None
        return found[1]

    try:
        with socket.socket() as taken:  # so that the first one has a port of its own
            with contextlib.suppress(OSError):
                taken.bind(("127.0.0.1", 8765))
                taken.listen()
            first = port()
            assert first != "8765"
            lab.sashiko("serve", "--stop")
        assert port() == first
    finally:
        lab.close()


def test_what_lies_in_the_folder_is_no_module_of_the_servers(tmp_path: Path):
    lab = Lab.make(tmp_path)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "html.py").write_text("raise SystemExit('somebody else')\n")
    command = [str(Path(sys.executable).parent / "sashiko")]
    environment = lab.environment | {"PYTHONPATH": str(ROOT)}
    told = [
        subprocess.run(
            [*command, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for words in (["status"], ["serve", "--stop"])
    ]
    assert [(one.returncode, "somebody else" in one.stderr) for one in told] == [(0, False)] * 2, told
