"""Per-task values."""

import pytest

from framework.config import Config
from framework.errors import ConfigError
from framework.tasks import PerTask, for_task, task_names


class Optimizer(Config):
    rate: PerTask[float] = 0.1
    name: PerTask[str] = "adam"


class Study(Config):
    optimizer: Optimizer = Optimizer()
    penalty: PerTask[float] = 0.0


def test_each_task_sees_its_own_value():
    study = Study.parse({"optimizer": {"rate": {"task_0": 0.1, "task_1": 1}}, "penalty": 3})
    assert task_names(study) == ["task_0", "task_1"]
    assert for_task(study, "task_1").optimizer.rate == 1.0
    assert for_task(study, "task_0").optimizer.name == "adam"
    assert for_task(study, "task_0").penalty == 3.0


def test_without_per_task_values_every_task_sees_the_same():
    assert task_names(Study()) == []
    assert for_task(Study(), "task_7") == Study()


def test_inconsistent_tasks_are_refused_by_name():
    data = {"optimizer": {"rate": {"task_0": 0.1, "task_1": 1.0}}, "penalty": {"task_0": 0.5}}
    with pytest.raises(
        ConfigError, match="penalty: has values for task_0, but the config's tasks are task_0, task_1"
    ):
        for_task(Study.parse(data), "task_0")


def test_unknown_task_is_refused():
    study = Study.parse({"penalty": {"task_0": 0.5}})
    with pytest.raises(ConfigError, match="allowed: task_0"):
        for_task(study, "task_3")


def test_per_task_values_are_typed():
    with pytest.raises(ConfigError):
        Study.parse({"penalty": {"task_0": "big"}})
