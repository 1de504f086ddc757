"""What points require is made first, each once, by the same agents; what fails stops what stands on it alone."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.launch.test_workers import rows, sweep_path

pytestmark = pytest.mark.slow

MANAGER = """
import os, time
from pathlib import Path
from framework.config import Config
from framework.errors import ConfigError, Problem
from framework.manager import Manager
from framework.plan import Work


class Base(Config):
    name: str = "a"


class Tuned(Config):
    base: Base = Base()
    rate: float = 1.0


class StagedConfig(Config):
    tuned: Tuned = Tuned()
    x: int = 0


def told(word):
    with (Path(os.environ["HOME"]) / "told").open("a") as file:
        file.write(f"{time.time()} {word}\\n")


class Staged(Manager[StagedConfig]):
    config = StagedConfig

    def requires(self, kind, config):
        if kind == "run":
            return [Work("tuned", config.tuned)]
        return [Work("base", config.base)] if kind == "tuned" else []

    def make(self, kind, config, run):
        told(f"{kind} {config.config_id}")
        if kind == "base" and config.name == "broken":
            raise OSError("no such data")
        if kind == "base" and config.name == "wrong":
            raise ConfigError([Problem("name", "is out of fashion")])
        if kind == "tuned":
            run.require("base", config.base)
        time.sleep(0.3)
        folder = run.folder / kind
        folder.mkdir()
        (folder / "it.txt").write_text(config.canonical_text)
        run.log_artifact(kind, config, folder)

    def run(self, config, run):
        assert (run.require("tuned", config.tuned) / "it.txt").exists()
        told("run")
        run.log({"x": config.x})
"""


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.make(tmp_path)
    lab.add_experiment("staged", "manager:Staged", {"manager.py": MANAGER})
    yield lab
    lab.close()


def test_two_stages(staged: Lab):
    file = staged.folder / "staged.yaml"
    file.write_text(
        'name: staged\nproject: lab\nmethod: grid\ncommand: ["${env}", "python", "-m", "experiments", "staged"]\n'
        "parameters:\n  x: {values: [1, 2]}\n  tuned:\n    parameters:\n      rate: {values: [1.0, 2.0]}\n"
        "      base: {parameters: {name: {values: [a, broken, wrong]}}}\n"
    )
    done = staged.sashiko("sweep", str(file), "--workers", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    runs = rows(staged, sweep_path(done.stdout))
    ended = Counter((run["config"]["tuned"]["base"]["name"], run["state"]) for run in runs)  # type: ignore[index]
    assert ended == {("a", "finished"): 4, ("broken", "failed"): 4, ("wrong", "failed"): 4}
    told = [line.split(maxsplit=1)[1] for line in (staged.folder / "told").read_text().splitlines()]
    assert told.count("run") == 4
    tries = sorted((word.split()[0], count) for word, count in Counter(told).items() if word != "run")
    assert tries[:3] == [("base", 1), ("base", 1), ("base", 2)], "once, where it is wrong too; and once more"
    assert tries[3:] == [("tuned", 1)] * 6, tries
    assert max(place for place, word in enumerate(told) if word.startswith("base")) < told.index("run")
    status = staged.sashiko("status", str(file))
    assert "requirement" in status.stdout
    assert "4 finished, 8 failed" in status.stdout, status.stdout
