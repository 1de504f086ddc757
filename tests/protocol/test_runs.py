"""The real client: login, a run with everything in it, and what `wandb.Api` says of it."""

import re
import urllib.request

import pytest

from tests.protocol.conftest import Lab, shown

RUN = """
import json, sys, wandb
run = wandb.init(project=sys.argv[1], id="full", name="named", group="g", job_type="t", tags=["a"], notes="note",
                 config={"lr": 0.5, "n": 1, "flag": True, "none": None, "b": {"kind": "linear", "ridge": 0.0}})
for step in range(30):
    run.log({"loss": 1 / (step + 1), "acc": step})
run.log({"odd": float("nan"), "table": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, None]])})
run.log({"image": wandb.Image(__import__("numpy").zeros((4, 4, 3), dtype="uint8")), "html": wandb.Html("<b>x</b>"),
         "histogram": wandb.Histogram([1, 2, 3])})
print("a line for the console")
run.summary["best"] = 0.25
run.finish()
"""
READ = """
import json, sys, wandb
api = wandb.Api()
run = api.run(f"local/{sys.argv[1]}/full")
rows = list(run.scan_history())
files = {file.name: file.size for file in run.files()}
table = run.file([name for name in files if name.endswith(".table.json")][0]).download("down", replace=True).read()
print("RESULT " + json.dumps({
    "state": run.state, "name": run.name, "group": run.group, "job": run.job_type, "tags": run.tags,
        "notes": run.notes,
    "config": run.config, "best": run.summary["best"], "acc": run.summary["acc"],
    "steps": [row["_step"] for row in rows], "losses": [row["loss"] for row in rows if "loss" in row],
    "odd": str(rows[30]["odd"]), "keys": [row["acc"] for row in run.scan_history(keys=["acc"], page_size=7)],
    "sampled": len(run.history(samples=10, pandas=False)), "some": run.history(keys=["loss"], pandas=False)[1],
    "system": isinstance(run.history(stream="system", pandas=False), list), "last": run.lastHistoryStep,
    "console": [line.content for line in run.console_logs()],
        "files": sorted(name.split("/")[0] for name in files),
    "table": json.loads(table)["data"], "made": [item.type for item in run.logged_artifacts()],
    "url": run.url, "meta": run.metadata["program"] if run.metadata else None,
}))
"""


def test_a_whole_run(lab: Lab) -> None:
    output = lab.python(RUN, "whole")
    run = shown(lab.python(READ, "whole"))
    assert (run["state"], run["name"], run["group"], run["job"]) == ("finished", "named", "g", "t")
    assert (run["tags"], run["notes"]) == (["a"], "note")
    assert run["config"] == {"lr": 0.5, "n": 1, "flag": True, "none": None, "b": {"kind": "linear", "ridge": 0}}
    assert (run["best"], run["acc"], run["last"]) == (0.25, 29, 31)
    assert run["steps"] == list(range(32))
    assert run["losses"] == pytest.approx([1 / (step + 1) for step in range(30)])
    assert run["odd"] == "nan"
    assert run["keys"] == list(range(30))
    assert (run["sampled"], run["some"]) == (10, {"_step": 1, "loss": 0.5})
    assert run["console"] == ["a line for the console"]
    assert {"config.yaml", "media", "wandb-summary.json", "output.log"} <= set(run["files"])
    assert run["table"] == [[1, "a"], [2, None]]
    assert run["made"] == ["run_table"]
    addresses = set(re.findall(r"http://127\.0\.0\.1:\d+/\S+", output)) | {run["url"]}
    assert len(addresses) >= 2
    for address in addresses:
        with urllib.request.urlopen(address, timeout=10) as reply:
            assert reply.status == 200


def test_login_with_the_key_and_with_a_wrong_one(lab: Lab) -> None:
    output = lab.wandb("login", "--host", lab.url, "--verify", lab.key)
    assert (
        "Currently logged in as" in output
        or "Logged in" in output
        or "Saved" in output
        or "verified" in output.lower()
    )
    refused = lab.python("import wandb; wandb.init(project='p')", check=False, WANDB_API_KEY="x" * 40)
    assert "401" in refused or "API key" in refused


