"""The one place where a Lightning Trainer is made: silent, deterministic, without files of its own."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Callback, Trainer

from framework.errors import ConfigError, InvalidInput, Problem
from framework.fields import nearest
from framework.machine import device_here, kinds_here
from framework.training.config import owned_problems
from framework.training.ranks import world
from framework.training.ranks.strategy import SharedBatches

NOISE = (
    r".*The '\w+' does not have many workers.*",
    r".*The number of training batches \(.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r"The `srun` command is available .*",
    r".*find_unused_parameters=True was specified in DDP constructor.*",
)


CHANNELS_LAST = ("cpu", "cuda")
"""Devices whose convolutions are faster with the channels of a pixel side by side."""


def resolve_device(device: str) -> torch.device:
    """The torch device of `device`: auto is CUDA if there is one, else MPS, else the CPU.

    Raises:
        ConfigError: a device is asked for by name that this machine does not have.
    """
    if device == "auto":
        return torch.device(kinds_here()[0])
    try:
        return device_here(device)
    except InvalidInput as error:
        problems = [Problem(problem.key, f"{problem.message}, auto") for problem in error.problems]
        raise ConfigError(problems) from error


def check_trainer_options(options: Mapping[str, Any]) -> None:
    """Refuse what Lightning's Trainer does not take, all of it at once.

    Raises:
        ConfigError: an option is no argument of the Trainer, or has a field of its own in the config.
    """
    known = [name for name in inspect.signature(Trainer.__init__).parameters if name != "self"]
    problems = [
        Problem(f"trainer.{name}", f"is no argument of Lightning's Trainer; {nearest(name, known)}")
        for name in options
        if name not in known
    ]
    problems += owned_problems(options)
    if problems:
        raise ConfigError(problems)


def build_trainer(
    *,
    max_epochs: int,
    device: torch.device,
    callbacks: Sequence[Callback],
    options: Mapping[str, Any],
) -> Trainer:
    """A Trainer that writes nothing but what `callbacks` write, and gives equal runs for equal seeds.

    Where this process is one of several ranks, it trains with the others.

    `options` are any further arguments of the Trainer and win over the defaults set here.

    Raises:
        ConfigError: an option that the Trainer does not take, or a value that it refuses.
    """
    check_trainer_options(options)
    arguments: dict[str, Any] = {
        "max_epochs": max_epochs,
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        "devices": 1,
        "callbacks": list(callbacks),
        "deterministic": True,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        # Inside a Slurm job Lightning would look for tasks of its own there and requeue the job by itself.
        "plugins": [LightningEnvironment()],
    }
    if world.size() > 1:
        del arguments["plugins"]  # the strategy brings its own
        arguments |= {"strategy": SharedBatches(), "num_nodes": world.size(), "use_distributed_sampler": False}
    try:
        with silence():
            return Trainer(**(arguments | dict(options)))
    except (TypeError, ValueError) as error:
        raise ConfigError([Problem("trainer", str(error))]) from error


@contextmanager
def silence() -> Iterator[None]:
    """Without Lightning's notes (devices found, tips), its advice about loaders and its deprecated calls.

    Nobody who trains with this project can act on any of them. Other warnings pass.
    """
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in NOISE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)
