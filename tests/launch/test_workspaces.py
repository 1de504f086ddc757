"""A sweep's charts saved at a W&B server, by W&B's own library; and what is said where that cannot be."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from framework.errors import ConfigError
from framework.tracking.frames import RunsFrame
from framework.tracking.tracker import Tracker
from launch import workspaces
from tests.cloud import serving
from tests.lab import Lab
from tests.launch.test_results import SCRIPT, SWEEP
from tests.protocol.conftest import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.make(tmp_path_factory.mktemp("workspaces"))
    (lab.folder / "train.py").write_text(SCRIPT)
    (lab.folder / "plain.yaml").write_text(SWEEP)
    with serving(lab, SASHIKO_CLOUD_VIEWS="1"):
        yield lab


def worked(lab: Lab) -> str:
    """The path of a sweep that the real client's agent has worked."""
    made = lab.call("wandb", "sweep", "plain.yaml", WANDB_SILENT="false")
    (path,) = re.findall(r"wandb agent (local/scripts/\w+)", made.stderr + made.stdout)
    done = lab.call("wandb", "agent", path)
    assert done.returncode == 0, done.stderr
    return str(path)


def test_a_workspace_and_a_report_are_saved_with_the_charts_of_the_sweep(cloud: Lab, tmp_path: Path):
    sweep = worked(cloud)
    done = cloud.sashiko("report", sweep, "--workspace", "--html", str(tmp_path / "r.html"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["saved"]
    assert "/local/scripts" in told["workspace"]
    assert "/local/scripts/reports/" in told["report"]
    saved = [json.loads(line) for line in (cloud.folder / ".sashiko" / "views").read_text().splitlines()]
    assert [view["type"] for view in saved] == ["project-view", "runs"]
    assert {view["displayName"] for view in saved} == {"plain"}
    space, report = (json.loads(view["spec"]) for view in saved)
    (section,) = [part for part in space["section"]["panelBankConfig"]["sections"] if part["name"] == "plain"]
    kinds = [panel["viewType"] for panel in section["panels"]]
    assert kinds == [
        "Parallel Coordinates Plot",
        "Parameter Importance",
        "Scatter Plot",
        "Run History Line Plot",
        "Run Comparer",
    ]
    assert section["panels"][2]["config"]["xAxis"] == "config:lr.value"
    axes = [column["accessor"] for column in section["panels"][0]["config"]["columns"]]
    assert axes == ["config:lr.value", "config:seed.value", "summary:score"]
    assert section["panels"][1]["config"]["targetKey"] == "score"
    (runset,) = space["section"]["runSets"]
    assert runset["filters"]["filters"][0]["value"] == [sweep.rsplit("/", 1)[1]]
    assert json.dumps(report).count("Parallel Coordinates Plot") == 1


def test_on_the_own_server_it_is_said_that_its_page_has_them(tmp_path: Path):
    server = Server(tmp_path).start()
    try:
        with pytest.raises(ConfigError, match="whose page of a sweep has these charts"):
            workspaces.check(Tracker(server.info.url, server.info.key))
    finally:
        server.end()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspaces, "offered", lambda tracker: False)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(ConfigError, match=r"sashiko\[workspaces\]"):
        workspaces.check(Tracker("http://127.0.0.1:9", "k"))


def frame(**columns: Any) -> RunsFrame:
    made = pd.DataFrame(columns)
    return RunsFrame(made, fields=tuple(made), metrics=())


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")  # W&B's library warns on import
def test_what_cannot_be_drawn_is_left_out():
    kinds = [type(panel).__name__ for panel in workspaces.charts(frame(net=["a", "b"], flag=[True, False]), "acc")]
    assert kinds == ["ParallelCoordinatesPlot", "ParameterImportancePlot", "LinePlot", "RunComparer"]
    assert [type(panel).__name__ for panel in workspaces.charts(frame(lr=[0.1, 0.2]), None)] == [
        "ParallelCoordinatesPlot", "RunComparer",
    ]  # fmt: skip
