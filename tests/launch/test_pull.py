"""`sashiko pull`, and what `sashiko compare --figures` leaves in W&B, through the real client."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.lab import Lab

pytestmark = pytest.mark.slow

WRITER = """
import numpy as np, pandas as pd
from framework.config import Config
from framework.manager import Manager
from framework.report import Report
from framework.report.style import new_figure


class WriterConfig(Config):
    x: int = 0
    sizes: tuple[int, ...] = (1, 2)


class Writer(Manager[WriterConfig]):
    config = WriterConfig

    def run(self, config, run):
        rows = pd.DataFrame({"place": range(3), "value": [config.x + i / 10 for i in range(3)]})
        if config.x:
            rows = rows.assign(word=pd.Categorical(["a", "b", "a"]))
        run.log_table("small", rows)
        large = pd.DataFrame({"i": np.arange(25000, dtype="int32"), "f": np.float32(config.x)})
        run.log_table("large", large, apart=True)
        run.log_arrays("arrays", {"a": np.arange(config.x + 1)})
        folder = run.folder / "thing"
        folder.mkdir()
        (folder / "note.txt").write_text(str(config.x))
        run.log_artifact("thing", config, folder)

    def report(self, results):
        assert [int(a["a"][-1]) for _, a in sorted(results.tables.arrays("arrays"), key=str)]
        def figure():
            made = new_figure()
            made.subplots().plot([1, 2])
            return made
        return Report(results.tables["small"].groupby("place", as_index=False)["value"].mean(), {"line": figure})
"""
SWEEP = """
name: writer
project: pulled
method: grid
command: ["${env}", "python", "-m", "experiments", "writer"]
parameters: {x: {values: [0, 1]}}
"""
LOOK = """
import json, wandb
api = wandb.Api()
(run,) = api.runs("local/pulled", filters={"jobType": "report"})
print(json.dumps(dict(files=sorted(f.name.split("/")[-1].split("_")[0] for f in run.files() if "media" in f.name),
    keys=sorted(k for k in run.summary.keys() if not k.startswith("_")), state=run.state, tags=sorted(run.tags),
    at=run.summary["_timestamp"])))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("pull"))
    made.add_experiment("writer", "manager:Writer", {"manager.py": WRITER})
    (made.folder / "writer.yaml").write_text(SWEEP)
    done = made.sashiko("sweep", "writer.yaml", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    made.close()


def test_runs_and_small_tables_come_as_parquet_and_csv_and_large_ones_are_named(lab: Lab):
    done = lab.sashiko("pull", "writer.yaml", "--to", "all")
    assert done.returncode == 0, done.stderr
    folder = lab.folder / "all"
    assert sorted(path.name for path in folder.iterdir()) == [
        "runs.csv", "runs.parquet", "small.csv", "small.parquet",
    ]  # fmt: skip
    assert "small  all/small.parquet (6 rows)" in done.stdout
    assert "large  is large and was left there; fetch it with --table large" in done.stdout
    table, text = pd.read_parquet(folder / "small.parquet"), pd.read_csv(folder / "small.csv")
    assert list(table) == list(text) == ["run_id", "place", "value", "word"]
    assert sorted(table["value"]) == pytest.approx([0, 0.1, 0.2, 1, 1.1, 1.2])
    assert table.loc[table["value"] < 0.5, "word"].isna().all()
    assert table.loc[table["value"] > 0.5, "word"].tolist() == ["a", "b", "a"]
    runs = pd.read_parquet(folder / "runs.parquet")
    assert sorted(runs["x"]) == [0, 1]
    assert set(runs["sizes"]) == {"[1,2]"}
    assert set(runs["run_id"]) == set(table["run_id"])


def test_a_large_table_is_pulled_whole_when_it_is_named(lab: Lab):
    done = lab.sashiko("pull", "writer.yaml", "--to", "large", "--table", "large", "--format", "parquet")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(lab.folder / "large" / "large.parquet")
    assert len(table) == 50000
    np.testing.assert_array_equal(table["i"], [*range(25000)] * 2)
    assert set(table["f"]) == {0, 1}
    assert not (lab.folder / "large" / "large.csv").exists()


def test_artifacts_come_as_folders_by_name(lab: Lab):
    done = lab.sashiko("pull", "writer.yaml", "--to", "with", "--table", "small", "--artifact", "thing")
    assert done.returncode == 0, done.stderr
    notes = [path / "note.txt" for path in (lab.folder / "with" / "thing").iterdir()]
    assert sorted(note.read_text() for note in notes) == ["0", "1"]
    assert all((note.parent / "config.json").exists() for note in notes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "smal"], "table smal: is no table of this sweep; did you mean `small`?"),
        (
            ["--artifact", "ting"],
            "artifact ting: is no kind of artifact that these runs made or used; did you mean",
        ),
        (["--format", "xlsx"], "format: is 'xlsx'; known: csv, parquet"),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(lab: Lab, words: list[str], message: str):
    done = lab.sashiko("pull", "writer.yaml", "--to", "wrong", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_long_table_shows_ten_thousand_rows_in_wandb_and_tells_how_many_there_are(lab: Lab):
    done = lab.sashiko("pull", "writer.yaml", "--to", "rows", "--table", "small")
    assert done.returncode == 0, done.stderr
    runs = pd.read_csv(lab.folder / "rows" / "runs.csv")
    assert runs["large_rows"].tolist() == [25000, 25000]


def look(lab: Lab) -> dict[str, Any]:
    """The run that shows the report."""
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=lab.folder, capture_output=True, text=True, check=True, timeout=120,
        env=lab.environment | exports | {"WANDB_SILENT": "true"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_compare_draws_and_logs_what_changed_and_nothing_else(lab: Lab):
    def compare(told: str) -> dict[str, Any]:
        files = ["--csv", "drawn/table.csv", "--latex", "drawn/table.tex"]
        done = lab.sashiko("compare", "writer.yaml", "--figures", "drawn", *files)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in (lab.folder / "drawn").iterdir()) == [
            "line.png", "table.csv", "table.tex",
        ]  # fmt: skip
        assert f"figures drawn/*.png: {told}" in done.stdout
        assert re.search(r"report  http://127.0.0.1:\d+/local/pulled/runs/report-\w+", done.stdout)
        return look(lab)

    found = compare("1 drawn: line")
    assert found["state"] == "finished"
    assert found["keys"] == ["line", "table"]
    assert {"line", "table"} <= set(found["files"])
    assert found["tags"] == ["report", "writer"]
    assert compare("1 as they were: line") == found, "it was not logged again"
    (lab.folder / "drawn" / "line.png").unlink()
    assert compare("1 drawn: line") == found, "the same figure again"
    module = lab.folder / "experiments" / "writer" / "manager.py"
    module.write_text(module.read_text().replace("plot([1, 2])", "plot([2, 1])"))
    changed = compare("1 drawn: line")
    assert changed["at"] > found["at"]
    assert changed | {"at": 0, "files": 0} == found | {"at": 0, "files": 0}
    assert compare("1 as they were: line") == changed
