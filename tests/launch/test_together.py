"""Points of one shape that a worker takes at once: each its own run, its own end, its own place in the ledger."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framework.config import Config, replicate
from framework.errors import ConfigError
from framework.manager import Manager
from launch import together
from launch.piece import are_alike, work_alone
from launch.together import most, set_most
from tests.lab import Lab

MANAGER = """
import os, signal, time
from pathlib import Path
from framework.config import Config, replicate
from framework.manager import Manager
from framework.tracking import leaving


class CrowdConfig(Config):
    x: int = 0
    mood: str = "well"
    seed: int = replicate(0, description="seed")


HOME = Path(os.environ["HOME"])


class Crowd(Manager[CrowdConfig]):
    config = CrowdConfig
    together = frozenset({"seed", "mood"})

    def may_be_together(self, config):
        return config.x >= 0

    def run(self, config, run):
        (error,) = self.run_together([config], [run])
        if error:
            raise error

    def run_together(self, configs, runs):
        with (HOME / "groups").open("a") as file:
            file.write(" ".join(f"{config.x}/{config.seed}" for config in configs) + chr(10))
        stages = [run.progress.stage("work") for run in runs]
        opened = [stage.__enter__() for stage in stages]
        begun = [int(stage.state.read_text()) if stage.state else 0 for stage in opened]
        try:
            self._work(configs, runs, opened, begun)
        except BaseException:
            import sys
            for stage in reversed(stages):
                stage.__exit__(*sys.exc_info())
            raise
        for stage in reversed(stages):
            stage.__exit__(None, None, None)
        if any(config.mood == "kills" for config in configs) and len(configs) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return [ValueError(f"seed {c.seed} is unwell") if c.mood == "unwell" else None for c in configs]

    def _work(self, configs, runs, stages, begun):
        with leaving.at_safe_points():
            for step in range(min(begun), 10):
                while (HOME / "hold").exists() and step == 5 and not leaving.is_asked():
                    (HOME / "held").write_text(str(os.getpid()))
                    time.sleep(0.05)
                for run, config in zip(runs, configs):
                    run.log({"step": step, "value": 10 * config.seed + step})
                for stage in stages:
                    stage.halfway(lambda path, s=step: path.write_text(str(s + 1)), keep=False)
                leaving.obey()
        for config, run in zip(configs, runs):
            run.summarise({"from": begun[0], "pid": os.getpid()})
"""
LIST = """
import json, wandb
runs = wandb.Api().runs("local/lab", order="+created_at", lazy=False)
print(json.dumps([[r.state, r.config["seed"], r.config["x"], r.summary.get("from"), r.summary.get("error"),
    [row["value"] for row in r.scan_history(keys=["value"])], r.summary.get("pid"), r.id,
    r.summary.get("_used", [{}])[-1].get("together")] for r in runs]))
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab.make(tmp_path)
    made.environment["SASHIKO_CHECKPOINT_S"] = "0"
    made.add_experiment("crowd", "manager:Crowd", {"manager.py": MANAGER})
    try:
        yield made
    finally:
        (tmp_path / "hold").unlink(missing_ok=True)
        made.close()


def sweep_file(lab: Lab, parameters: str, name: str = "crowd") -> str:
    path = lab.folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nproject: lab\nmethod: grid\n"
        'command: ["${env}", "python", "-m", "experiments", "crowd"]\n'
        f"parameters: {parameters}\n"
    )
    return str(path)


def groups(lab: Lab) -> list[list[str]]:
    return [line.split() for line in (lab.folder / "groups").read_text().splitlines()]


def runs(lab: Lab) -> list[Any]:
    told = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    file = lab.folder / "list.py"
    file.write_text(LIST)
    done = lab.call("list", **told)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


WHOLE = [[10 * seed + step for step in range(10)] for seed in range(6)]


