"""Values per task: one for all, or one each."""

import pytest

from framework.config import Config
from framework.errors import ConfigError
from framework.multitask.config import TasksConfig
from framework.multitask.per_task import PerTask, given_per_task, per_task_fields, per_task_problems, value

BOTH = ("task_0", "task_1")


class Section(Config):
    rate: PerTask[float] = 0.1
    sizes: PerTask[tuple[int, ...]] = (1, 2)
    name: str = "one"


def test_one_value_is_that_of_every_task():
    assert [value(Section().rate, task) for task in BOTH] == [0.1, 0.1]


def test_a_mapping_has_one_for_each():
    section = Section.parse(
        {"rate": {"task_0": 0.5, "task_1": "1e-3"}, "sizes": {"task_0": [3], "task_1": [4, 5]}}
    )
    assert [value(section.rate, task) for task in BOTH] == [0.5, 0.001]
    assert [value(section.sizes, task) for task in BOTH] == [(3,), (4, 5)]
    assert given_per_task(section).keys() == {"rate", "sizes"}
    assert per_task_fields(Section) == ("rate", "sizes")


def test_a_value_of_the_wrong_type_is_told_with_its_task():
    with pytest.raises(ConfigError, match=r"rate\.task_1: is 'much'.*a number"):
        Section.parse({"rate": {"task_0": 0.5, "task_1": "much"}})


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"task_0": 1.0}, "has nothing for task_1"),
        ({"task_0": 1.0, "task_1": 1.0, "tusk_1": 2.0}, "names tusk_1, which is no task; did you mean `task_1`"),
    ],
)
def test_keys_that_differ_from_the_tasks_are_told(mapping: dict[str, float], told: str):
    (problem,) = per_task_problems(Section(rate=mapping), BOTH)
    assert problem.key == "rate"
    assert told in problem.message
    assert "task_0, task_1" in problem.message


def test_all_sections_are_held_against_the_same_tasks_and_told_together():
    data = {"num_train": {"task_0": 10}, "tasks": ["task_0", "task_1"]}
    training = {"learning_rate": {"a": 0.1, "b": 0.1}}
    with pytest.raises(ConfigError) as caught:
        TasksConfig.parse({"data": data, "training": training, "sharing": "per_task"})
    assert {problem.key for problem in caught.value.problems} == {"data.num_train", "training.learning_rate"}


def test_a_shared_network_has_one_architecture_and_one_optimiser():
    width, optimizer = {"task_0": 8, "task_1": 16}, {"task_0": "sgd", "task_1": "adam"}
    with pytest.raises(ConfigError) as caught:
        TasksConfig.parse({"network": {"width": width}, "training": {"optimizer": optimizer}})
    assert {problem.key for problem in caught.value.problems} == {"network.width", "training.optimizer"}
    alone = TasksConfig.parse(
        {"network": {"width": width}, "training": {"optimizer": optimizer}, "sharing": "per_task"}
    )
    assert alone.groups == (("task_0",), ("task_1",))


@pytest.mark.parametrize("more", [{"sharing": "per_task"}, {"learn": ["task_0"]}])
def test_what_balances_needs_tasks_that_share_a_network(more: dict[str, object]):
    with pytest.raises(ConfigError, match=r"training\.balancing\.kind: is pcgrad.*allowed: sum"):
        TasksConfig.parse({"training": {"balancing": "pcgrad"}, **more})


def test_what_balances_says_itself_how_much_a_task_counts():
    rates = {"task_0": 0.1, "task_1": 0.2}
    with pytest.raises(ConfigError, match="give one learning_rate"):
        TasksConfig.parse({"training": {"balancing": "famo", "learning_rate": rates}})


@pytest.mark.parametrize(
    ("learn", "told"),
    [
        (["task_2"], "no task of data.tasks; did you mean `task_"),
        (["task_1", "task_0"], "in the order of data.tasks"),
    ],
)
def test_what_is_learnt_is_there(learn: list[str], told: str):
    with pytest.raises(ConfigError, match=told):
        TasksConfig.parse({"learn": learn})


def test_a_batch_has_room_for_the_least_task():
    with pytest.raises(
        ConfigError, match=r"training\.batch_size: is 64.*task_0 has 2 samples; allowed: 257 or more"
    ):
        TasksConfig.parse({"data": {"num_train": {"task_0": 2, "task_1": 512}}})
    TasksConfig.parse(
        {"data": {"num_train": {"task_0": 2, "task_1": 512}}, "training": {"batching": "stochastic"}}
    )
