"""What each worker holds, where its parent can read it when the worker is dead."""

from collections.abc import Sequence
from pathlib import Path


def note(folder: Path, index: int, run_ids: Sequence[str]) -> None:
    """The worker holds these runs now."""
    _place(folder, index).write_text("\n".join(run_ids), encoding="utf-8")


def take(folder: Path, index: int) -> list[str]:
    """The runs that a dead worker held, which are forgotten then."""
    place = _place(folder, index)
    run_ids = place.read_text(encoding="utf-8").split() if place.exists() else []
    place.unlink(missing_ok=True)
    return run_ids


def _place(folder: Path, index: int) -> Path:
    return folder / f"held-{index}"
