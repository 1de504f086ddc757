"""Fitting that can be left and gone on with: what `Trainer.fit` does, in a stage of a run.

The state of a stage that is left halfway is Lightning's checkpoint; of one that is over, the states of its
callbacks. Both are loaded as data alone.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer

from framework.errors import ArtifactError
from framework.tracking import leaving
from framework.tracking.progress import Stage, every_s
from framework.training.augmentation import FlipCrop
from framework.training.batches import Batches, BatchOrder, Drawn, Loader, Resumable
from framework.training.callbacks.going_on import GoingOn
from framework.training.ranks import shares, world
from framework.training.ranks.layers import together_in
from framework.training.trainer import silence


def fit(
    trainer: Trainer,
    module: pl.LightningModule,
    train: "Loader | FlipCrop | Drawn",
    val: Loader | None,
    stage: Stage | None,
) -> None:
    """Train `module`, from the state of `stage` on where there is one; a stage that is over is taken as it was.

    Callbacks must keep what they need in their `state_dict`. On the
    CPU the outcome is bit for bit that of a training that nobody has interrupted. Without a stage, training begins
    at its beginning, and a signal ends it at once.

    Where this process is one of several ranks (`framework.training.ranks`), all of them call this with equal
    arguments. Each trains on its share of every batch. The first one's stage counts; a state of another number of
    ranks is gone on with, too.

    Raises:
        Interrupted: a signal asked to leave; the state is in the stage.
        ArtifactError: the state cannot be read.
        ConfigError: `SASHIKO_CHECKPOINT_S` is no number of seconds.
    """
    if stage is None:
        with silence(), _together(module):
            trainer.fit(module, _shared(train), _shared(val))
        return
    with tempfile.TemporaryDirectory(prefix="sashiko-state-") as folder:
        state = world.file_of_first(stage.state, Path(folder))
        (is_over,) = world.numbers_of_first(stage.is_over)
        _fit(trainer, module, train, val, stage, state, is_over=bool(is_over))


def _fit(
    trainer: Trainer,
    module: pl.LightningModule,
    train: "Loader | FlipCrop | Drawn",
    val: Loader | None,
    stage: Stage,
    state: Path | None,
    *,
    is_over: bool,
) -> None:
    """Fit from a state, which every rank has as a file."""
    callbacks: list[pl.Callback] = list(trainer.callbacks)  # type: ignore[attr-defined]  # set at run time
    if is_over and state is not None:
        states = read_state(state)["callbacks"]
        for callback in callbacks:
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])
        return
    batches = Resumable(train, generators_of(train))
    trainer.callbacks.append(GoingOn(stage, batches, every_s()))  # type: ignore[attr-defined]
    if state is not None:
        read_state(state)  # Lightning would run what is in it
    with silence(), leaving.at_safe_points(), _together(module):
        trainer.fit(module, _shared(batches), _shared(val), ckpt_path=state)
        if world.size() == 1:
            stage.over(lambda path: torch.save({"callbacks": _states(callbacks)}, path))
        else:  # the ranks have to find their states together, and now
            found = {"callbacks": _states(callbacks)}
            stage.over(lambda path: torch.save(found, path))


@contextmanager
def _together(module: pl.LightningModule) -> Iterator[None]:
    """Meanwhile several ranks train one model; one process alone trains it as it is."""
    if world.size() == 1:
        yield
        return
    try:
        with together_in(module):
            yield
    finally:
        shares.forget()


def _shared(loader: Any) -> Any:
    """What this rank has of the batches."""
    return loader if loader is None or world.size() == 1 else shares.Shares(loader)


def generators_of(loader: "Loader | FlipCrop | Drawn") -> list[torch.Generator]:
    """All generators that the batches of a training draw from."""
    if isinstance(loader, Drawn):
        return list(loader.generators)
    if isinstance(loader, FlipCrop):
        return [loader.generator, *generators_of(loader.loader)]
    order = loader.order if isinstance(loader, Batches) else loader.sampler
    return [order.generator] if isinstance(order, BatchOrder) and order.generator is not None else []


def _states(callbacks: Sequence[pl.Callback]) -> dict[str, Any]:
    return {callback.state_key: state for callback in callbacks if (state := callback.state_dict())}


def read_state(path: Path) -> dict[str, Any]:
    """A state, as data alone.

    Raises:
        ArtifactError: it cannot be read so.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ArtifactError(f"the state of a training that was left cannot be read: {error}") from error
    return found
