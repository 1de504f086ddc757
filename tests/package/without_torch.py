"""What has to work in an environment without torch: the spine, the command line, the server with the real client.

`python without_torch.py FOLDER` with the interpreter of an environment that has the wheel. It stops with an
AssertionError, or with the traceback of what does not work.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

SPINE = (
    "errors", "config", "fields", "problems", "dialect", "layers", "grid", "definition", "plan", "manager",
    "search",
)  # fmt: skip
HEAVY = ("torch", "wandb", "pandas", "numpy")
COMMAND = Path(sys.executable).with_name("sashiko")
SWEEP = """method: grid
project: plain
program: none.py
parameters: {x: {values: [1, 2, 3]}}
"""


def spine() -> None:
    """All of the spine and every Manager are imported, and bring nothing heavy."""
    for name in SPINE:
        importlib.import_module(f"framework.{name}")
    from experiments import EXPERIMENTS, manager_of

    for name in EXPERIMENTS:
        manager_of(name)
    assert not set(HEAVY) & set(sys.modules), sorted(set(HEAVY) & set(sys.modules))
    assert importlib.util.find_spec("torch") is None, "torch is here: this is no environment without it"


def sashiko(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"sashiko {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands() -> None:
    """The version, plans of sweeps that Sashiko brings, a config, what a shell completes."""
    assert sashiko("--version").startswith("sashiko ")
    assert sashiko("plan", "sweeps/stitching.yaml", "--count") == "270\n"
    points = json.loads(sashiko("plan", "sweeps/tabular.yaml", "--json"))
    assert len(points) == 175
    assert len({point["config_id"] for point in points}) == 175
    assert "[source.model]" in sashiko("config", "stitching")
    os.environ |= {"_SASHIKO_COMPLETE": "complete_bash", "COMP_WORDS": "sashiko pla", "COMP_CWORD": "1"}
    try:
        assert sashiko() == "plan\n"
    finally:
        del os.environ["_SASHIKO_COMPLETE"]


def server() -> None:
    """The client logs a run, an artifact and a sweep, reads them back, and the pages show them."""
    from launch import choice

    tracker, _ = choice.choose(Path(".sashiko"), embedded=True)
    try:
        client()
        pages(tracker.url)
        told = json.loads(sashiko("query", "SELECT count(*) AS n FROM runs", "--project", "plain", "--json"))
        assert told["rows"] == [{"n": 4}], told
    finally:
        choice.stop(Path(".sashiko"))


def client() -> None:
    """A run with rows and an artifact; a sweep whose points an agent of the client works."""
    import wandb

    run = wandb.init(project="plain", id="first", config={"lr": 0.5}, settings=wandb.Settings(silent=True))
    for step in range(20):
        run.log({"loss": 1 / (step + 1)})
    artifact = wandb.Artifact("table", type="results")
    with artifact.new_file("table.csv") as file:
        file.write("x,y\n1,2\n")
    run.log_artifact(artifact)
    run.finish()
    api = wandb.Api()
    found = api.run("plain/first")
    assert (found.state, found.config, len(list(found.scan_history()))) == ("finished", {"lr": 0.5}, 20)
    folder = api.artifact("plain/table:latest").download()
    assert Path(folder, "table.csv").read_text() == "x,y\n1,2\n"
    import yaml

    seen: list[int] = []

    def work() -> None:
        with wandb.init() as one:
            seen.append(one.config["x"])
            one.log({"squared": one.config["x"] ** 2})

    sweep = wandb.sweep(yaml.safe_load(SWEEP), project="plain")
    wandb.agent(sweep, function=work, project="plain", count=3)
    assert sorted(seen) == [1, 2, 3], seen


def pages(url: str) -> None:
    """Pages of a project and a run, and a script of theirs."""
    import requests

    key = {"Authorization": f"Bearer {os.environ['WANDB_API_KEY']}"}
    for place in ("/", "/local/plain", "/local/plain/runs/first", "/static/run.js"):
        answer = requests.get(url + place, headers=key, timeout=30)
        assert answer.status_code == 200, (place, answer.status_code)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    for check in (spine, commands, server):
        check()
