"""The folder of this user in which what came from elsewhere is kept."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where downloaded artifacts and locks are kept: `SASHIKO_CACHE`, default `~/.cache/sashiko`."""
    return Path(os.environ.get("SASHIKO_CACHE") or Path.home() / ".cache" / "sashiko")
