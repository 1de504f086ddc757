"""Training that goes on where it was left: the state at safe points, and what Lightning does not keep of it.

A safe point is the end of a batch, or the beginning of an epoch. At the end of an epoch's last batch, and where
validation follows, the next one is waited for: nobody has then to know how far a validation was.

Where several ranks train together, the first one hears the signals and has the clock: at each safe point it tells
the others what it does, and all of them leave after the same batch.
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback, Trainer

from framework.errors import Interrupted
from framework.tracking import leaving
from framework.tracking.progress import Stage
from framework.training.batches import Resumable
from framework.training.ranks import world


class GoingOn(Callback):
    """Keeps the state of a training in `stage` when a signal asks to leave, and every `every_s` seconds.

    Must stand last in the list of callbacks, whose own states are kept with it. The random states are set when the
    first batch comes, after whatever a beginning draws.
    """

    def __init__(self, stage: Stage, batches: Resumable, every_s: float) -> None:
        self._stage, self._batches, self._every_s = stage, batches, every_s
        self._kept_at = time.monotonic()
        self._random: dict[str, Any] | None = None
        self._begins_epoch = False

    # --- safe points -----------------------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing of the epoch is done yet."""
        self._batches.begin_epoch()
        self._begins_epoch = True
        self._safe_point(trainer)
        self._begins_epoch = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """From here on what is drawn is drawn as if nothing had been interrupted."""
        if self._random is not None:
            set_random_states(self._random)
            self._random = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The weights have moved."""
        count = batch_idx + 1
        validates = trainer.val_check_batch is None or count % trainer.val_check_batch == 0
        steps_now = count % trainer.accumulate_grad_batches == 0
        if count < trainer.num_training_batches and not validates and steps_now:
            self._safe_point(trainer)

    def _safe_point(self, trainer: Trainer) -> None:
        asked = leaving.asked()
        due = asked or time.monotonic() - self._kept_at > self._every_s
        asked, due = world.numbers_of_first(asked, due and self._stage.can_be_kept)
        if due and world.is_first():
            # Who leaves keeps all of the run's progress in the end; who stays must not wait for the tracker.
            self._stage.halfway(trainer.save_checkpoint, keep=not asked)
            self._kept_at = time.monotonic()
        elif due:
            # The first rank writes. The others have states to tell it.
            trainer.save_checkpoint(Path("unwritten"))
        if asked and not world.is_first():
            raise Interrupted(asked)
        leaving.obey()

    # --- the state -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the batches are, and the random states; before the first batch, those that are still to be set."""
        mine = self._random or random_states()
        return {"batches": self._batches.state_dict(), "random": world.gathered(mine)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; where the ranks were of another number, each with the random states of the first."""
        self._batches.load_state_dict(state_dict["batches"])
        states = state_dict["random"]
        self._random = states[world.rank() if len(states) == world.size() else 0]

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Before its first batch an epoch has not begun: as it is kept, only the ones before it are there."""
        if self._begins_epoch:
            progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
            for counts in (progress["total"], progress["current"]):
                counts["ready"] = counts["completed"]


def random_states() -> dict[str, Any]:
    """The states of all generators that have no owner, in types that can be loaded without running code."""
    version, words, position = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": [version, list(words), position],
        "numpy": [str(kind), [int(key) for key in keys], int(place), int(has_gauss), float(cached)],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set what `random_states` found."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    version, words, position = states["python"]
    random.setstate((version, tuple(words), position))
    kind, keys, place, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), place, has_gauss, cached))
