"""Grid → W&B definition → YAML → the real client → the server → workers → the real client again: the identity."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from framework.grid import Axis, Grid
from tests.framework.test_grid import Study, axes, slow_twin
from tests.lab import Lab

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
ECHO = """
from framework.config import canonical_json
from framework.manager import Manager
from tests.framework.test_grid import Study

TYPES = {"batch_size": int, "rate": float, "flag": bool, "sizes": tuple, "extra": dict}


class Echo(Manager[Study]):
    config = Study

    def run(self, config, run):
        wrong = [name for name, kind in TYPES.items() if type(getattr(config, name)) is not kind]
        run.summarise({"seen": canonical_json(config.model_dump()), "wrong": ",".join(wrong)})
"""
MAKE = """
import json, sys, wandb, yaml
with open(sys.argv[1]) as file:
    print("SWEEP", wandb.sweep(yaml.safe_load(file)))
"""
READ = """
import json, sys, wandb
project, sweep = sys.argv[1].rsplit("/", 1)
runs = wandb.Api().runs(project, filters={"sweep": sweep}, lazy=False)
print("RUNS", json.dumps([[r.state, r.summary["seen"], r.summary["wrong"]] for r in runs]))
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.make(tmp_path_factory.mktemp("echo"))
    lab.environment["PYTHONPATH"] += f":{ROOT}"
    lab.add_experiment("echo", "manager:Echo", {"manager.py": ECHO})
    server = lab.start("launch.cli", "serve", "--port", "0")
    assert server.stdout is not None
    server.stdout.readline()
    lab.environment |= dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    lab.environment["WANDB_SILENT"] = "true"
    yield lab
    server.terminate()
    server.communicate(timeout=30)


def client(lab: Lab, code: str, argument: str, marker: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, argument], cwd=lab.folder, env=lab.environment, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(marker)]
    return line.removeprefix(marker + " ")


@pytest.mark.timeout(600)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=axes())
def test_every_point_arrives_once_and_as_the_config_types_it(echo: Lab, made: list[Axis]):
    file = echo.folder / "grid.yaml"
    definition = Grid(Study, *made).definition("grid", "echo", project="identity")
    file.write_text(definition.text())
    sweep = client(echo, MAKE, str(file), "SWEEP")
    done = echo.sashiko("agents", f"local/identity/{sweep}", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(client(echo, READ, f"local/identity/{sweep}", "RUNS"))
    assert len(runs) == definition.size()
    assert {state for state, _, _ in runs} == {"finished"}
    assert {wrong for _, _, wrong in runs} == {""}
    assert sorted({seen for _, seen, _ in runs}) == slow_twin(made)