CHANGE = """
import json, wandb
run = wandb.init(project="change", id="changed", config={"lr": 1})
run.log({"loss": 1})
run.finish()
api = wandb.Api()
old = api.run("local/change/changed")
old.summary.update({"late": [1, 2]})
old.config["added"] = {"k": 0.5}
old.tags.append("t")
old.name = "renamed"
old.update()
new = wandb.Api().run("local/change/changed")
print("RESULT " + json.dumps([new.summary["late"], new.summary["loss"], new.config, new.tags, new.name,
    new.state]))
"""


def test_changes_through_the_public_api(lab: Lab) -> None:
    config = {"lr": 1, "added": {"k": 0.5}}
    assert shown(lab.python(CHANGE)) == [[1, 2], 1, config, ["t"], "renamed", "finished"]


LIST = """
import json, wandb
for index in range(7):
    run = wandb.init(project="many", id=f"r{index}", config={"x": index % 3, "lr": index / 4, "on": index == 1},
                     tags=["even"] if index % 2 == 0 else None, group="a" if index < 3 else "b")
    run.log({"loss": -index})
    run.finish(exit_code=int(index == 6))
api = wandb.Api()
def ids(filters=None, order="+created_at", per_page=2, **more):
    runs = api.runs("local/many", filters=filters, order=order, per_page=per_page, **more)
    found = [run.id for run in runs]
    assert len(runs) == len(found)
    return found
print("RESULT " + json.dumps([
    ids(), ids(order="-created_at"), ids({"config.x": 1.0}), ids({"config.x.value": {"$gte": 1}},
        "-config.lr.value"),
    ids({"summary_metrics.loss": {"$lt": -4}}), ids({"state": "failed"}), ids({"tags": {"$in": ["even"]}}),
    ids({"$or": [{"config.on": True}, {"group": "a", "config.lr": 0}]}),
        ids({"display_name": {"$regex": "nothing"}}),
    ids(order="+summary_metrics.loss", per_page=50, lazy=False), ids({"$and": [{"group": {"$ne": "a"}},
        {"config.x": {"$in": [0, 2]}}]}),
    [p.name for p in api.projects("local") if p.name == "many"],
]))
"""


@pytest.mark.slow
def test_lists_filters_orders_and_pages(lab: Lab) -> None:
    every = [f"r{index}" for index in range(7)]
    assert shown(lab.python(LIST)) == [
        every, every[::-1], ["r1", "r4"], ["r5", "r4", "r2", "r1"], ["r5", "r6"], ["r6"], ["r0", "r2", "r4", "r6"],
        ["r0", "r1"], [], every[::-1], ["r3", "r5", "r6"], ["many"],
    ]  # fmt: skip


RESUME = """
import json, wandb
run = wandb.init(project="resume", id="again",
    config={"a": 1}); run.log({"x": 0}); run.log({"x": 1}); run.finish(1)
print("failed", wandb.Api().run("local/resume/again").state)
run = wandb.init(project="resume", id="again", resume="must"); assert run.resumed
run.log({"x": 2}); run.finish()
try:
    wandb.init(project="resume", id="gone", resume="must")
except wandb.errors.UsageError as error:
    print("refused")
old = wandb.Api().run("local/resume/again")
print("RESULT " + json.dumps([old.state, [[row["_step"], row["x"]] for row in old.scan_history()], old.config]))
"""


def test_resume(lab: Lab) -> None:
    output = lab.python(RESUME)
    assert "failed failed" in output
    assert "refused" in output
    assert shown(output) == ["finished", [[0, 0], [1, 1], [2, 2]], {"a": 1}]


SHARED = """
import json, os, subprocess, sys, wandb
own = wandb.Settings(x_label="main", x_primary=True)
OTHER = '''
import wandb
settings = wandb.Settings(x_label="other", x_primary=False, x_update_finish_state=False)
with wandb.init(project="shared", id="one", mode="shared", settings=settings) as run:
    run.log({"y": 2})
'''
with wandb.init(project="shared", id="one", mode="shared", settings=own) as run:
    run.log({"x": 1})
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    subprocess.run([sys.executable, "-c", OTHER], check=True, env=alone)
    run.log({"x": 3})
told = wandb.Api().run("local/shared/one")
rows = [{key: value for key, value in row.items() if key in ("x", "y")} for row in told.scan_history()]
print("RESULT " + json.dumps([told.state, sorted(map(str, rows)), told.summary.get("x"), told.summary.get("y")]))
"""


def test_several_processes_share_a_run(lab: Lab) -> None:
    assert shown(lab.python(SHARED)) == ["finished", ["{'x': 1}", "{'x': 3}", "{'y': 2}"], 3, 2]
