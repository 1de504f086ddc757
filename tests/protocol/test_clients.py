"""The client's whole workflow at each tested version: what a user does in a week, in three scripts."""

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch.server import clients
from tests.protocol.clients import make, python_of
from tests.protocol.conftest import Lab, Server, shown

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Versioned(Lab):
    """A lab whose commands run with a certain version of the client."""

    interpreter: Path

    def environment(self) -> dict[str, str]:
        kept = super().environment()
        return kept | {"PATH": f"{self.interpreter.parent}{os.pathsep}{kept['PATH']}"}

    def _run(self, command, check, stdin, environment):  # type: ignore[no-untyped-def]
        return super()._run([str(self.interpreter), *command[1:]], check, stdin, environment)


@pytest.fixture(params=clients.TESTED)
def old_and_new(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Versioned:
    make(request.param)
    lab = Versioned(tmp_path, server, server.info.url, server.info.key, python_of(request.param))
    assert lab.python("import wandb; print(wandb.__version__)").strip() == request.param
    return lab


RUN = """
import json, sys, numpy, wandb
project = sys.argv[1]
with wandb.init(project=project, id="a", name="first", group="g", job_type="train", tags=["t"], notes="n",
                config={"lr": 0.1, "deep": {"n": [1, 2]}, "none": None}) as run:
    run.define_metric("loss", summary="min")
    for step in range(5):
        run.log({"loss": 5 - step, "deep": {"x": step}, "nan": float("nan")})
    run.log({"image": wandb.Image(numpy.zeros((4, 4))), "table": wandb.Table(columns=["a"], data=[[1], [None]]),
             "histogram": wandb.Histogram([1, 2, 3]), "page": wandb.Html("<b>x</b>")})
    run.config.update({"late": True})
    run.summary["best"] = 1.5
    run.alert("title", "text")
    print("a line of output")
with wandb.init(project=project, id="a", resume="must") as run:
    run.log({"loss": 0.5})
    assert run.resumed and run.step == 7, (run.resumed, run.step)
failed = wandb.init(project=project, id="b")
failed.finish(exit_code=3)
run = wandb.init(project=project, id="c", mode="offline")
run.log({"x": 1})
run.finish()
print("OFFLINE", run.dir)
"""
READ = """
import json, sys, wandb
api = wandb.Api()
project = sys.argv[1]
run = api.run(f"{project}/a")
rows = list(run.scan_history())
files = sorted(file.name.split("/")[0] for file in run.files())
best = api.runs(project, filters={"config.lr": {"$gt": 0.05}}, order="+summary_metrics.best")
run.tags.append("later")
run.summary["added"] = 7
run.update()
print("RESULT " + json.dumps({
    "state": [run.state, api.run(f"{project}/b").state, api.run(f"{project}/c").state],
    "config": [run.config["lr"], run.config["deep"], run.config["none"], run.config["late"]],
    "summary": [run.summary["best"], run.summary["table"]["nrows"]],
    "history": [row["loss"] for row in rows if row.get("loss") is not None],
    "sampled": len(run.history(samples=3, keys=["loss"], pandas=False)),
    "who": [run.name, run.group, run.job_type, run.notes],
    "files": sorted(set(files)), "found": [item.id for item in best],
    "again": [api.run(f"{project}/a").tags, api.run(f"{project}/a").summary["added"]],
}))
"""


def test_runs(old_and_new: Versioned) -> None:
    lab = old_and_new
    project = f"runs{lab.interpreter.parts[-3]}".replace(".", "-")
    output = lab.python(RUN, project)
    folder = re.search(r"OFFLINE (\S+)/files", output)
    assert folder, output
    synced = lab.wandb("sync", folder[1])
    assert "done" in synced or "Finished" in synced, synced
    found = shown(lab.python(READ, project))
    assert found["state"] == ["finished", "failed", "finished"]
    assert found["config"] == [0.1, {"n": [1, 2]}, None, True]
    assert found["summary"] == [1.5, 2]
    assert found["history"] == [5, 4, 3, 2, 1, 0.5]
    assert found["sampled"] == 3
    assert found["who"] == ["first", "g", "train", "n"]
    assert {"media", "config.yaml", "wandb-summary.json"} <= set(found["files"])
    assert found["found"] == ["a"]
    assert found["again"] == [["t", "later"], 7]


ARTIFACTS = """
import json, sys, pathlib, wandb
project = sys.argv[1]
folder = pathlib.Path("data"); folder.mkdir()
for version in range(2):
    (folder / "x.txt").write_text(f"version {version}")
    with wandb.init(project=project, id=f"maker{version}") as run:
        artifact = wandb.Artifact("set", "dataset", description="d", metadata={"n": version})
        artifact.add_dir(str(folder))
        artifact.add_reference("https://example.org/far.bin", checksum=False)
        run.log_artifact(artifact, aliases=["best"] if version == 0 else None).wait()
with wandb.init(project=project, id="user") as run:
    used = run.use_artifact("set:best")
    text = pathlib.Path(used.get_entry("x.txt").download("got")).read_text()
api = wandb.Api()
latest = api.artifact(f"{project}/set:latest")
latest.aliases.append("new")
latest.metadata["more"] = 1
latest.save()
again = wandb.Api().artifact(f"{project}/set:new")
versions = [item.version for item in api.artifacts("dataset", f"{project}/set")]
first = api.artifact(f"{project}/set:v0")
users = [run.id for run in first.used_by()]
maker = first.logged_by().id
first.delete(delete_aliases=True)
left = [item.version for item in wandb.Api().artifacts("dataset", f"{project}/set")]
print("RESULT " + json.dumps({"text": text, "again": [again.version, again.metadata], "versions": versions,
    "users": users, "maker": maker, "left": left,
    "collections": [c.name for c in api.artifact_type("dataset", project).collections()]}))
"""


def test_artifacts(old_and_new: Versioned) -> None:
    lab = old_and_new
    project = f"artifacts{lab.interpreter.parts[-3]}".replace(".", "-")
    found = shown(lab.python(ARTIFACTS, project))
    assert found == {
        "text": "version 0", "again": ["v1", {"n": 1, "more": 1}], "versions": ["v1", "v0"], "users": ["user"],
        "maker": "maker0", "left": ["v1"], "collections": ["set"],
    }  # fmt: skip
    (lab.folder / "put.txt").write_text("by hand")
    lab.wandb("artifact", "put", "--name", f"{project}/byhand", "--type", "note", "put.txt")
    lab.wandb("artifact", "get", f"{project}/byhand:latest", "--root", "fetched")
    assert (lab.folder / "fetched" / "put.txt").read_text() == "by hand"
    assert "byhand" in lab.wandb("artifact", "ls", project)


TRAIN = """
import wandb
with wandb.init() as run:
    run.log({"loss": run.config.x * run.config.deep["y"]})
"""
SWEEP = """program: train.py
method: grid
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1]}
  label: {values: [null, "01"]}
  deep: {parameters: {y: {value: 10}}}
"""
FUNCTION = """
import json, sys, wandb
project = sys.argv[1]
def train():
    with wandb.init() as run:
        run.log({"loss": abs(run.config.x - 1)})
sweep = wandb.sweep({"method": "random", "metric": {"name": "loss", "goal": "minimize"}, "run_cap": 2,
                     "parameters": {"x": {"min": 0.0, "max": 2.0}}}, project=project)
wandb.agent(sweep, function=train, project=project)
api = wandb.Api()
drawn = api.sweep(f"{project}/{sweep}")
grid = api.sweep(f"{project}/{sys.argv[2]}")
print("RESULT " + json.dumps({
    "drawn": [len(drawn.runs), drawn.state, all(0 <= run.config["x"] <= 2 for run in drawn.runs)],
    "grid": sorted([run.config["x"], str(run.config["label"]), run.summary["loss"]] for run in grid.runs),
    "best": grid.best_run().config["x"], "state": grid.state,
}))
"""


def test_sweeps(old_and_new: Versioned) -> None:
    lab = old_and_new
    project = f"sweeps{lab.interpreter.parts[-3]}".replace(".", "-")
    (lab.folder / "train.py").write_text(TRAIN)
    (lab.folder / "sweep.yaml").write_text(SWEEP)
    made = re.search(r"wandb agent (\S+)", lab.wandb("sweep", "--project", project, "sweep.yaml"))
    assert made
    lab.wandb("agent", made[1])
    stopped = re.search(r"wandb agent (\S+)", lab.wandb("sweep", "--project", project, "sweep.yaml"))
    assert stopped
    lab.wandb("sweep", "--stop", stopped[1])
    found = shown(lab.python(FUNCTION, project, made[1].rsplit("/", 1)[-1]))
    assert found["drawn"] == [2, "FINISHED", True]
    assert found["grid"] == [[1, "01", 10], [1, "None", 10]]
    assert found["best"] == 1
    assert found["state"] == "FINISHED"


def test_the_versions_are_named_where_people_look() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert settings["sashiko"]["tested_clients"] == ", ".join(clients.TESTED)
    readme = (ROOT / "README.md").read_text()
    for version in clients.TESTED:
        assert f"wandb {version}" in readme


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ("0.22.3", "one of"),
        ("0.31.0", "one of"),
        ("0.19.11", "older"),
        ("0.40.0.dev1", "newer"),
        ("0.25.1", "between"),
    ],
)
def test_a_version_is_judged(version: str, word: str) -> None:
    assert word in clients.verdict(version)
