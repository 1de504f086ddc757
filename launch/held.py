"""What each worker holds, where its parent can read it when the worker is dead."""

from pathlib import Path


def note(folder: Path, index: int, run_id: str | None) -> None:
    """The worker holds this run now; None: it holds none."""
    _place(folder, index).write_text(run_id or "", encoding="utf-8")


def take(folder: Path, index: int) -> str | None:
    """The run that a dead worker held, which is forgotten then; None if it held none."""
    place = _place(folder, index)
    run_id = place.read_text(encoding="utf-8") if place.exists() else ""
    place.unlink(missing_ok=True)
    return run_id or None


def _place(folder: Path, index: int) -> Path:
    return folder / f"held-{index}"
