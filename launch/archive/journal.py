"""What an unfinished archive holds, line by line beside it, so that the same command goes on where it was.

A line is written after what it tells is in the file. A line that says how far the work was (`at`) closes a part;
on going on everything after the last of those is cut off, from the journal and from the file.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from launch.archive.errors import ArchiveError
from launch.archive.layout import Frame, Member

CHUNK = 1 << 20


class Journal:
    """The journal of one unfinished archive."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self.path = path
        self._file: TextIO | None = None

    def begin(self, identity: Mapping[str, Any], archive: Path) -> dict[str, Any] | None:
        """Open it; how far the work was, or None where it begins. The unfinished archive is cut to that place.

        Raises:
            ArchiveError: what is there is another archive, or is not what the journal tells.
        """
        kept, at = self._kept(identity)
        if kept and not archive.exists():
            kept, at = [], None
        with self.path.open("w" if not kept else "r+", encoding="utf-8") as file:
            if not kept:
                file.write(json.dumps({"archive": dict(identity)}) + "\n")
            else:
                file.truncate(sum(len(line.encode()) for line in kept))
        frames = [Frame(*line["frame"]) for line in map(json.loads, kept) if "frame" in line]
        end = _whole(archive, frames)
        with archive.open("r+b" if archive.exists() else "wb") as file_:
            file_.truncate(end)
        self._file = self.path.open("a", encoding="utf-8")
        return at

    def _kept(self, identity: Mapping[str, Any]) -> tuple[list[str], dict[str, Any] | None]:
        """The lines up to the last place, and that place."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return [], None
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        known = json.loads(lines[0]).get("archive") if lines else dict(identity)
        if known != dict(identity):
            told = ", ".join(f"{key} {value}" for key, value in known.items())
            raise ArchiveError(
                f"{self.path} is of another archive that was not finished ({told}): finish that one, "
                "give another FILE, or begin anew with --force"
            )
        for count in range(len(lines), 1, -1):
            line = json.loads(lines[count - 1])
            if "at" in line:
                return lines[:count], line["at"]
        return [], None

    def write(self, **line: Any) -> None:
        """Add a line.

        Raises:
            OSError: the disk is full.
        """
        if self._file is None:
            raise RuntimeError("the journal has not begun")
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Everything that was written is with the system."""
        if self._file is not None:
            self._file.flush()

    def lines(self, kind: str) -> Iterator[Any]:
        """What the lines of a kind tell, from the first."""
        self.flush()
        with self.path.open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                if kind in line:
                    yield line[kind]

    def frames(self) -> Iterator[Frame]:
        """The pieces of the file."""
        return (Frame(*told) for told in self.lines("frame"))

    def members(self) -> Iterator[Member]:
        """What is in the file."""
        return (Member(*told) for told in self.lines("member"))

    def told(self) -> Iterator[bytes]:
        """The lines of frames and members as they stand here; the manifest has them so, too."""
        self.flush()
        with self.path.open("rb") as file:
            yield from (line for line in file if line.startswith((b'{"frame":', b'{"member":')))

    def close(self) -> None:
        """Close it; what is not written (a full disk) is given up."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                os.truncate(self.path, self.path.stat().st_size)


def _whole(path: Path, frames: list[Frame]) -> int:
    """Where the last frame ends.

    Raises:
        ArchiveError: a frame is not in the file as it was written.
    """
    if not frames:
        return 0
    with path.open("rb") as file:
        for frame in frames:
            left, digest = frame.size, hashlib.sha256()
            while left and (chunk := file.read(min(CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
            if left or digest.hexdigest() != frame.sha256:
                raise ArchiveError(
                    f"{path} was changed since it was begun (at byte {frame.offset:,}): begin anew with --force"
                )
    return frames[-1].offset + frames[-1].size
