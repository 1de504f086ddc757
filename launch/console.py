"""What a child prints, sent to its run's log while it works: in pieces, as it comes.

So memory stays small, and a death of the worker loses no more than the last moments. Knows the file that a child
writes and the tracker's stream; knows no sweep.
"""

from collections.abc import Iterator
from pathlib import Path

from framework.tracking.tracker import Tracker

PIECE = 262_144
LONGEST_LINE = 10_000
MOST = 20_000_000
"""Characters of one run's output that are sent; of more only the end is."""
LAST = 100_000


class Console:
    """Sends the lines that a file grows by to entity/project/run id; `first` is the number of the next line."""

    def __init__(self, log: Path, run_path: str, first: int = 0) -> None:
        self._log, self._run_path = log, run_path
        self._line, self._place = first, 0

    def send(self, tracker: Tracker) -> None:
        """Send the whole lines that have come.

        Raises:
            TrackerError: the tracker does not take them; the next call sends them again, under the same numbers.
        """
        while self._place < MOST and self._send_piece(tracker, ended=False):
            pass

    def finish(self, tracker: Tracker, last_words: str = "") -> None:
        """Send what is left, and a last line of the worker's own.

        Raises:
            TrackerError: the tracker does not take them.
        """
        self.send(tracker)
        size = self._log.stat().st_size if self._log.exists() else 0
        if size > self._place + LAST and self._place >= MOST:
            self._put(tracker, [f"({size - LAST - self._place:,} characters are left out)\n"])
            self._place = size - LAST
        while self._send_piece(tracker, ended=True):
            pass
        if last_words:
            self._put(tracker, [last_words + "\n"])

    def _send_piece(self, tracker: Tracker, *, ended: bool) -> bool:
        piece = self._read()
        whole = len(piece) if ended else piece.rfind(b"\n") + 1
        if not whole and len(piece) == PIECE:
            whole = len(piece)  # one endless line
        if not whole:
            return False
        self._put(tracker, list(_lines(piece[:whole].decode(errors="replace"))))
        self._place += whole
        return True

    def _read(self) -> bytes:
        try:
            with self._log.open("rb") as file:
                file.seek(self._place)
                return file.read(PIECE)
        except FileNotFoundError:
            return b""

    def _put(self, tracker: Tracker, content: list[str]) -> None:
        if content:
            payload = {"files": {"output.log": {"offset": self._line, "content": content}}}
            tracker.file_stream(self._run_path, payload)
            self._line += len(content)


def _lines(text: str) -> Iterator[str]:
    """Lines as they stand on a terminal at last: of a progress bar that is drawn over and over, its last state."""
    for line in text.removesuffix("\n").split("\n"):
        shown = line.rstrip("\r").rsplit("\r", 1)[-1]
        yield (shown if len(shown) <= LONGEST_LINE else shown[:LONGEST_LINE] + "…") + "\n"
