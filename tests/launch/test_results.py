"""`sashiko compare`, `pull` and `query` of what scripts logged that know nothing of this framework."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.lab import Lab

pytestmark = pytest.mark.slow

SCRIPT = """
import wandb
settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off")
with wandb.init(settings=settings) as run:
    c = run.config
    for step in range(4):
        run.log({"loss": c.lr / (step + 1) + c.seed / 100})
    run.summary["score"] = 10 * c.lr + c.seed
    run.log({"confusion": wandb.Table(columns=["true", "count"], data=[[0, c.seed], [1, 7]])})
    if c.seed == 2 and c.lr == 0.5:
        run.finish(exit_code=1)
"""
SWEEP = """
name: plain
project: scripts
method: grid
program: train.py
metric: {name: score, goal: minimize}
parameters:
  lr: {values: [0.1, 0.5]}
  seed: {values: [0, 1, 2]}
  net: {parameters: {act: {value: relu}}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("results"))
    (made.folder / "train.py").write_text(SCRIPT)
    (made.folder / "plain.yaml").write_text(SWEEP)
    server = made.start("launch.cli", "serve", "--port", "0")
    assert server.stdout is not None
    server.stdout.readline()
    yield made
    made.close()
    server.wait(30)
    server.stdout.close()
    if server.stderr is not None:
        server.stderr.close()


@pytest.fixture(scope="module")
def sweep(lab: Lab) -> str:
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
    made = lab.call("wandb", "sweep", "plain.yaml", **exports)
    path = re.findall(r"wandb agent (local/scripts/\w+)", made.stderr + made.stdout)[0]
    done = lab.call("wandb", "agent", path, **exports)
    assert done.returncode == 0, done.stderr
    return str(path)


def said(lab: Lab, *words: str, code: int = 0) -> str:
    done = lab.sashiko(*words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def answer(lab: Lab, *words: str, code: int = 0) -> Any:
    done = lab.sashiko(*words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_any_sweep_is_compared_by_what_varies(lab: Lab, sweep: str) -> None:
    told = answer(lab, "compare", sweep)
    assert (told["by"], told["metrics"][0], told["runs"]) == (["lr"], "score", 5)
    assert [(row["lr"], row["score_mean"], row["score_n"]) for row in told["rows"]] == [
        (0.1, 2.0, 3),
        (0.5, 5.5, 2),
    ]
    assert told["rows"][1]["score_std"] == pytest.approx(0.5**0.5)
    assert told["notes"][0].startswith("not among them: 1 failed")
    text = said(lab, "compare", sweep, "--sort", "-score", "--metric", "score")
    assert [line.split()[:4] for line in text.splitlines()[1:4]] == [
        ["lr", "n", "score", "score"], ["0.5", "2", "5.5", "±"], ["0.1", "3", "2", "±"],
    ]  # fmt: skip


def test_files_of_a_comparison(lab: Lab, sweep: str, tmp_path: Path) -> None:
    words = [f"--{kind}={tmp_path / f'out.{kind}'}" for kind in ("csv", "parquet", "latex", "markdown", "html")]
    told = answer(lab, "compare", sweep, *words)
    assert sorted(told["files"]) == sorted(word.split("=")[1] for word in words)
    table = pd.read_csv(tmp_path / "out.csv")
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "out.parquet"))
    assert "toprule" in (tmp_path / "out.latex").read_text()
    assert (tmp_path / "out.markdown").read_text().startswith("|  lr |")
    assert "<table" in (tmp_path / "out.html").read_text()


def test_a_project_and_conditions(lab: Lab, sweep: str) -> None:
    told = answer(lab, "compare", "--project", "scripts", "--where", "seed<1", "--by", "net.act")
    assert (told["path"], told["runs"], len(told["rows"])) == ("local/scripts", 2, 1)
    assert answer(lab, "compare", sweep, "--where", "state=failed")["runs"] == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--project", "nothing"), 3, "there is no project local/nothing"),
        ((), 2, "give a sweep, or --project"),
        (("local/scripts/nothing",), 3, "has no sweep local/scripts/nothing"),
        (("--project", "scripts", "--by", "lrr", "--where", "x"), 2, "2 problems"),
        (("--project", "scripts", "--where", "lr>9"), 3, "no run of local/scripts is left by the conditions"),
        (("--project", "scripts", "--figures", "f"), 2, "are drawn by an experiment's own comparison"),
    ],
)
def test_what_cannot_be_compared_is_said(
    lab: Lab, sweep: str, words: tuple[str, ...], code: int, message: str
) -> None:
    assert message in said(lab, "compare", *words, code=code)
    assert message.split(maxsplit=1)[0] in answer(lab, "compare", *words, code=code)["error"]["message"]


def test_a_project_is_pulled_whole(lab: Lab, sweep: str, tmp_path: Path) -> None:
    told = answer(lab, "pull", "--project", "scripts", "--to", str(tmp_path), "--history")
    assert {(file["what"], file["size"]) for file in told["files"]} == {
        ("runs", 6),
        ("history", 30),
        ("confusion", 12),
    }
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    rows = pd.read_csv(tmp_path / "history.csv")
    assert set(rows["run_id"]) == set(runs["run_id"])
    last = rows.dropna(subset=["loss"]).groupby("run_id")["loss"].last()
    assert last.to_dict() == pytest.approx(runs.set_index("run_id")["loss"].to_dict())
    assert pd.read_parquet(tmp_path / "confusion.parquet").groupby("true")["count"].sum().to_dict() == {
        0: 6,
        1: 42,
    }


def test_sql(lab: Lab, sweep: str, tmp_path: Path) -> None:
    question = (
        'WITH few AS (SELECT * FROM confusion WHERE "true" = 0) SELECT lr, sum(count) AS c, max(score) AS s'
        " FROM few JOIN runs USING (run_id) GROUP BY lr ORDER BY lr"
    )
    told = answer(lab, "query", question, "--sweep", sweep, "--csv", str(tmp_path / "a.csv"))
    assert told["rows"] == [{"lr": 0.1, "c": 3, "s": 3.0}, {"lr": 0.5, "c": 3, "s": 7.0}]
    assert pd.read_csv(tmp_path / "a.csv")["c"].tolist() == [3, 3]
    count = answer(
        lab, "query", "SELECT count(*) AS n FROM history WHERE loss IS NOT NULL", "--project", "scripts"
    )
    assert count["rows"] == [{"n": 24}]
    assert "confusion: run_id, true, count" in said(lab, "query", "-", "--project", "scripts")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("DROP TABLE runs", "is not one SELECT"),
        ("SELECT 1; SELECT 2", "is not one SELECT"),
        ("COPY runs TO '/tmp/never.csv'", "is not one SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Cannot access file"),
        ("SELECT * FROM '/etc/passwd'", "is none of these runs"),
        ("SELECT lose FROM runs", '"loss"'),
        ("SELECT * FROM confussion", "they have runs, history, confusion"),
        ("SELEC", "syntax error"),
        ("", "is not one SELECT"),
    ],
)
def test_only_questions_are_answered(lab: Lab, sweep: str, question: str, message: str) -> None:
    assert message in said(lab, "query", question, "--project", "scripts", code=2)
