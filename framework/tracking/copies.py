"""What the client copies of tables and artifacts before it sends them, and keeps: here in a folder that goes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

FOLDERS = ("WANDB_DATA_DIR", "WANDB_CACHE_DIR")
SENDS = ("", "online", "run", "shared")


@contextmanager
def client_copies() -> Iterator[None]:
    """Meanwhile this process's client copies to a folder of its own, which is removed once the tracker has all.

    A client that works offline keeps its copies: `wandb sync` sends them later.
    """
    if os.environ.get("WANDB_MODE", "") not in SENDS:
        yield
        return
    folder = tempfile.mkdtemp(prefix="sashiko-client-")
    before = {name: os.environ.get(name) for name in FOLDERS}
    os.environ |= dict.fromkeys(FOLDERS, folder)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)
