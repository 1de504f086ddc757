"""Packages of somebody else's with names of ours: they are told in one line, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sashiko
from launch import installed
from tests.lab import ROOT, Lab
from tests.package import environments
from tests.package.building import Built
from tests.package.environments import distribution

EMPTY = {"__init__.py": ""}


def put(place: Path, package: str, files: dict[str, str], brought_by: str = "") -> None:
    """A package in a folder, with the metadata of the distribution that brings it, if one does."""
    (place / package).mkdir(parents=True)
    for name, text in files.items():
        (place / package / name).write_text(text)
    if brought_by:
        info = place / f"{brought_by}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {brought_by}\nVersion: 2.0\n")
        (info / "RECORD").write_text("".join(f"{package}/{name},,\n" for name in files))


def begin(*first: Path, words: str = "['plan', '--help']") -> "subprocess.CompletedProcess[str]":
    """The command, where these places come first on the path."""
    path = os.pathsep.join(map(str, (*first, ROOT)))
    code = f"import sys; sys.argv[1:] = {words}; import sashiko; sashiko.main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=os.environ | {"PYTHONPATH": path}, cwd=first[0] if first else ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_our_own_packages_are_no_clash_nor_are_a_users_experiments(tmp_path: Path):
    assert sashiko.foreign() == []
    lab = Lab.make(tmp_path)
    done = begin(lab.folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", sorted(sashiko.MARKS))
def test_a_folder_that_comes_first_is_told(package: str, tmp_path: Path):
    put(tmp_path, package, EMPTY)
    done = begin(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"sashiko: {package} is imported from {tmp_path / package / '__init__.py'}, which is not Sashiko's; "
        "take its folder off PYTHONPATH, or rename it\n"
    )


def test_a_distribution_that_comes_first_is_named(tmp_path: Path):
    put(tmp_path, "launch", {"__init__.py": "raise RuntimeError('never imported')\n"}, brought_by="launchpad")
    done = begin(tmp_path)
    assert done.returncode == 2
    assert "which is not Sashiko's: launchpad 2.0 brings it; install Sashiko into a virtual environment of" in (
        done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_a_module_instead_of_a_package_is_told(tmp_path: Path):
    (tmp_path / "framework.py").write_text("")
    assert f"framework is imported from {tmp_path / 'framework.py'}" in begin(tmp_path).stderr


def test_packages_that_are_gone_are_told(tmp_path: Path):
    shutil.copy(ROOT / "sashiko.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-S", "-P", tmp_path / "sashiko.py"], env={"PYTHONPATH": ""}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert [line.partition("; ")[0] for line in done.stderr.splitlines()] == [
        f"sashiko: the package {name} of Sashiko is gone" for name in sashiko.MARKS
    ]


@pytest.fixture(scope="module")
def environment(built: Built, tmp_path_factory: pytest.TempPathFactory) -> environments.Environment:
    """One that has the wheel."""
    made = environments.make(tmp_path_factory.mktemp("shared") / "venv")
    made.install(built.wheel)
    return made


@pytest.mark.slow
def test_files_that_another_distribution_has_written_over(environment: environments.Environment, tmp_path: Path):
    """As pip and uv do it: whoever comes last wins, and an uninstallation takes the files of both."""
    broken = {"framework/config.py": "Config = None\n", "launch/__init__.py": ""}
    environment.install(distribution(tmp_path, "other", broken))
    done = environment.sashiko(tmp_path, "plan", "sweeps/tabular.yaml")
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        "sashiko: other 1.0 brings framework and launch, too, and may have written over Sashiko's files "
        "(TypeError: NoneType takes no arguments); "
        "install Sashiko into a virtual environment of its own: python -m venv .venv\n"
    )
    environment.uninstall("other")
    done = environment.sashiko(tmp_path, "plan", "sweeps/tabular.yaml")
    assert "No module named 'framework.config'" in done.stderr
    found = installed.changed(environment.packages)
    assert found == ["framework/config.py", "launch/__init__.py"]


@pytest.mark.slow
def test_one_that_only_adds_files_is_told_by_the_doctor(built: Built, tmp_path: Path):
    made = environments.make(tmp_path / "venv")
    made.install(built.wheel)
    assert installed.changed(made.packages) == []
    told = made.sashiko(tmp_path, "doctor", "--embedded").stdout
    assert f"ok  its packages       framework, experiments, launch are Sashiko's own, in {made.packages}" in told
    made.install(distribution(tmp_path, "adding", {"framework/added.py": "", "launch/added.py": ""}))
    assert made.sashiko(tmp_path, "plan", "sweeps/tabular.yaml", "--count").returncode == 0
    done = made.sashiko(tmp_path, "doctor", "--embedded")
    assert done.returncode == 1
    assert "!!  its packages       adding 1.0 brings framework and launch, too" in done.stdout
    assert "→ install Sashiko into a virtual environment of its own" in done.stdout
