"""`wandb.Api`: every filter and order that its documentation names, long lists, deletion."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from launch.server.storage import open_store
from tests.protocol.conftest import Lab, LabFor, Server, shown

pytestmark = pytest.mark.slow

MANY = 10_050
DAY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with eight runs of all kinds, named 0 to 7, and with a project of 10,050.

    The old client sends a request of its own for each run, so it pages through the last thousand only.
    """
    folder = tmp_path_factory.mktemp("filled") / "state"
    running = Server(folder).start()
    running.end()
    store = open_store(folder / "server.db")
    with store.write() as tables:
        project = tables.projects.make("eight")[0]["id"]
        for index in range(8):
            config: dict[str, Any] = {"x": index % 3, "lr": index / 4, "on": index == 1, "model": {"depth": index}}
            config |= {"extra": "x"} if index == 2 else {}
            created = DAY + index * 24 * 3600
            key = tables.runs.add(
                project, str(index), display_name=f"swift-{index}", started=1,
                state="failed" if index == 6 else "finished", tags=json.dumps(["even"] if index % 2 == 0 else []),
                group_name="a" if index < 3 else "b", job_type="train" if index < 5 else "eval",
                host=f"h{index % 2}",
                config=json.dumps({key: {"value": value} for key, value in config.items()}),
                summary=json.dumps({"loss": -index, "val/acc": index}),
            )  # fmt: skip
            times = (created, created + 60 * (8 - index), key)
            tables.runs._db.execute("UPDATE runs SET created_at = ?, heartbeat_at = ? WHERE id = ?", times)
        project = tables.projects.make("many")[0]["id"]
        for index in range(MANY):
            text = json.dumps({"x": {"value": index}})
            tables.runs.add(project, f"r{index}", display_name=f"r{index}", state="finished", config=text)
    store.close()
    running.start()
    yield running
    running.end()


FILTERS = [
    ({}, "01234567"),
    ({"config.x": 1.0}, "147"),
    ({"config.x": {"$eq": 1}}, "147"),
    ({"config.x.value": {"$ne": 1}}, "02356"),
    ({"config.lr": {"$gt": 1}}, "567"),
    ({"config.lr.value": {"$gte": 1}}, "4567"),
    ({"config.lr": {"$lt": 0.5}}, "01"),
    ({"config.lr": {"$lte": 0.5}}, "012"),
    ({"config.lr": {"$gte": 0.5, "$lt": 1}}, "23"),
    ({"config.x": {"$in": [0, 2]}}, "02356"),
    ({"config.x": {"$nin": [0, 2]}}, "147"),
    ({"config.model.depth": {"$in": [3, 4]}}, "34"),
    ({"config.on": True}, "1"),
    ({"config.extra": {"$exists": False}}, "0134567"),
    ({"config.lr": {"$exists": True}}, "01234567"),
    ({"config.lr": {"$not": {"$gt": 1}}}, "01234"),
    ({"summary_metrics.loss": {"$lt": -4}}, "567"),
    ({"summary_metrics.val/acc": 3}, "3"),
    ({"display_name": {"$regex": "^swift-[2-4]$"}}, "234"),
    ({"displayName": "swift-5"}, "5"),
    ({"name": {"$in": ["2", "7"]}}, "27"),
    ({"state": "failed"}, "6"),
    ({"state": {"$ne": "failed"}}, "0123457"),
    ({"group": "a"}, "012"),
    ({"jobType": "eval"}, "567"),
    ({"host": "h1"}, "1357"),
    ({"username": "local"}, "01234567"),
    ({"username": "nobody"}, ""),
    ({"tags": "even"}, "0246"),
    ({"tags": {"$in": ["even", "odd"]}}, "0246"),
    ({"tags": {"$nin": ["even"]}}, "1357"),
    ({"createdAt": {"$gt": "2026-01-05"}}, "567"),
    ({"created_at": {"$lte": "2026-01-02T00:00:00Z"}}, "01"),
    ({"heartbeat_at": {"$lt": "2026-01-02"}}, "0"),
    ({"duration": {"$gt": 300}}, "012"),
    ({"$and": [{"group": {"$ne": "a"}}, {"config.x": {"$in": [0, 2]}}]}, "356"),
    ({"$or": [{"config.on": True}, {"group": "a", "config.lr": 0}]}, "01"),
    ({"$nor": [{"group": "a"}, {"jobType": "eval"}]}, "34"),
    ({"$and": [{"$or": [{"config.x": 0}, {"config.x": 1}]}, {"$nor": [{"tags": "even"}]}]}, "137"),
]
ORDERS = {
    "+created_at": "01234567", "-created_at": "76543210", "created_at": "01234567", "-heartbeat_at": "76543210",
    "-config.lr.value": "76543210", "+config.x.value": "03614725", "+summary_metrics.loss": "76543210",
    "-summary_metrics.val/acc": "76543210",
}  # fmt: skip
LIST = """
filters, orders = json.loads(sys.argv[1])
api = wandb.Api()
def names(filters=None, order="+created_at", per_page=50, **more):
    runs = api.runs("local/eight", filters=filters, order=order, per_page=per_page, **more)
    found = [run.id for run in runs]
    assert len(runs) == len(found)
    return "".join(found)
told = [[names(item) for item in filters], [names(order=item, per_page=3) for item in orders]]
whole = api.runs("local/eight", filters={"state": "failed"}, lazy=False)[0]
told.append([whole.config["model"], whole.summary["loss"], whole.state])
told.append(sorted(project.name for project in api.projects("local")))
first = 10 if NEWEST else 9_000
many = api.runs("local/many", per_page=1000, filters={"config.x": {"$gte": first}}, order="-config.x.value")
found = [int(run.id[1:]) for run in many]
told.append([len(api.runs("local/many")), found == list(range(10_049, first - 1, -1))])
try:
    list(api.runs("local/eight", filters={"config.x": {"$near": 1}}))
except Exception as error:
    told.append(str(error))
tell(told)
"""