@pytest.mark.slow
def test_each_point_is_a_run_of_its_own(lab: Lab):
    file = sweep_file(lab, "{x: {values: [0, 1]}, seed: {values: [0, 1, 2, 3]}}")
    done = lab.sashiko("sweep", file, "--together", "3", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 runs finished, 0 failed" in done.stdout
    assert sorted(map(len, groups(lab))) == [1, 1, 3, 3], "as many as may be, in whatever order they come"
    assert all(len({point[0] for point in group}) == 1 for group in groups(lab)), "shapes are not mixed"
    found = runs(lab)
    assert len({run[7] for run in found}) == 8
    assert [run[5] for run in found] == [WHOLE[run[1]] for run in found], "every history is its own"
    assert {run[8] for run in found} == {3, None}
    status = json.loads(lab.sashiko("status", file, "--json").stdout)
    assert status["points"]["finished"] == 8


@pytest.mark.slow
def test_one_that_fails_fails_alone(lab: Lab):
    file = sweep_file(lab, "{seed: {values: [0, 1, 2]}, mood: {values: [well, unwell]}}")
    done = lab.sashiko("sweep", file, "--together", "6", "--workers", "1")
    assert done.returncode == 1
    assert "seed 1 is unwell" in done.stdout + done.stderr
    found = runs(lab)
    assert sum(run[0] == "finished" for run in found) == 3
    assert {run[4] for run in found if run[0] == "failed"} == {
        f"ValueError: seed {seed} is unwell" for seed in range(3)
    }


@pytest.mark.slow
def test_when_the_process_dies_each_point_is_tried_again_by_itself(lab: Lab):
    file = sweep_file(lab, "{seed: {values: [0, 1, 2]}, mood: {value: kills}}")
    done = lab.sashiko("sweep", file, "--together", "3", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert groups(lab) == [["0/0", "0/1", "0/2"], ["0/0"], ["0/1"], ["0/2"]]
    assert "killed by signal 9" in done.stdout + done.stderr
    found = runs(lab)
    assert [run[0] for run in found] == ["failed"] * 3 + ["finished"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2])
def test_all_are_given_back_and_gone_on_with(lab: Lab, number: signal.Signals):
    (lab.folder / "hold").touch()
    file = sweep_file(lab, "{seed: {values: [0, 1, 2, 3]}}")
    command = lab.start("launch.cli", "sweep", file, "--together", "4", "--workers", "1")
    _wait(lab.folder / "held")
    os.kill(command.pid, signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
    said, _ = command.communicate(timeout=90)
    assert "4 given back" in said, said
    (lab.folder / "hold").unlink()
    done = lab.sashiko("sweep", file, "--together", "4", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert groups(lab) == [["0/0", "0/1", "0/2", "0/3"]] * 2, "those that are equally far go on together"
    found = runs(lab)
    assert [run[0] for run in found] == ["finished"] * 4
    assert [run[5] for run in found] == [WHOLE[run[1]] for run in found], "without gaps or doubles"
    assert all(run[3] and run[3] > 0 for run in found), "from where they were left"


@pytest.mark.slow
def test_a_run_that_is_stopped_ends_and_the_others_go_on(lab: Lab):
    (lab.folder / "hold").touch()
    file = sweep_file(lab, "{seed: {values: [0, 1, 2]}}")
    command = lab.start("launch.cli", "sweep", file, "--together", "3", "--workers", "1")
    _wait(lab.folder / "held")
    told = json.loads(lab.sashiko("status", file, "--json").stdout)
    unwanted = next(worker["run"] for worker in told["workers"] if worker["run"])
    assert lab.sashiko("cancel", f"lab/{unwanted}").returncode == 0
    _wait_for(lambda: len(groups(lab)) > 1, "the others are given out again")
    (lab.folder / "hold").unlink()
    command.communicate(timeout=120)
    found = {run[7]: run for run in runs(lab)}
    assert found[unwanted][0] not in ("finished", "running")
    others = [run for key, run in found.items() if key != unwanted]
    assert [run[0] for run in others] == ["finished"] * 2
    assert [run[5] for run in others] == [WHOLE[run[1]] for run in others]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_none(lab: Lab):
    (lab.folder / "hold").touch()
    file = sweep_file(lab, "{seed: {values: [0, 1, 2]}}")
    command = lab.start("launch.cli", "sweep", file, "--together", "3", "--workers", "1")
    _wait(lab.folder / "held")
    working = int((lab.folder / "held").read_text())
    os.kill(_parent(working), signal.SIGKILL)
    (lab.folder / "hold").unlink()
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 0, said
    assert [run[0] for run in runs(lab)] == ["finished"] * 3


def _wait(path: Path) -> None:
    _wait_for(path.exists, f"{path.name} is there")


def _wait_for(true: Any, told: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, told
        time.sleep(0.1)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


# --- without a server ----------------------------------------------------------------------------------------


class Inner(Config):
    rate: float = 0.1
    steps: int = 3


class Alike(Config):
    inner: Inner = Inner()
    x: int = 0
    seed: int = replicate(0, description="seed")


class AlikeManager(Manager[Alike]):
    config = Alike
    together = frozenset({"seed", "inner.rate"})

    def may_be_together(self, config: Alike) -> bool:
        return config.x < 9


def piece(**data: Any) -> Any:
    return SimpleNamespace(config=Alike.parse(data))


def test_points_are_alike_but_for_what_their_experiment_names(tmp_path: Path):
    manager = AlikeManager()
    assert are_alike(manager, piece(), piece(seed=3, inner={"rate": 0.5}), tmp_path)
    assert not are_alike(manager, piece(), piece(x=1), tmp_path)
    assert not are_alike(manager, piece(), piece(inner={"steps": 4}), tmp_path)
    assert not are_alike(manager, piece(x=9), piece(x=9), tmp_path), "it says that such are worked alone"
    work_alone(tmp_path, piece(seed=3))
    assert not are_alike(manager, piece(), piece(seed=3), tmp_path), "it has failed"
    assert are_alike(manager, piece(), piece(seed=4), tmp_path)
    assert Manager[Alike]().shape_of(Alike()) is None


def test_how_many_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(together.VARIABLE, raising=False)
    assert most() == 1
    set_most(20, AlikeManager(), "alike")
    assert most() == 20
    with pytest.raises(ConfigError, match=r"--together: is 4, and no two points of other can be worked at once"):
        set_most(4, Manager[Alike](), "other")
    monkeypatch.setenv(together.VARIABLE, "many")
    with pytest.raises(ConfigError, match="SASHIKO_TOGETHER: is 'many'; allowed: a whole number from 1"):
        most()
