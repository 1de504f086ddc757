"""The journal of a run: what it says to the tracker, in order, so that an attempt that goes on says it once.

A row of a history has a number. An attempt that begins again from its start comes to the same rows: those that the
tracker has are not sent a second time. Within a stage (`progress.py`) what is said is kept beside the state, and
said again by whoever goes on from there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

ENTRIES = "entries.json"
ROW, SUMMARY, PICTURE, TABLE, ARTIFACT = "row", "summary", "picture", "table", "artifact"


@dataclass(frozen=True)
class Entry:
    """One thing that was said. `data` is JSON."""

    kind: str
    data: Mapping[str, Any]
    picture: "Image | None" = None
    table: "pd.DataFrame | None" = None


class Speaker(Protocol):
    """Whoever says an entry to the tracker."""

    def __call__(self, entry: Entry, *, again: bool) -> None:
        """Say it; `again`: an earlier attempt has said it before."""


class Journal:
    """Counts the rows of a run, and keeps what is said while a stage listens."""

    def __init__(self, speaker: Speaker, rows_there: int = 0) -> None:
        """`rows_there`: how many rows of the run's history the tracker has already."""
        self._speaker = speaker
        self._rows_there, self._rows = rows_there, 0
        self._listener: list[Entry] | None = None

    def say(self, entry: Entry, *, again: bool = False) -> None:
        """Say something, and keep it if a stage listens; `again`: an earlier attempt has said it before."""
        self._speaker(entry, again=again)
        if self._listener is not None:
            self._listener.append(entry)

    def next_row_is_new(self) -> bool:
        """Count one more row; whether the tracker has yet to get it."""
        self._rows += 1
        return self._rows > self._rows_there

    def listen(self, listener: list[Entry] | None) -> list[Entry] | None:
        """Keep what is said from now on in `listener`; returns who listened before."""
        before, self._listener = self._listener, listener
        return before


def write(entries: Sequence[Entry], folder: Path) -> None:
    """Write entries to a folder: JSON, and a PNG or Parquet file for what is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, entry in enumerate(entries):
        if entry.picture is not None:
            entry.picture.save(folder / f"{number}.png")
        if entry.table is not None:
            entry.table.to_parquet(folder / f"{number}.parquet", index=False)
    told = [{"kind": entry.kind, "data": dict(entry.data)} for entry in entries]
    (folder / ENTRIES).write_text(json.dumps(told, default=_plain), encoding="utf-8")


def _plain(value: Any) -> Any:
    """Numbers of NumPy and PyTorch, and arrays of them, as Python has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be kept in a journal")


def read(folder: Path) -> list[Entry]:
    """The entries that `write` wrote."""
    told = json.loads((folder / ENTRIES).read_text(encoding="utf-8"))
    return [
        Entry(one["kind"], one["data"], _picture(folder / f"{number}.png"), _table(folder / f"{number}.parquet"))
        for number, one in enumerate(told)
    ]


def _picture(path: Path) -> "Image | None":
    if not path.is_file():
        return None
    from PIL import Image

    with Image.open(path) as picture:
        return picture.copy()


def _table(path: Path) -> "pd.DataFrame | None":
    if not path.is_file():
        return None
    import pandas as pd

    return pd.read_parquet(path)
