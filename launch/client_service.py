"""The wandb client's service process, as workers use it: one each, warm before the first child is forked.

A child forked from a parent that has finished a run starts its own run in milliseconds; one that finds no warm
service needs a second. Knows the client; knows no sweep.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import MutableMapping
from pathlib import Path

LIGHT_CLIENT = {
    "WANDB_CONSOLE": "off",  # the parent ships the child's output, crashes of C code included
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",  # provenance is recorded with every artifact
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
"""What each child would otherwise find out, ask and say anew at its start. See also `forget_inherited`."""

LATE = ("pandas", "pyarrow.parquet", "wandb.sdk.artifacts._internal_artifact")
"""What logging a table, or a list in a summary, would import in every child anew."""


def forget_inherited(environment: MutableMapping[str, str]) -> None:
    """Drop the service of whoever started this process: what is shared cannot be ended when a child dies."""
    environment.pop("WANDB_SERVICE", None)


def warm_up() -> None:
    """Start the client's service and finish one run in it: forked children then start in milliseconds."""
    import wandb

    for module in LATE:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory(prefix="sashiko-warm-", ignore_cleanup_errors=True) as folder:
        settings = wandb.Settings(
            mode="offline",
            silent=True,
            root_dir=folder,
            console="off",
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,  # reading the metadata of every package takes a third of a second
        )
        run = wandb.init(project="warm-up", dir=folder, settings=settings)
        run.log({"warm": 1})
        run.finish()


def end() -> None:
    """Let the service send what it still holds, and end it."""
    import wandb

    wandb.teardown()


def end_within(seconds: float) -> None:
    """As `end`, without waiting for longer: a service that died while it was spoken to is waited for for ever."""
    import wandb

    def tear_down() -> None:
        with contextlib.suppress(Exception, SystemExit):  # what it says to its end is no news
            wandb.teardown()

    thread = threading.Thread(target=tear_down, daemon=True)
    thread.start()
    thread.join(seconds)


def kill() -> None:
    """End the service at once, with the run that is open in it, which it would call well done at its own end."""
    for pid in _children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    """The processes that this one has started and that live."""
    listed = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if listed.exists():
        found = [task.read_text() for task in Path("/proc/self/task").glob("*/children")]
    else:
        found = [
            subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False).stdout
        ]
    return [int(pid) for text in found for pid in text.split() if int(pid) != os.getpid()]


def restart(exit_code: int) -> None:
    """Let the service close the run that a dead child left open, and start anew."""
    import wandb

    with contextlib.suppress(SystemExit):  # its service could not close the run, which may be deleted
        wandb.teardown(exit_code=exit_code)
    warm_up()
