"""Which Sashiko this is, in one line."""

import configparser
from importlib import metadata
from pathlib import Path

from framework.tracking import frozen, packed, provenance

SHORT = 12
NAME = "sashiko"


def told(here: Path = Path(__file__).parent) -> str:
    """`sashiko 0.1.0`; of a git tree, or of code frozen in one, also its commit, and whether it differs."""
    record = frozen.around(here)
    git = record.git if record is not None else _git(here)
    parts = [f"commit {str(git['commit'])[:SHORT]}"] if "commit" in git else []
    parts += ["changed"] if git.get("dirty") else []
    where = f" ({', '.join(parts)})" if parts else ""
    return f"{NAME} {number(here.parent)}{where}"


def _git(here: Path) -> dict[str, object]:
    return provenance.git_state(here)[0] if packed.top_of(here) is not None else {}


def number(top: Path = Path(__file__).parent.parent) -> str:
    """The version of the tree that this is, or else of what is installed."""
    settings = configparser.ConfigParser()
    settings.read(top / "setup.cfg", encoding="utf-8")
    written = settings.get("metadata", "version", fallback="")
    if written and settings.get("metadata", "name", fallback="") == NAME:
        return written
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "(not installed)"
