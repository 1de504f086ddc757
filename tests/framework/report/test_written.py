"""Tables as Markdown and HTML: numbers to the right, nothing that is typed is taken for markup."""

import pandas as pd

from framework.report.html import html
from framework.report.markdown import markdown

TABLE = pd.DataFrame({"na|me": ["a|b", "<b>c\nd"], "x_mean": [0.5, 12.0], "x_std": [0.25, 1.0], "n": [2, 10]})


def test_markdown() -> None:
    assert markdown(TABLE).splitlines() == [
        r"| na\|me |          x |   n |",
        "| ------ | ---------: | --: |",
        r"| a\|b   | 0.5 ± 0.25 |   2 |",
        "| <b>c d |     12 ± 1 |  10 |",
    ]
    assert markdown(TABLE.head(0)).count("\n") == 2


def test_html_needs_nothing_beside_it() -> None:
    page = html(TABLE, "a title")
    assert page.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;c" in page
    assert "<b>c" not in page
    assert "a title" in page
    for word in ("http://", "https://", "<script", "<link"):
        assert word not in page
    assert html(TABLE) == html(TABLE)
