"""`sashiko compare`, `pull` and `query` of what scripts logged that know nothing of this framework."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from launch.printing import BROWSERS
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


def test_a_report_of_any_sweep(lab: Lab, sweep: str, tmp_path: Path) -> None:
    told = answer(lab, "report", sweep, "--html", str(tmp_path / "deep" / "r.html"))
    assert (told["runs"], told["figures"], told["pdf"]) == (5, 1, None)
    text = (tmp_path / "deep" / "r.html").read_text()
    for word in ("<h1>plain</h1>", "5 finished, 1 failed", "What score depends on", "relu", "0.1, 0.5"):
        assert word in text, word
    said(lab, "report", "--project", "scripts")
    assert "<h1>scripts</h1>" in (lab.folder / "results" / "scripts.html").read_text()


def test_a_report_is_printed_by_a_browser(lab: Lab, sweep: str, tmp_path: Path) -> None:
    if not any(shutil.which(name) for name in BROWSERS):
        pytest.skip("no browser is installed: apt-get install chromium")
    answer(lab, "report", sweep, "--html", str(tmp_path / "r.html"), "--pdf", str(tmp_path / "r.pdf"))
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")


def test_without_a_browser_it_is_said_before_anything_is_written(lab: Lab, sweep: str, tmp_path: Path) -> None:
    done = lab.sashiko("report", sweep, "--html", str(tmp_path / "r.html"), "--pdf", "r.pdf", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "--pdf: is printed by a browser" in done.stderr
    assert not list(tmp_path.iterdir())


ODD = """
import wandb
settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off")
with wandb.init(project="odd", settings=settings, config={"lr": 0.1}) as run:
    for step in range(4):
        run.log({"loss": float("nan") if step == 2 else step, **({"rare": step} if step == 3 else {})})
    table = lambda *rows: wandb.Table(columns=["a"], data=[[row] for row in rows])
    run.log({"train/conf": table(1, 2), "val/conf": table(3), "runs": table(9), "odd name": table(4)})
"""
ANSWER = "import sys; from framework.tracking import results; print(eval(sys.argv[1], vars(results)))"


@pytest.fixture(scope="module")
def odd(lab: Lab) -> str:
    """A project whose tables are called alike, or like what there is anyway; a row with NaN."""
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
    (lab.folder / "odd.py").write_text(ODD)
    done = lab.call("odd", **exports)
    assert done.returncode == 0, done.stderr
    return "local/odd"


def rows(lab: Lab, project: str, sql: str) -> list[dict[str, Any]]:
    return list(answer(lab, "query", sql, "--project", project)["rows"])


def test_tables_are_told_apart_by_their_whole_key(lab: Lab, odd: str, tmp_path: Path) -> None:
    assert [row["a"] for row in rows(lab, odd, 'SELECT a FROM "train/conf" ORDER BY a')] == [1, 2]
    assert rows(lab, odd, 'SELECT a FROM "val/conf"') == [{"a": 3}]
    assert rows(lab, odd, 'SELECT a FROM "table.runs"') == [{"a": 9}]
    assert rows(lab, odd, "SELECT count(*) AS n FROM RUNS WHERE created_at > '2026-01-01'") == [{"n": 1}]
    told = answer(lab, "pull", "--project", odd, "--to", str(tmp_path / "to"), "--format", "csv")
    assert told["path"] == odd
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.csv"))
    assert files == [f"to/{name}.csv" for name in ("odd name", "runs", "table.runs", "train_conf", "val_conf")]
    assert "lr" in pd.read_csv(tmp_path / "to" / "runs.csv")
    assert pd.read_csv(tmp_path / "to" / "train_conf.csv")["a"].tolist() == [1, 2]


def test_a_list_is_an_answer(lab: Lab, odd: str) -> None:
    assert rows(lab, odd, "SELECT [1, 2] AS pair, list(lr) AS rates FROM runs") == [
        {"pair": [1, 2], "rates": [0.1]}
    ]
    assert "[1 2]" in said(lab, "query", "SELECT [1, 2] AS pair", "--project", odd).replace(",", "")


def test_rows_that_logged_nan_are_rows(lab: Lab, odd: str) -> None:
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
    words = [sys.executable, "-c", ANSWER]
    for asked, expected in (("['loss']", "4"), ("['rare']", "1"), ("['loss', 'rare']", "4"), ("()", "5")):
        text = f"len(history({odd!r}, {asked}))"
        done = subprocess.run(
            [*words, text], env={**lab.environment, **exports}, cwd=lab.folder, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected, asked


def test_a_damaged_mirror_is_fetched_anew(lab: Lab, odd: str) -> None:
    asked = "SELECT count(*) AS n FROM history"
    before = rows(lab, odd, asked)
    parts = [path for path in lab.folder.rglob("*.parquet") if "mirrors" in path.parts]
    assert parts
    for path in parts:
        path.write_bytes(path.read_bytes()[:40])
    assert rows(lab, odd, asked) == before
    assert rows(lab, odd, 'SELECT a FROM "val/conf"') == [{"a": 3}]


def test_without_a_place_for_the_mirror_it_goes_on(lab: Lab, odd: str) -> None:
    done = lab.sashiko("query", "SELECT count(*) AS n FROM history", "--project", odd, SASHIKO_CACHE="/proc/nope")
    assert done.returncode == 0, done.stderr
    assert "is not kept" in done.stderr


def test_a_project_without_runs_has_none(lab: Lab, odd: str) -> None:
    """`bare` is made by a sweep that nobody has worked."""
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
    (lab.folder / "bare.yaml").write_text(SWEEP.replace("project: scripts", "project: bare"))
    assert lab.call("wandb", "sweep", "bare.yaml", **exports).returncode == 0
    assert rows(lab, "bare", "SELECT count(*) AS n FROM runs") == [{"n": 0}]
