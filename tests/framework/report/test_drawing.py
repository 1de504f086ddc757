"""A figure is drawn where there is none or what it shows changed; the stamp in the file tells."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from framework.report import digest, drawing
from framework.report.drawing import draw_into
from framework.report.stamp import KEYWORD, stamp_of
from framework.report.style import new_figure


def line(table, colour="black"):
    figure = new_figure()
    figure.subplots().plot(table["x"], color=colour)
    return figure


def bars(table):
    figure = new_figure()
    figure.subplots().bar(range(len(table)), table["x"])
    return figure


TABLE = pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def figures(**changes):
    return {"line": partial(line, TABLE), "bars": partial(bars, TABLE)} | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both figures in it."""
    drawn = draw_into(tmp_path / "new" / "figures", figures())
    assert [(figure.name, figure.new) for figure in drawn] == [("line", True), ("bars", True)]
    assert all(stamp_of(figure.path) == figure.digest for figure in drawn)
    return tmp_path / "new" / "figures"


def drawn_anew(folder: Path, **changes) -> list[str]:
    return [figure.name for figure in draw_into(folder, figures(**changes)) if figure.new]


def test_what_did_not_change_is_kept(folder: Path):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert drawn_anew(folder) == []
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert set(before) == {"line.png", "bars.png"}
    with Image.open(folder / "line.png") as image:
        image.verify()
        assert image.info[KEYWORD] == stamp_of(folder / "line.png")


def test_data_and_options_that_changed_are_drawn(folder: Path):
    assert drawn_anew(folder, line=partial(line, TABLE + 1)) == ["line"]
    assert drawn_anew(folder, line=partial(line, TABLE + 1)) == []
    assert drawn_anew(folder, line=partial(line, TABLE + 1, colour="red")) == ["line"]
    assert drawn_anew(folder, more=partial(bars, TABLE)) == ["line", "more"]


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAX", 1)),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no picture"),
        lambda path: line(TABLE).savefig(path),
        lambda path: path.write_bytes((path.parent / "bars.png").read_bytes()),
    ],
)
def test_a_file_that_is_gone_broken_or_of_something_else_is_drawn(folder: Path, spoil):
    spoil(folder / "line.png")
    assert drawn_anew(folder) == ["line"]
    assert drawn_anew(folder) == []


def test_other_code_other_versions_and_another_resolution_are_drawn(folder: Path, monkeypatch):
    monkeypatch.setattr(digest, "code_digest", lambda modules: "another")
    assert drawn_anew(folder) == ["line", "bars"]
    monkeypatch.undo()
    assert drawn_anew(folder) == ["line", "bars"]
    monkeypatch.setattr(digest, "versions", lambda: ("matplotlib 9.9",))
    assert drawn_anew(folder) == ["line", "bars"]
    monkeypatch.undo()
    assert all(figure.new for figure in draw_into(folder, figures(), dpi=50))


def test_a_figure_of_what_has_no_digest_is_drawn_every_time(folder: Path):
    opaque = object()
    changes = {"opaque": lambda: line(TABLE) if opaque else None}
    assert drawn_anew(folder, **changes) == ["opaque"]
    assert drawn_anew(folder, **changes) == ["opaque"]
    assert stamp_of(folder / "opaque.png") is None


def test_a_figure_that_fails_leaves_the_old_one(folder: Path):
    before = (folder / "line.png").read_bytes()
    with pytest.raises(KeyError):
        draw_into(folder, {"line": partial(line, pd.DataFrame({"y": [1]}))})
    assert (folder / "line.png").read_bytes() == before


def test_the_module_is_light():
    assert "matplotlib" not in Path(drawing.__file__).read_text()
