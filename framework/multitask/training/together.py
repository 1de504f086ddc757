"""A stage of several runs at once: one training, whose state is kept for each run by itself."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from framework.multitask.training import states
from framework.tracking.progress import Stage, Write
from framework.training.fitting import read_state


class Together(Stage):
    """What `fit` takes for a stage, spread over the stages of several runs."""

    def __init__(self, stages: Sequence[Stage], state: Path | None, folder: Path) -> None:
        super().__init__("together", state, all(stage.is_over for stage in stages))
        self._stages, self._folder = tuple(stages), folder

    @property
    def can_be_kept(self) -> bool:
        """Whether the state of any run is kept."""
        return any(stage.can_be_kept for stage in self._stages)

    def halfway(self, write: Write, *, keep: bool) -> None:
        """Write the state of each run as it is now."""
        whole = self._whole(write)
        for number, stage in enumerate(self._stages):
            stage.halfway(self._part(whole, number), keep=keep)

    def over(self, write: Write) -> None:
        """The stage of each run is over."""
        whole, self.is_over = self._whole(write), True
        for number, stage in enumerate(self._stages):
            stage.over(self._part(whole, number))

    def _whole(self, write: Write) -> dict[str, Any]:
        path = self._folder / "whole"
        write(path)
        return read_state(path)

    def _part(self, whole: dict[str, Any], number: int) -> Write:
        return lambda path: torch.save(states.of_member(whole, number, len(self._stages)), path)


@contextlib.contextmanager
def together(stages: Sequence[Stage]) -> Iterator[Stage | None]:
    """One stage for those of several runs; None where they are not equally far.

    Raises:
        ArtifactError: a state cannot be read.
    """
    begun = [stage.state for stage in stages if stage.state is not None]
    with tempfile.TemporaryDirectory(prefix="sashiko-together-") as text:
        folder = Path(text)
        if not begun:
            yield Together(stages, None, folder)
            return
        alike = len(begun) == len(stages) and len({stage.is_over for stage in stages}) == 1
        whole = states.of_all([read_state(path) for path in begun]) if alike else None
        if whole is None:
            yield None
            return
        torch.save(whole, folder / "begun")
        yield Together(stages, folder / "begun", folder)
