"""Reads an archive: what is in it, the bytes of a member, and whether they are those that were written.

Knows no tracker.
"""

import bisect
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from launch.archive.errors import Damaged, NoArchive
from launch.archive.layout import FORMAT, HEAD, MANIFEST, ZSTD_MAGIC, Frame, Member, header, padding, read_index

FIRST_LOOK = 1 << 16
INDEX = "the index (the last bytes of the file)"


class Archive:
    """An archive that is read. `told` is what its manifest tells of the whole; `members` are in their order."""

    def __init__(self, path: Path) -> None:
        """Read the index and the manifest.

        Raises:
            NoArchive: it is none, or one of a newer format.
            Damaged: its end or its manifest is damaged, or it is cut off.
        """
        self.path = path
        self._codec = pa.Codec("zstd")
        self._cached: tuple[int, bytes] = (-1, b"")
        told, self._end = self._read_index()
        self._place = told["manifest"]
        self.told: dict[str, Any] = {}
        self.frames: list[Frame] = []
        self.members: dict[str, Member] = {}
        for line in self._manifest():
            if "member" in line:
                member = Member(*line["member"])
                self.members[member.path] = member
            elif "frame" in line:
                self.frames.append(Frame(*line["frame"]))
            else:
                self.told = line["archive"]
        self._starts = [0, *itertools.accumulate(frame.raw for frame in self.frames)]

    def _read_index(self) -> tuple[dict[str, Any], int]:
        try:
            with self.path.open("rb") as file:
                first = file.read(4)
                length = file.seek(0, 2)
                look = min(FIRST_LOOK, length)
                while True:
                    file.seek(length - look)
                    try:
                        found = read_index(file.read(look))
                        break
                    except ValueError as error:
                        if str(error) == "no mark" or look == length:
                            raise self._no_index(first, length) from error
                        look = min(look * 16, length)
        except OSError as error:
            raise NoArchive(f"{self.path} cannot be read: {error.strerror}") from error
        if found is None:
            raise Damaged(self.path, [f"{INDEX}: other bytes than were written"], [INDEX])
        told, size = found
        if told.get("sashiko_archive") != FORMAT:
            raise NoArchive(
                f"{self.path} is an archive of format {told.get('sashiko_archive')}; this version of Sashiko "
                f"reads format {FORMAT}: update Sashiko"
            )
        return told, length - size

    def _no_index(self, first: bytes, length: int) -> Damaged | NoArchive:
        if first != ZSTD_MAGIC:
            return NoArchive(
                f"{self.path} is no archive of `sashiko archive` (a .tar.zst with an index at its end)"
            )
        told = f"{INDEX} is missing or damaged: the file was cut off after {length:,} bytes, or is none of ours"
        return Damaged(self.path, [told], [INDEX])

    def _manifest(self) -> Iterator[dict[str, Any]]:
        digest, texts = hashlib.sha256(), []
        try:
            with self.path.open("rb") as file:
                for offset, size, raw in self._place["frames"]:
                    file.seek(offset)
                    packed = file.read(size)
                    digest.update(packed)
                    if digest.digest_size and len(packed) == size:
                        texts.append((packed, raw))
            if digest.hexdigest() != self._place["sha256"]:
                raise Damaged(self.path, [f"{MANIFEST}: other bytes than were written"], [MANIFEST])
            text = b"".join(self._codec.decompress(packed, raw, asbytes=True) for packed, raw in texts)
        except OSError as error:
            raise NoArchive(f"{self.path} cannot be read: {error.strerror}") from error
        start = text.index(b'{"archive"')
        for line in text[start : start + self._place["bytes"]].splitlines():
            yield json.loads(line)

    def _frame(self, number: int) -> bytes:
        if self._cached[0] != number:
            frame = self.frames[number]
            with self.path.open("rb") as file:
                file.seek(frame.offset)
                packed = file.read(frame.size)
            try:
                self._cached = (number, self._codec.decompress(packed, frame.raw, asbytes=True))
            except (OSError, ValueError) as error:
                raise Damaged(self.path, [f"the piece at byte {frame.offset:,} cannot be unpacked"]) from error
        return self._cached[1]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, a piece of at most a frame at a time.

        Raises:
            KeyError: there is no such member.
            Damaged: a piece cannot be unpacked.
        """
        member = self.members[name]
        at, end = member.at, member.at + member.size
        number = bisect.bisect_right(self._starts, at) - 1
        while at < end:
            start = self._starts[number]
            piece = self._frame(number)[at - start : end - start]
            yield piece
            at += len(piece)
            number += 1

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        return b"".join(self.chunks(name))

    def head(self) -> dict[str, Any]:
        """What was archived, from where, when."""
        found: dict[str, Any] = json.loads(self.read(HEAD))
        return found

    def damaged(self) -> Iterator[tuple[str, str]]:
        """Every member that is not as it was written, and what is wrong with it; by every digest of the file.

        Where a piece can still be unpacked, only what differs in it is named; else everything in it is.
        """
        if not self._covers():
            yield INDEX, "it tells of other pieces than the file has"
            return
        order = sorted(self.members.values(), key=lambda member: member.at)
        with self.path.open("rb") as file:
            bad = {number for number, frame in enumerate(self.frames) if not _is_whole(file, frame)}
        if not bad:
            return
        for member in order:
            touched = bad & set(self._touched(member))
            if touched and (problem := self._problem(member)):
                yield member.path, problem
        for number in sorted(bad):
            frame = self.frames[number]
            yield f"bytes {frame.offset:,} to {frame.offset + frame.size:,}", "other bytes than were written"

    def _covers(self) -> bool:
        """Whether the pieces are the whole file, without a gap."""
        at = 0
        for offset, size in [*(frame[:2] for frame in self.frames), *(f[:2] for f in self._place["frames"])]:
            if offset != at:
                return False
            at += size
        return at == self._end

    def _touched(self, member: Member) -> range:
        """The frames that hold a member with its header and padding."""
        first = bisect.bisect_right(self._starts, max(member.at - len(header(member.path, member.size, 0)), 0)) - 1
        last = bisect.bisect_right(self._starts, max(member.at + member.size + len(padding(member.size)) - 1, 0))
        return range(first, last)

    def _problem(self, member: Member) -> str:
        digest = hashlib.sha256()
        try:
            for piece in self.chunks(member.path):
                digest.update(piece)
        except Damaged:
            return "it cannot be unpacked"
        return "" if digest.hexdigest() == member.sha256 else "other bytes than were written"


def _is_whole(file: Any, frame: Frame) -> bool:
    file.seek(frame.offset)
    packed = file.read(frame.size)
    return hashlib.sha256(packed).hexdigest() == frame.sha256
