"""Train the networks of one config, or of several of one shape together.

A config is trained alike whether it is alone or among others: weights, orders and noise are drawn from its own
seed. What several may differ in is in `framework.multitask.config.APART`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Callback, seed_everything
from torch import nn

from framework.errors import TrainingDiverged
from framework.multitask.callbacks.losses import TaskLosses
from framework.multitask.callbacks.networks import NetworkFiles
from framework.multitask.callbacks.timing import TaskTiming
from framework.multitask.config import TasksConfig
from framework.multitask.data.samples import WEIGHTS, TaskSamples, num_outputs, samples_of
from framework.multitask.networks.build import build, rate_factors
from framework.multitask.per_task import value
from framework.multitask.training.beginning import Beginning
from framework.multitask.training.config import Optimizer
from framework.multitask.training.learner import Learner
from framework.multitask.training.loader import LearnerBatches, TaskBatches
from framework.multitask.training.members import Members
from framework.multitask.training.module import TaskTraining
from framework.multitask.training.objective import Objective
from framework.multitask.training.together import together
from framework.seeds import torch_stream
from framework.tracking.progress import Stage
from framework.training.fitting import fit
from framework.training.optimizer_state import count_on, order_seed
from framework.training.trainer import build_trainer, resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

Samples = Mapping[str, TaskSamples]
Callbacks = Callable[[Sequence["Run"], Sequence[Samples]], Sequence[Callback]]
"""Makes further callbacks of the runs and the samples of each."""


def train_tasks(
    configs: Sequence[TasksConfig],
    runs: Sequence["Run"],
    further: Callbacks | None = None,
    begins: Beginning | None = None,
) -> list[TrainingDiverged | None]:
    """Train each config and leave its weights in the folder of its run; for each, how it diverged, if it did.

    A config that is trained alone may begin with what another training has left, `begins`.
    Several configs have to be equal but for `APART`. Where they were left, and are not equally far, they are gone
    on with one after the other.

    Raises:
        ConfigError: a device that is not here, a solver that is not installed, or custom batches that leave out
            a sample.
        Interrupted: a signal asked to leave; the states are in the stages of the runs.
    """
    with contextlib.ExitStack() as stack:
        stages = [stack.enter_context(run.progress.stage("fit")) for run in runs]
        with together(stages) as stage:
            if stage is not None:
                return _fit(configs, runs, stage, further, begins)
        found = []
        for config, run, own in zip(configs, runs, stages, strict=True):
            with together([own]) as stage:
                found += _fit([config], [run], stage, further, begins)
        return found


def _fit(
    configs: Sequence[TasksConfig],
    runs: Sequence["Run"],
    stage: Stage | None,
    further: Callbacks | None,
    begins: Beginning | None,
) -> list[TrainingDiverged | None]:
    first = configs[0]
    device = resolve_device(first.device)
    seed = order_seed(first.seed, first.extra_epochs)
    seed_everything(seed % 2**32, workers=True, verbose=False)  # PCGrad draws an order of the tasks
    samples = [samples_of(config.data, config.seed) for config in configs]
    module = TaskTraining([_learner(configs, samples, group, begins) for group in first.groups])
    callbacks = [
        TaskLosses(runs, samples, first.log_every),
        *(further(runs, samples) if further else ()),
        NetworkFiles([run.folder for run in runs]),
        TaskTiming(runs),
    ]
    done = begins.counted if begins else None
    epochs = done.epochs + first.extra_epochs if done else first.training.max_epochs
    trainer = build_trainer(max_epochs=epochs, device=device, callbacks=callbacks, options={})
    count_on(trainer, done)
    try:
        fit(
            trainer,
            module,
            TaskBatches([_batches(configs, samples, group) for group in first.groups]),
            None,
            stage,
        )
    except TrainingDiverged as error:
        if len(configs) == 1:
            return [error]
    return [TrainingDiverged(told) if (told := module.diverged.get(n)) else None for n in range(len(configs))]


def _learner(
    configs: Sequence[TasksConfig],
    samples: Sequence[Samples],
    names: Sequence[str],
    begins: Beginning | None,
) -> Learner:
    first = configs[0]
    networks = [network_of(config, names[0]) for config in configs]
    if begins is not None:
        networks[0].load_state_dict(begins.weights[names[0]])
    kind: Optimizer = value(first.training.optimizer, names[0])
    learner = Learner(
        names,
        Members(networks),
        Objective([samples[0][name] for name in names], first.training, num_outputs(first.data)),
        [config.training for config in configs],
        rate_factors(networks[0], kind),
    )
    if begins is not None and begins.done is not None:
        learner.go_on(*begins.done[names[0]])
    return learner


def _batches(configs: Sequence[TasksConfig], samples: Sequence[Samples], names: Sequence[str]) -> LearnerBatches:
    first = configs[0]
    return LearnerBatches(
        [[own[name] for name in names] for own in samples],
        [first.data.tasks.index(name) for name in names],
        first.training,
        [order_seed(config.seed, config.extra_epochs) for config in configs],
    )


def network_of(config: TasksConfig, task: str) -> nn.Module:
    """The untrained network that learns `task`, or all tasks from it on; drawn from a stream of the seed."""
    generator = torch_stream(config.seed, WEIGHTS, config.data.tasks.index(task))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        return build(config.network, task, 1, num_outputs(config.data), generator=generator)
