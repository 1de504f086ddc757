"""The parents of a fusion run: trained once and fetched by their configs, or read from files."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from experiments.fusion.config import FusionConfig
from framework.data.facts import Facts, facts_of
from framework.data.vision import Splits
from framework.errors import ArtifactError, ConfigError, InvalidInput, Problem
from framework.models.base import Model
from framework.models.config import ModelConfig
from framework.models.foreign import load_foreign
from framework.models.registry import build
from framework.training.checkpoints import load_model
from framework.training.starts import before

if TYPE_CHECKING:
    from framework.tracking.run import Run


@dataclass(frozen=True)
class Parent:
    """A finished classifier.

    Attributes:
        identity: Tells it from any other: of its config, or of its file's bytes.
        initial: The weights that its training began with, where they are known.
    """

    name: str
    model: Model
    initial: Mapping[str, Tensor] | None
    identity: str = ""


def load_parents(config: FusionConfig, splits: Splits, run: "Run") -> list[Parent]:
    """Every parent, in eval mode.

    Raises:
        ArtifactError: a parent cannot be had, or a file is no state dict.
        InvalidInput: files whose parameters are missing, too many, misshapen or not finite; all of them.
        ConfigError: the architecture is no classifier.
    """
    architecture = config.model or config.first.model
    with torch.random.fork_rng(devices=[]):
        example = build(architecture, splits.image_shape, splits.num_classes)
    if example.num_classes is None:
        message = f"is {architecture.kind}, which is no classifier: it has no accuracy to compare"
        raise ConfigError([Problem("model.kind" if config.model else "first.model.kind", message)])
    if config.parents is not None:
        return _foreign(config, splits, run)
    parents = []
    for number, trained in enumerate(config.trained, start=1):
        folder = run.require("model", trained)
        # Weights that data have shaped are no beginning that the bounds could be measured from.
        is_fresh = before(trained) is None
        initial = load_model(folder, trained, "initial").state_dict() if is_fresh else None
        model = load_model(folder, trained)
        parents.append(Parent(f"parent_{number}", model, initial, trained.config_id))
    return parents


def misfits(config: FusionConfig) -> list[Problem]:
    """What is wrong with the files of parents that are there, found without reading an image."""
    data = facts_of(config.first.data)
    problems: list[Problem] = []
    for name in dict.fromkeys(config.parents or ()):
        if Path(name).is_file():
            stat = Path(name).stat()
            problems += _misfits(name, stat.st_mtime_ns, stat.st_size, config.architecture, data)
    return problems


@functools.lru_cache(maxsize=64)
def _misfits(name: str, changed: int, size: int, architecture: ModelConfig, data: Facts) -> tuple[Problem, ...]:
    """Kept by the file's state: the points of a sweep name the same files."""
    with torch.random.fork_rng(devices=[]):
        model = build(architecture, data.shape, data.classes)
    try:
        load_foreign(Path(name), model)
    except InvalidInput as error:
        return tuple(Problem("parents", f"{name}: {problem}") for problem in error.problems)
    except ArtifactError as error:
        return (Problem("parents", str(error)),)
    return ()


def _foreign(config: FusionConfig, splits: Splits, run: "Run") -> list[Parent]:
    parents, problems = [], []
    for number, name in enumerate(config.parents or (), start=1):
        path = Path(name)
        with torch.random.fork_rng(devices=[]):
            model = build(config.model or config.first.model, splits.image_shape, splits.num_classes)
        try:
            load_foreign(path, model)
        except InvalidInput as error:
            problems += [Problem(f"{name}: {problem.key}", problem.message) for problem in error.problems]
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        run.summarise({f"parent_{number}/sha256": digest})
        parents.append(Parent(f"parent_{number}", model.eval(), None, digest))
    if problems:
        raise InvalidInput(problems, f"the parents do not fit {(config.model or config.first.model).kind}")
    return parents
