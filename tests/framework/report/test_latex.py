import re

import pandas as pd
import pytest

from framework.errors import InvalidInput
from framework.report.aggregate import aggregate
from framework.report.latex import escaped, latex

SCORES = pd.DataFrame(
    {
        "family": ["ot", "ot", "average", "average"],
        "accuracy": [0.9, 0.7, 0.5, 0.5],
        "loss": [1e-5, 3e-5, 2.0, 4.0],
    }
)
TABLE = aggregate(SCORES, ["family"], ["accuracy", "loss"])


def rows_of(text):
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(" \\\\"))] for line in body.splitlines()
    ]


def test_a_tabular_has_means_with_their_deviation_and_numbers_to_the_right():
    text = latex(TABLE)
    assert text.splitlines()[:4] == [
        r"\begin{tabular}{lrrr}", r"\toprule", r"family & accuracy & loss & n \\", r"\midrule",
    ]  # fmt: skip
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")
    assert rows_of(text) == [
        ["average", r"$0.5 \pm 0$", r"$3 \pm 1.4$", "$2$"],
        ["ot", r"$0.8 \pm 0.14$", r"$2 \times 10^{-5} \pm 1.4 \times 10^{-5}$", "$2$"],
    ]


def test_the_best_mean_of_a_column_is_bold_where_asked():
    text = latex(TABLE, {"accuracy": "higher", "loss": "lower"})
    assert rows_of(text)[1][1:3] == [
        r"$\mathbf{0.8} \pm 0.14$", r"$\mathbf{2 \times 10^{-5}} \pm 1.4 \times 10^{-5}$",
    ]  # fmt: skip
    assert r"\mathbf" not in latex(TABLE)
    ties = latex(pd.DataFrame({"x": [1.0, 1.0, 2.0]}), {"x": "lower"})
    assert [row[0] for row in rows_of(ties)] == [r"$\mathbf{1}$", r"$\mathbf{1}$", "$2$"]


def test_text_that_is_formatted_already_is_read_as_numbers():
    text = latex(pd.DataFrame({"pp": ["-50.72 ± 3.93", "0.00", "-", "inf"]}), {"pp": "higher"})
    assert r"{r}" in text
    assert [row[0] for row in rows_of(text)] == [r"$-50.72 \pm 3.93$", "$0.00$", "--", r"$\mathbf{\infty}$"]


def test_missing_numbers_are_dashes_and_columns_without_any_are_text():
    text = latex(pd.DataFrame({"x": [1.5, float("nan")], "y": ["", ""]}))
    assert text.startswith(r"\begin{tabular}{rl}")
    assert [row[0] for row in rows_of(text)] == ["$1.5$", "--"]
    assert latex(pd.DataFrame({"x": []})).startswith(r"\begin{tabular}{l}")


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("a_b & 5 % #1 $x {y}", r"a\_b \& 5 \% \#1 \$x \{y\}"),
        ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ("a → b, λ < 1", r"a $\to$ b, $\lambda$ $<$ 1"),
        ("two\nlines", "two lines"),
    ],
)
def test_text_is_escaped(raw, written):
    assert escaped(raw) == written
    assert written in latex(pd.DataFrame({raw: ["x"]}))
    assert rows_of(latex(pd.DataFrame({"x": [raw]})))[0][0] == written


def test_what_is_wrong_with_best_comes_together():
    with pytest.raises(InvalidInput) as caught:
        latex(TABLE, {"acc": "higher", "loss": "least"})
    message = str(caught.value)
    assert "best.acc: is no column; known: family, accuracy, loss, n" in message
    assert "best.loss: is 'least'; allowed: lower, higher" in message
