"""What an installed wheel does in a folder that has nothing of the source: a whole sweep, and what tells of it."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from tests.package import environments
from tests.package.building import Built
from tests.package.environments import Environment

FEW = """method: grid
project: sashiko
command: ["${env}", python, -m, experiments, tabular]
parameters:
  data: {parameters: {name: {value: wine}}}
  model: {parameters: {kind: {value: logistic_or_ridge}}}
  seed: {values: [0, 1]}
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place:
    """A folder of a user's, a git repository with a file of their own and the environment in `.venv`."""

    folder: Path
    environment: Environment

    def sashiko(self, *words: str, code: int = 0, **extra: str) -> "subprocess.CompletedProcess[str]":
        done = self.environment.sashiko(self.folder, *words, **extra)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def place(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "mine.py").write_text("x = 1\n")
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for words in (["init"], ["add", "mine.py"], [*identity, "commit", "-m", "mine"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    made = Place(folder, environments.make(folder / ".venv"))
    made.environment.install(built.wheel)
    yield made
    made.environment.sashiko(folder, "serve", "--stop")


def test_the_version_is_that_of_the_wheel_and_not_of_the_repository_around_it(place: Place):
    assert place.sashiko("--version").stdout == f"sashiko {metadata.version('sashiko')}\n"


def test_a_sweep_that_sashiko_brings_is_planned_where_there_is_no_file(place: Place):
    done = place.sashiko("plan", "sweeps/stitching.yaml", "--count")
    assert done.stdout == "270\n"
    assert "Sashiko's own is meant" in done.stderr
    assert not (place.folder / "sweeps").exists()
    listed = place.environment.call(place.folder, "python", "-m", "experiments", "--write-sweeps", "written")
    assert listed.returncode == 0, listed.stderr
    done = place.sashiko("plan", "written/stitching.yaml", "--count")
    assert (done.stdout, done.stderr) == ("270\n", "")


def test_a_sweep_is_worked_told_compared_and_reported(place: Place):
    (place.folder / "few.yaml").write_text(FEW)
    done = place.sashiko("sweep", "few.yaml", "--workers", "2")
    assert "2 runs finished, 0 failed" in done.stdout
    packages = place.environment.packages
    assert f"code: live, sashiko {metadata.version('sashiko')} as it is installed in {packages}\n" in done.stdout
    assert "2 points: 2 finished" in place.sashiko("status", "few.yaml").stdout
    table = place.sashiko("compare", "few.yaml", "--csv", "table.csv", "--figures", "figures").stdout
    assert "logistic_or_ridge" in table
    assert (place.folder / "table.csv").is_file()
    place.sashiko("report", "few.yaml", "--html", "report.html")
    assert "<html" in (place.folder / "report.html").read_text()


def test_a_run_is_done_again_and_its_record_knows_nothing_of_the_repository_around_it(place: Place):
    (place.folder / "few.yaml").write_text(FEW)
    place.sashiko("sweep", "few.yaml")
    told = json.loads(place.sashiko("query", "SELECT run_id FROM runs", "--sweep", "few.yaml", "--json").stdout)
    run = told["rows"][0]["run_id"]
    verdict = json.loads(place.sashiko("rerun", "--from", run, "--json").stdout)
    assert verdict["verdict"] == "identical"
    code = "import experiments; from framework.tracking import provenance; print(*provenance._code()[0])"
    assert place.environment.call(place.folder, "python", "-c", code).stdout == "\n"


def test_the_pages_and_their_scripts_are_served(place: Place):
    (place.folder / "few.yaml").write_text(FEW)
    url = json.loads(place.sashiko("sweep", "few.yaml", "--json").stdout)["url"]
    code = (
        f"import requests; page = requests.get({url!r}); page.raise_for_status(); print('uPlot' in page.text); "
        f"requests.get({url.split('/local')[0]!r} + '/static/sweep.js').raise_for_status()"
    )
    done = place.environment.call(place.folder, "python", "-c", code)
    assert done.returncode == 0, done.stderr


def test_profiles_of_a_cluster_are_inside(place: Place):
    code = "from launch import profile; print(*profile.names())"
    assert place.environment.call(place.folder, "python", "-c", code).stdout == "cpu gpu\n"


def test_a_project_of_ones_own_has_its_experiment_and_those_of_the_package(place: Place):
    assert "--project begins a project there" in place.sashiko("new", "mine_own", code=2).stderr
    told = place.sashiko("new", "mine_own", "--project").stdout
    assert f"next: export PYTHONPATH={place.folder}; sashiko plan sweeps/mine_own.yaml" in told
    own = {"PYTHONPATH": str(place.folder)}
    assert place.sashiko("plan", "sweeps/mine_own.yaml", "--count", **own).stdout == "175\n"
    assert place.sashiko("plan", "sweeps/stitching.yaml", "--count", **own).stdout == "270\n"
    (place.folder / "own.yaml").write_text(FEW.replace("experiments, tabular", "experiments, mine_own"))
    subprocess.run(["git", "add", "experiments"], cwd=place.folder, check=True)
    done = place.sashiko("sweep", "own.yaml", "--workers", "2", **own)
    assert "2 runs finished, 0 failed" in done.stdout
    assert "code: live" not in done.stdout, "the project is frozen"
    assert "next: sashiko plan" in place.sashiko("new", "another", **own).stdout
