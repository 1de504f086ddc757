"""Histories of runs that have ended, as Parquet files: the client fetches a run in one go instead of page by page.

A file is made when somebody first asks for it, in a process of its own, and kept until the run goes on. As on W&B,
a key that a row does not hold is a null in it. Rows that do not come out of Parquet as they went in (a key that is
now a number and now a text) are not exported but read live, as those of every run are that has not ended.
"""

import contextlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from launch.server.threads import elsewhere

logger = logging.getLogger(__name__)


class Exports:
    """A folder of exported histories. An empty file stands for rows that cannot be exported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def made(self, run_id: int, state: str, texts: Callable[[], Sequence[str]]) -> Path | None:
        """The export of a run's rows, made if it is new; None if Parquet or the disk cannot hold them.

        `state` names what the history is now: another one, another file.
        """
        path = self._folder / f"{run_id}-{state}.parquet"
        if not path.is_file():
            try:
                self._write(run_id, path, elsewhere(exported, list(texts())) or b"")
            except OSError as error:
                logger.warning("the history of run %d is not exported: %s", run_id, error)
                return None
        return path if path.stat().st_size else None

    def forget(self, run_id: int) -> None:
        """Delete what was exported of a run."""
        for old in self._folder.glob(f"{run_id}-*.parquet"):
            old.unlink(missing_ok=True)

    def _write(self, run_id: int, path: Path, body: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        self.forget(run_id)
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def exported(texts: Sequence[str]) -> bytes | None:
    """Rows (JSON objects) as a Parquet file; None if they do not come out of it as they went in."""
    import pyarrow
    from pyarrow import parquet

    rows = [json.loads(text) for text in texts]
    keys = dict.fromkeys(key for row in rows for key in row)
    try:
        table = pyarrow.table({key: pyarrow.array([row.get(key) for row in rows]) for key in keys})
        target = io.BytesIO()
        parquet.write_table(table, target)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError):
        return None
    back = [_told(row) for row in parquet.read_table(io.BytesIO(target.getvalue())).to_pylist()]
    return target.getvalue() if back == [_told(row) for row in rows] else None


def _told(value: Any) -> Any:
    """A value as it is compared: without nulls, numbers by their value, NaN equal to itself."""
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_told(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, value)
    return "NaN" if value != value else value  # noqa: PLR0124
