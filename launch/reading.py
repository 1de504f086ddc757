"""A sweep is read with the code that works it: what was frozen, though the working tree has gone on since.

What a point is follows from the config class of its experiment. Read with one that has another default today, or
that is half edited, the runs at work would be those of no point, or nothing could be said of them at all.
"""

import os
import sys
from pathlib import Path

import typer

from framework.errors import CodeError
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import frozen, sweeping


def sweep_of(tracker: Tracker, text: str, directory: Path) -> SweepPath:
    """The sweep that `text` means: a path of the tracker, or a file.

    Where it was submitted with frozen code from here, this process begins anew with that code, and does not come
    back.

    Raises:
        TrackerError: no sweep was made of the file yet.
        DefinitionError: the file is invalid, or `text` is no path.
    """
    path = sweeping.locate(tracker, text, as_written=True)
    if os.environ.get(frozen.VARIABLE):
        return path
    try:
        code = frozen.remembered(directory, path)
    except CodeError as error:
        typer.echo(f"note: {error}; read with the code as it lies", err=True)
        return path
    if code is not None:
        words = [str(path) if word == text else word for word in sys.argv[1:]]
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, "-m", "launch.cli", *words], os.environ | code.environment)
    return path
