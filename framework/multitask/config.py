"""Several tasks that are learnt, by one network or by one each, as data. This module knows no tensor."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field

from framework.config import Config, Seed, no_effect, replicate
from framework.errors import Problem
from framework.fields import did_you_mean
from framework.multitask.data.config import FunctionData
from framework.multitask.networks.config import AbcMLP, NetworkConfig
from framework.multitask.per_task import given_per_task, per_task_problems, value
from framework.multitask.training.config import Learning
from framework.problems import within

APART = frozenset(
    {"seed", "data.seed", "data.noise", "training.learning_rate", "training.weight_decay", "training.penalty"}
)
"""The fields in which configs may differ and still be trained together."""


class TasksConfig(Config):
    """Networks that are trained on some tasks of `data`."""

    data: FunctionData = Field(FunctionData(), description="The tasks: what each sees of which function.")
    learn: tuple[str, ...] | None = Field(
        None, min_length=1, description="The tasks that are learnt, in the order of data.tasks; null learns all."
    )
    sharing: Literal["shared", "per_task"] = Field(
        "shared", description="Whether one network learns all tasks (shared), or each has its own (per_task)."
    )
    network: NetworkConfig = Field(AbcMLP(), description="The architecture.")
    training: Learning = Field(Learning(), description="How the weights are moved.")
    seed: Seed = replicate(
        0, description="Seed of the initial weights, of the order of samples, and of the data where it has none."
    )
    log_every: int = no_effect(
        10, description="Losses are logged after each of these many epochs, the first one and the last, in epochs."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    @property
    def learnt(self) -> tuple[str, ...]:
        """The tasks that are learnt."""
        return self.data.tasks if self.learn is None else self.learn

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The tasks of each network."""
        return (self.learnt,) if self.sharing == "shared" else tuple((task,) for task in self.learnt)

    @property
    def extra_epochs(self) -> int:
        """The epochs that the training goes on for."""
        return self.training.extra_epochs

    @property
    def without_extra(self) -> Self:
        """The training that this one goes on from."""
        return self.model_copy(update={"training": self.training.model_copy(update={"extra_epochs": 0})})

    def conflicts(self) -> Iterator[Problem]:
        """Keys of tasks that differ between sections, and what one network cannot have."""
        tasks = self.data.tasks
        wrong = [
            *self._learn_problems(),
            *within("training", per_task_problems(self.training, tasks)),
            *within("network", per_task_problems(self.network, tasks)),
        ]
        yield from wrong
        if wrong or any(self.data.contradictions):
            return
        if self.log_every < 1:
            yield Problem("log_every", f"is {self.log_every}; allowed: 1 or more, in epochs")
        if self.sharing == "shared":
            for name in given_per_task(self.network):
                told = (
                    "is given per task, and one network learns all tasks; give one value, or set sharing=per_task"
                )
                yield Problem(f"network.{name}", told)
            yield from within("training", self.training.shared_problems())
        yield from within("training", self.training.step_problems(self.learnt))
        for group in self.groups:
            counts = [(task, value(self.data.num_train, task)) for task in group]
            yield from within("training", self.training.batch_problems(counts))
        yield from self._balancing_problems()

    def _learn_problems(self) -> Iterator[Problem]:
        tasks, learn = self.data.tasks, self.learn or ()
        unknown = [task for task in learn if task not in tasks]
        for task in unknown:
            told = f"names {task}, which is no task of data.tasks{did_you_mean(task, list(tasks))}"
            yield Problem("learn", f"{told}; there are: {', '.join(tasks)}")
        if not unknown and learn and list(learn) != [task for task in tasks if task in learn]:
            yield Problem("learn", f"is {list(learn)}; allowed: each task once, in the order of data.tasks")
        elif learn and tuple(learn) == tuple(tasks):
            told = "names every task of data.tasks; leave it out (null), which learns all of them"
            yield Problem("learn", f"{told}: equal trainings have one config")

    def _balancing_problems(self) -> Iterator[Problem]:
        kind = self.training.balancing.kind
        if kind == "sum":
            return
        key = "training.balancing.kind"
        if self.sharing == "per_task" or len(self.learnt) == 1:
            alone = "sharing=per_task" if self.sharing == "per_task" else f"learn={list(self.learnt)}"
            yield Problem(key, f"is {kind}, and with {alone} no two tasks share a network; allowed: sum")
        elif "learning_rate" in given_per_task(self.training) or "schedule" in given_per_task(self.training):
            told = f"is {kind}, which says itself how much a task counts; give one learning_rate and one schedule"
            yield Problem(key, f"{told} for all tasks, or take sum")


def may_be_together(config: TasksConfig) -> bool:
    """Whether a config can be trained among others.

    Its balancing has no state, its batches one size, and it goes on from no other training.
    """
    training = config.training
    return (
        training.balancing.kind == "sum" and training.batching.kind == "proportional" and not training.extra_epochs
    )
