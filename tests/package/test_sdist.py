"""An unpacked sdist, which is no git repository, is a source like any other: its tests pass there."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.package.building import Built

SPINE_S = 280
SPINE = (
    "tests/framework/test_config.py", "tests/framework/test_definition.py", "tests/framework/test_dialect.py",
    "tests/framework/test_fields.py", "tests/framework/test_grid.py", "tests/framework/test_layers.py",
    "tests/framework/test_manager.py", "tests/framework/test_plan.py", "tests/framework/test_problems.py",
    "tests/test_imports.py", "tests/test_sweeps.py", "tests/launch/test_version.py", "tests/launch/test_new.py",
    "tests/launch/test_frozen.py", "tests/launch/server/test_upgrades.py", "tests/launch/server/test_assets.py",
)  # fmt: skip
"""The spine, and what looks at where its source lies, or reads what is no module."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(place, filter="data")
    (folder,) = place.iterdir()
    return folder


def call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PYTEST", "PYTHONPATH"))
    }
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=kept | {"GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True, text=True, timeout=SPINE_S, check=False,
    )  # fmt: skip


def test_the_suites_spine_passes_there(unpacked: Path):
    found = call(
        unpacked, "-c", "import framework, launch; print(framework.__file__, launch.__file__)"
    ).stdout.split()
    assert [Path(path).parents[1] for path in found] == [unpacked, unpacked]
    done = call(unpacked, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *SPINE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_tests_the_package_is_skipped_there(unpacked: Path):
    done = call(unpacked, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/package/test_building.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this is no git tree, which tells what belongs to the package" in done.stdout
