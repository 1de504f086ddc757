"""What a child prints arrives line by line while it works, under the right numbers, in little memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from framework.errors import TrackerAway
from launch import console
from launch.console import Console


class Stream:
    """A tracker's file stream that keeps lines by number, or is away."""

    def __init__(self) -> None:
        self.lines: dict[int, str] = {}
        self.posts = 0
        self.away = False

    def file_stream(self, run_path: str, payload: Mapping[str, Any]) -> None:
        if self.away:
            raise TrackerAway("nobody there")
        assert run_path == "e/p/r"
        self.posts += 1
        part = payload["files"]["output.log"]
        for number, line in enumerate(part["content"], part["offset"]):
            self.lines[number] = line

    @property
    def text(self) -> str:
        assert sorted(self.lines) == list(range(min(self.lines, default=0), max(self.lines, default=-1) + 1))
        return "".join(self.lines[number] for number in sorted(self.lines))


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_whole_lines_come_while_the_file_grows_and_the_rest_at_the_end(stream: Stream, tmp_path: Path):
    log = tmp_path / "log"
    lines = Console(log, "e/p/r")
    lines.send(stream)  # type: ignore[arg-type]
    assert stream.posts == 0  # there is no file yet
    with log.open("w") as file:
        for text, seen in (("a\nb", "a\n"), ("c\n", "a\nbc\n"), ("", "a\nbc\n"), ("end", "a\nbc\n")):
            file.write(text)
            file.flush()
            lines.send(stream)  # type: ignore[arg-type]
            assert stream.text == seen
    lines.finish(stream, "killed by signal 9")  # type: ignore[arg-type]
    assert stream.text == "a\nbc\nend\nkilled by signal 9\n"
    assert stream.posts == 4


def test_lines_that_were_not_taken_come_again_under_the_same_numbers(stream: Stream, tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("a\nb\n")
    lines = Console(log, "e/p/r", first=7)
    stream.away = True
    with pytest.raises(TrackerAway):
        lines.send(stream)  # type: ignore[arg-type]
    log.write_text("a\nb\nc\n")
    stream.away = False
    lines.send(stream)  # type: ignore[arg-type]
    assert stream.lines == {7: "a\n", 8: "b\n", 9: "c\n"}


def test_a_progress_bar_is_shown_as_it_stands_and_an_endless_line_is_cut(stream: Stream, tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("1%\r50%\r100%\n" + "x" * 20_000 + "\n" + "epoch\r\n", newline="")
    Console(log, "e/p/r").finish(stream)  # type: ignore[arg-type]
    shown = [stream.lines[number] for number in range(3)]
    assert shown[0] == "100%\n"
    assert shown[1] == "x" * console.LONGEST_LINE + "…\n"
    assert shown[2] == "epoch\n"


def test_bytes_that_are_no_text_lose_nothing_around_them(stream: Stream, tmp_path: Path):
    log = tmp_path / "log"
    log.write_bytes(b"a\xff\xfe\nb\n")
    Console(log, "e/p/r").finish(stream)  # type: ignore[arg-type]
    assert stream.text.splitlines()[1] == "b"


def test_of_too_much_the_beginning_and_the_end_are_sent(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(console, "PIECE", 1_000)
    monkeypatch.setattr(console, "MOST", 10_000)
    monkeypatch.setattr(console, "LAST", 2_000)
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(5_000)))
    lines = Console(log, "e/p/r")
    for _ in range(3):
        lines.send(stream)  # type: ignore[arg-type]
    lines.finish(stream)  # type: ignore[arg-type]
    assert stream.text.startswith("line 0\nline 1\n")
    assert stream.text.endswith("line 4999\n")
    assert "characters are left out" in stream.text
    assert len(stream.text) < 14_000
    assert stream.posts < 20
