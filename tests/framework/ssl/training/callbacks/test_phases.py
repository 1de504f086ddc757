"""Phases add up to what the epochs took, and views are one of them."""

import time

import pytest

from framework.ssl.distortions.distorter import Distorter
from tests.framework.ssl.training.conftest import config_of, trained

SLEEP = 0.01


def test_views_are_no_part_of_the_forward_pass(tmp_path, monkeypatch):
    real = Distorter.forward

    def slow(*arguments):
        time.sleep(SLEEP)
        return real(*arguments)

    monkeypatch.setattr(Distorter, "forward", slow)
    run = trained(tmp_path / "run", config_of(max_epochs=2))
    minutes = run.tables["timing"].set_index("phase")["minutes"]
    assert minutes["transform"] * 60 >= 10 * SLEEP
    assert (minutes >= 0).all()
    assert minutes["total"] == pytest.approx(minutes.drop("total").sum())
    assert minutes["total"] * 60 == pytest.approx(sum(row["time/epoch_s"] for row in run.rows), rel=0.2)
    assert run.summary["time/transform_min"] == minutes["transform"]
    assert run.summary["memory/peak_mb"] > 0