def test_filters_orders_and_long_lists(filled: Server, lab_for: LabFor) -> None:
    lab = lab_for(filled)
    wanted = json.dumps([[asked for asked, _ in FILTERS], list(ORDERS)])
    found, ordered, whole, projects, many, refusal = shown(lab.python(LIST, wanted))
    assert dict(zip(map(str, FILTERS), found, strict=True)) == {str(pair): pair[1] for pair in FILTERS}
    assert dict(zip(ORDERS, ordered, strict=True)) == ORDERS
    assert whole == [{"depth": 6}, -6, "failed"]
    assert projects == ["eight", "many"]
    assert many == [MANY, True]
    assert ("$near" if lab.client.is_newest else "400 Client Error") in refusal


DELETE = """
def make(name):
    with wandb.init(id=name) as run:
        run.log({"x": 1})
        run.log_artifact(wandb.Artifact(f"of-{name}", "data", metadata={"by": name}))
for name in ("kept", "alone", "whole"):
    make(name)
with wandb.init(id="failed") as run:
    run.log({"x": 1})
    run.finish(exit_code=1)
api = wandb.Api()
api.run(f"{path}/alone").delete()
api.run(f"{path}/whole").delete(delete_artifacts=True)
told = [sorted(run.id for run in wandb.Api().runs(path))]
told.append([wandb.Api().artifact_exists(f"{path}/of-{name}:v0") for name in ("kept", "alone", "whole")])
try:
    wandb.Api().run(f"{path}/alone")
except (ValueError, wandb.errors.CommError) as error:
    told.append("gone")
try:
    make("alone")
except wandb.errors.CommError as error:
    told.append("was deleted" in str(error))
if NEWEST:
    told.append(api.run(f"{path}/failed").update_state("pending"))
    told.append(wandb.Api().run(f"{path}/failed").state)
tell(told)
"""


def test_deleted_runs_are_gone_and_their_ids_are_not_given_again(lab: Lab) -> None:
    """As `wandb.init` documents it: an id cannot be reused once a run is deleted."""
    told = shown(lab.python(DELETE))
    assert told[:4] == [["failed", "kept"], [True, True, False], "gone", True]
    assert told[4:] == ([True, "pending"] if lab.client.is_newest else [])
