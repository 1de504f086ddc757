"""A sweep of an experiment of the user's own: archived, restored elsewhere; `compare` and `pull` show the same."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.archive.archiving import must_be_whole
from tests.lab import Lab
from tests.launch.test_pull import SWEEP, WRITER

pytestmark = pytest.mark.slow

BAKER = """
import numpy as np
from framework.config import Config, replicate
from framework.manager import Manager
from framework.plan import RUN, Work


class ThingConfig(Config):
    size: int = 3


class BakerConfig(Config):
    thing: ThingConfig = ThingConfig()
    seed: int = replicate(0, description="Seed of nothing.")


class Baker(Manager[BakerConfig]):
    config = BakerConfig

    def requires(self, kind, config):
        return [Work("thing", config.thing)] if kind == RUN else []

    def make(self, kind, config, run):
        folder = run.folder / "thing"
        folder.mkdir()
        np.savez(folder / "thing.npz", a=np.arange(config.size))
        run.log_artifact(kind, config, folder)

    def run(self, config, run):
        with np.load(run.require("thing", config.thing) / "thing.npz") as file:
            run.log({"total": float(file["a"].sum()) + config.seed})
"""
BAKES = """
name: bakes
project: baked
method: grid
command: ["${env}", "python", "-m", "experiments", "baker"]
parameters: {thing: {parameters: {size: {values: [3, 4]}}}, seed: {values: [0, 1]}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("archiving"))
    for name, manager, text, sweep in (("writer", "Writer", WRITER, SWEEP), ("baker", "Baker", BAKER, BAKES)):
        made.add_experiment(name, f"manager:{manager}", {"manager.py": text})
        (made.folder / f"{name}.yaml").write_text(sweep)
        must(made, "sweep", f"{name}.yaml", "--workers", "2")
    yield made
    made.close()
    made.sashiko("serve", "--dir", "elsewhere", "--stop")


def must(lab: Lab, *words: str) -> str:
    done = lab.sashiko(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def table(text: str) -> list[str]:
    """What `compare` shows of a sweep, without the address of the server."""
    return [line for line in text.splitlines() if not line.startswith(("tracker:", "sweep "))]


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


def test_compare_and_pull_show_the_same_elsewhere(lab: Lab):
    answer = json.loads(must(lab, "archive", "writer.yaml", "writer.tar.zst", "--json"))
    assert (answer["counts"]["runs"], answer["counts"]["sweeps"], answer["way"]) == (2, 1, "in bulk")
    restored = json.loads(must(lab, "restore", "writer.tar.zst", "--dir", "elsewhere", "--json"))
    assert (restored["stored"]["run"], restored["there"], restored["differs"]) == (2, {}, [])
    sweep = answer["of"]
    shown = [table(must(lab, "compare", sweep, "--full", "--dir", where)) for where in (".sashiko", "elsewhere")]
    assert shown[0] == shown[1]
    assert any("value" in line for line in shown[0])
    for where in (".sashiko", "elsewhere"):
        to = ("--to", f"pulled-{where}", "--format", "csv", "--table", "small", "--table", "large")
        must(lab, "pull", sweep, *to, "--artifact", "thing", "--dir", where)
    ours, theirs = (contents(lab.folder / f"pulled-{where}") for where in (".sashiko", "elsewhere"))
    for found in (ours, theirs):  # the address of the run is the one thing that differs
        text = found.pop("runs.csv").decode().splitlines()
        assert len(text) == 3
    assert ours == theirs


def test_an_archive_of_a_sweep_has_the_runs_that_made_what_it_used(lab: Lab):
    answer = json.loads(must(lab, "archive", "baker.yaml", "baker.tar.zst", "--json"))
    assert answer["counts"]["runs"] == 6  # four of the sweep, two that made a thing each
    archive = must_be_whole(lab.folder / "baker.tar.zst")
    told = [json.loads(archive.read(name)) for name in archive.members if name.endswith("run.json")]
    makers = [run for run in told if run["sweep"] is None]
    assert len(makers) == 2
    assert {run["used"][0]["made_by"][0] for run in told if run["sweep"]} == {run["id"] for run in makers}
    kinds = [json.loads(archive.read(name))["type"] for name in archive.members if name.startswith("artifacts/")]
    assert kinds.count("thing") == 2
    must(lab, "restore", "baker.tar.zst", "--dir", "elsewhere")
    sweep = answer["of"]
    again = must(lab, "agents", sweep, "--dir", "elsewhere")  # it is over: there is nothing to do
    assert "nothing to run: 4 of 4 runs have ended, 0 of them failed" in again
    shown = [table(must(lab, "compare", sweep, "--full", "--dir", where)) for where in (".sashiko", "elsewhere")]
    assert shown[0] == shown[1]


def test_the_folders_are_moved_without_effect(lab: Lab):
    """The server's folder, and the archive: nothing in them says where they lie."""
    before = table(must(lab, "compare", "local/pulled/" + sweep_of(lab), "--full", "--dir", "elsewhere"))
    must(lab, "serve", "--dir", "elsewhere", "--stop")
    (lab.folder / "far").mkdir()
    shutil.move(lab.folder / "elsewhere", lab.folder / "far" / "away")
    shutil.move(lab.folder / "writer.tar.zst", lab.folder / "far" / "w.tar.zst")
    try:
        assert "is whole" in must(lab, "verify", "far/w.tar.zst")
        after = table(must(lab, "compare", "local/pulled/" + sweep_of(lab), "--full", "--dir", "far/away"))
        assert after == before
        assert "runs       0 restored, 2 there already, 0 refused" in must(
            lab, "restore", "far/w.tar.zst", "--dir", "far/away"
        )
    finally:
        must(lab, "serve", "--dir", "far/away", "--stop")


def sweep_of(lab: Lab) -> str:
    found = lab.folder.rglob("writer.tar.zst"), lab.folder.rglob("w.tar.zst")
    [file] = [path for paths in found for path in paths]
    return str(must_be_whole(file).head()["sweep"])
