"""What a run sends."""

from types import SimpleNamespace

import pandas as pd
import pytest
import wandb

from framework.errors import ArtifactError
from framework.tracking import run as run_module
from framework.tracking.artifacts import _finite
from framework.tracking.journal import Journal
from framework.tracking.run import wandb_table


def test_words_beside_numbers_are_a_column_of_words():
    """W&B's columns have one type, and refuse another in any row."""
    frame = pd.DataFrame(
        {"stopped": [True, False, "-"], "size": [16, None, "-"], "score": [0.5, float("nan"), 1.0]}, dtype=object
    )
    table = wandb_table(frame)
    assert [row[:2] for row in table.data] == [["True", "16"], ["False", None], ["-", "-"]]
    assert [row[2] for row in table.data[::2]] == [0.5, 1.0]


class Wandb:
    """A client whose tracker is away when the first table is logged."""

    def __init__(self):
        self.logged, self.summary, self.failures = [], {}, 1

    def log(self, row):
        if self.failures:
            self.failures -= 1
            raise wandb.errors.AuthenticationError("Failed to verify credentials: service process is busy")
        self.logged.append(row)


def test_a_table_waits_for_a_tracker_that_is_away(tmp_path, monkeypatch):
    waited = []
    tracker = SimpleNamespace(check=lambda: waited.append(True))
    monkeypatch.setattr(run_module.artifacts, "current_tracker", lambda: tracker)
    run = object.__new__(run_module.Run)
    run._journal, run._wandb, run._online, run.folder, run._apart = Journal(None), Wandb(), True, tmp_path, []
    run._table("scores", pd.DataFrame({"x": [1, 2]}), apart=False)
    assert waited == [True]
    assert len(run._wandb.logged) == 1
    assert (tmp_path / "results" / "scores.parquet").exists()


def test_a_table_that_the_tracker_refuses_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module.artifacts, "current_tracker", lambda: SimpleNamespace(check=lambda: None))
    run = object.__new__(run_module.Run)
    run._journal, run._wandb, run._online, run.folder, run._apart = Journal(None), Wandb(), True, tmp_path, []
    run._wandb.failures = 9
    with pytest.raises(ArtifactError, match="Failed to verify"):
        run._table("scores", pd.DataFrame({"x": [1, 2]}), apart=False)


def test_numbers_that_json_has_not_are_words():
    assert _finite({"a": float("inf"), "b": float("nan"), "c": 1.5, "d": "x"}) == {
        "a": "inf", "b": "nan", "c": 1.5, "d": "x",
    }  # fmt: skip
