"""What `sashiko compare` writes of a report; the command with its tracker is run in `test_pull.py`."""

import pandas as pd
import pytest

from framework.report import Report
from launch.compare import write_tables


@pytest.fixture
def report() -> Report:
    table = pd.DataFrame({"family": ["a_b"], "accuracy_mean": [0.5], "accuracy_std": [0.25], "n": [2]})
    return Report(table, more={"layers": pd.DataFrame({"cost": [1.5]})})


def test_further_tables_are_written_beside_the_file_and_named(report, tmp_path, capsys):
    write_tables(report, tmp_path / "new" / "out.csv", tmp_path / "tex" / "paper.tex")
    assert pd.read_csv(tmp_path / "new" / "out.csv").equals(report.table)
    assert pd.read_csv(tmp_path / "new" / "out_layers.csv")["cost"].tolist() == [1.5]
    assert r"a\_b & $0.5 \pm 0.25$ & $2$ \\" in (tmp_path / "tex" / "paper.tex").read_text()
    assert "$1.5$" in (tmp_path / "tex" / "paper_layers.tex").read_text()
    said = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[-1] for line in said] == [
        "out.csv", "out_layers.csv", "paper.tex", "paper_layers.tex",
    ]  # fmt: skip


def test_nothing_is_written_that_was_not_asked_for(report, tmp_path, capsys):
    write_tables(report, None, None)
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_latex_is_that_of_the_brief_table(report, tmp_path):
    brief = Report(report.table, brief=lambda: pd.DataFrame({"short": ["0.50 ± 0.25"]}))
    write_tables(brief, None, tmp_path / "paper.tex")
    assert r"$0.50 \pm 0.25$" in (tmp_path / "paper.tex").read_text()
