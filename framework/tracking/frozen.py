"""The record that lies beside frozen code: a file `<folder>.json` next to the folder, for there is no git in it.

Who freezes code writes the record, and a run reads in it what git said of the code when it was frozen. Knows no
git.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BYTES = "latin-1"
"""Each byte of a patch is one character of the record: a patch is in as many encodings as the files are."""


@dataclass(frozen=True)
class Record:
    """What is known of a folder of frozen code. `seal` is the digest that the folder has if nobody changed it."""

    tree: str
    root: str
    git: dict[str, Any]
    patch: bytes
    seal: str

    def write(self, folder: Path) -> None:
        """Write it beside the folder; who reads meanwhile finds the record before this one, or this one."""
        text = json.dumps(asdict(self) | {"patch": self.patch.decode(BYTES)}, indent=1)
        write_whole(beside(folder), text)


def beside(folder: Path) -> Path:
    """Where the record of a folder lies."""
    return folder.with_name(f"{folder.name}.json")


def read(folder: Path) -> Record | None:
    """The record of a folder of frozen code; None if it has none, or none that can be read."""
    try:
        data = json.loads(beside(folder).read_text(encoding="utf-8"))
        data["patch"] = data["patch"].encode(BYTES)
        found = Record(**data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if found.tree == folder.name else None


def around(place: Path) -> Record | None:
    """The record of the frozen code that `place` lies in; None for code that is not frozen."""
    for folder in (place, *place.parents):
        found = read(folder)
        if found is not None:
            return found
    return None


def write_whole(path: Path, text: str) -> None:
    """Write a file that others may read meanwhile, or write too."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
