"""A report as a page: everything in it, nothing beside it, and what is typed is never markup."""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from framework.importance import Effect, Importance
from framework.report.document import MOST_ROWS, Document, Picture, page
from framework.report.style import new_figure

NASTY = "<script>alert(1)</script>&\"'"


@pytest.fixture
def document(tmp_path: Path) -> Document:
    figure = new_figure()
    figure.subplots().plot([1, 2])
    figure.savefig(tmp_path / "a.png")
    shares = Importance(
        "variance shares", [Effect(("a",), 0.7, 0.01, 1e-9), Effect(("a", NASTY), 0.15, 0.02, 0.2),
                            Effect(("b",), 0.001, 0.01, 0.9)],
        seeds=0.1, left=0.049, runs=1200, cells=400, exact=True, notes=("a word",),
    )  # fmt: skip
    return Document(
        title=NASTY, subtitle="e/p/s", facts=[("runs", "3 finished")], caption=["lower is better"],
        answer=pd.DataFrame({"best": ["a"], "x_mean": [0.5], "x_std": [0.25]}), notes=[NASTY],
        pictures=[Picture("error_by_ridge", tmp_path / "a.png")], metric="loss", importance=shares,
        tables={"table": pd.DataFrame({"i": range(MOST_ROWS + 50)}), "by_class": pd.DataFrame({NASTY: [NASTY]}),
                "long": pd.DataFrame({"i": range(50)})},
        swept=[("lr", "0.1, 0.2")], fixed=[("depth", "3")], provenance=[("code", "abc")],
        at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    )  # fmt: skip


def test_everything_is_there(document: Document, tmp_path: Path) -> None:
    text = page(document)
    for word in ("0.5 ± 0.25", "lower is better", "3 finished", "error by ridge", "by class", "0.1, 0.2", "abc",
                 f"The first {MOST_ROWS} of {MOST_ROWS + 50} rows",
                 "The first 40 of 50 rows", "2026-01-02 03:04", "What loss depends on",
                 "70.0%", "1e-09", "over 1,200 runs of 400 points", "A word."):  # fmt: skip
        assert word in text, word
    picture = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert [base64.b64decode(one) for one in picture] == [(tmp_path / "a.png").read_bytes()]


def test_small_effects_stand_together_and_all_sums_to_one(document: Document) -> None:
    shares = [float(share) for share in re.findall(r'value="([0-9.]+)" aria-label', page(document))]
    assert shares == pytest.approx([0.7, 0.15, 0.1, 0.05])


def test_nothing_is_loaded_and_nothing_runs(document: Document) -> None:
    text = page(document)
    assert NASTY not in text
    for word in ("<script", "<link", "http://", "https://", "url(", "@import"):
        assert word not in text, word


def test_a_page_of_little(tmp_path: Path) -> None:
    text = page(Document("t", "s", [("runs", "1")]))
    for word in ("Answer", "Figures", "Table", "Provenance", "depends on"):
        assert f"<h2>{word}" not in text
