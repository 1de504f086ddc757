"""What `sashiko compare` prints and writes of a report; the command with its tracker is run in `test_pull.py`."""

from pathlib import Path

import pandas as pd
import pytest

from framework.report import Report
from framework.report.drawing import Drawn
from framework.report.report import Answer
from launch.compare import print_report, told
from launch.written import Files, write


@pytest.fixture
def report() -> Report:
    table = pd.DataFrame({"family": ["a_b"], "accuracy_mean": [0.5], "accuracy_std": [0.25], "n": [2]})
    return Report(table, more={"layers": pd.DataFrame({"cost": [1.5]})})


def written(report: Report, files: Files) -> list[str]:
    return write(report.table, report.readable(), files, report.more)


def test_further_tables_are_written_beside_the_file_and_named(report, tmp_path, capsys):
    files = Files(csv=tmp_path / "new" / "out.csv", latex=tmp_path / "tex" / "paper.tex")
    written(report, files)
    assert pd.read_csv(tmp_path / "new" / "out.csv").equals(report.table)
    assert pd.read_csv(tmp_path / "new" / "out_layers.csv")["cost"].tolist() == [1.5]
    assert r"a\_b & $0.5 \pm 0.25$ & $2$ \\" in (tmp_path / "tex" / "paper.tex").read_text()
    assert "$1.5$" in (tmp_path / "tex" / "paper_layers.tex").read_text()
    said = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[-1] for line in said] == [
        "out.csv", "out_layers.csv", "paper.tex", "paper_layers.tex",
    ]  # fmt: skip


def test_nothing_is_written_that_was_not_asked_for(report, tmp_path, capsys):
    written(report, Files())
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_latex_is_that_of_the_brief_table(report, tmp_path):
    brief = Report(report.table, brief=lambda: pd.DataFrame({"short": ["0.50 ± 0.25"]}))
    written(brief, Files(latex=tmp_path / "paper.tex"))
    assert r"$0.50 \pm 0.25$" in (tmp_path / "paper.tex").read_text()


def answered() -> Report:
    table = pd.DataFrame({"x": range(30), "score_mean": [0.5] * 30, "score_std": [0.1] * 30, "n": [3] * 30})
    short = Answer(
        pd.DataFrame({"best": ["a"], "score": ["0.5 ± 0.1"]}), ["score: higher is better", "best of 30"]
    )
    return Report(table, more={"layers": table}, notes=["a note"], answer=lambda: short)


def test_the_answer_stands_for_the_table_unless_the_whole_is_asked_for(capsys):
    print_report(answered(), full=False)
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said[:2]] == [["best", "score"], ["a", "0.5", "±", "0.1"]]
    assert said[2:4] == ["score: higher is better", "best of 30"]
    assert "note    a note" in said
    print_report(answered(), full=True)
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["x", "score", "n"]
    assert len([line for line in said if "±" in line]) == 30
    assert "higher is better" not in "\n".join(said)


def test_a_report_without_an_answer_is_printed_whole(report, capsys):
    print_report(report, full=False)
    plain = capsys.readouterr().out
    print_report(report, full=True)
    assert capsys.readouterr().out == plain
    assert "a_b" in plain


def figure(name: str, new: bool) -> Drawn:
    return Drawn(name, Path("results") / f"{name}.png", "digest", new)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([], "figures results/*.png: none"),
        ([figure("a", True)], "figures results/*.png: 1 drawn: a"),
        ([figure("a", False), figure("b", False)], "figures results/*.png: 2 as they were: a, b"),
        ([figure("a", False), figure("b", True)], "figures results/*.png: 1 drawn, 1 as they were: b"),
    ],
)
def test_which_figures_were_drawn_is_told(drawn, expected):
    assert told(drawn, Path("results")) == expected


def test_many_figures_are_told_in_lines_of_eighty():
    lines = told([figure("f" * 30, True)] * 9, Path("results")).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("        f") for line in lines[1:])
