"""A run with everything in it, what `wandb.Api` says of it, changes from outside, logins."""

import re
import urllib.request

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, newest_only, shown

pytestmark = pytest.mark.slow

RUN = """
import numpy, plotly.graph_objects, wave
with wave.open("tone.wav", "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
    file.writeframes(bytes(1600))
measured = wandb.Settings(x_disable_stats=False, x_stats_sampling_interval=0.1)
run = wandb.init(id="full", name="named", group="g", job_type="t", tags=["a"], notes="note", settings=measured,
                 config={"lr": 0.5, "n": 1, "flag": True, "none": None, "b": {"kind": "linear", "ridge": 0.0}})
run.define_metric("loss", summary="min")
run.define_metric("val/*", step_metric="epoch")
run.define_metric("hidden", summary="none")
for step in range(30):
    run.log({"loss": abs(step - 20), "acc": step, "epoch": step // 10, "val/x": step, "hidden": step})
run.log({"odd": float("nan"), "table": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, None]])})
run.log({"image": wandb.Image(numpy.zeros((4, 4, 3), dtype="uint8"), caption="dark"),
         "html": wandb.Html("<b>x</b>"), "histogram": wandb.Histogram([1, 2, 3]),
         "audio": wandb.Audio("tone.wav", caption="silence"),
         "figure": wandb.Plotly(plotly.graph_objects.Figure(plotly.graph_objects.Scatter(y=[1, 2])))})
print("a line for the console")
run.alert("title", "text of the alert")
run.config.update({"late": True})
run.config.update({"lr": 0.25}, allow_val_change=True)
run.summary["best"] = 0.25
run.tags += ("b",)
run.notes = "another note"
run.name = "renamed"
time.sleep(0.5)
run.finish()
"""
READ = """
import pathlib
run = wandb.Api().run(f"{path}/full")
rows = list(run.scan_history())
files = {file.name: file.size for file in run.files()}
def text(kind):
    [name] = [name for name in files if f"media/{kind}/" in name]
    return pathlib.Path(run.file(name).download("down", replace=True).name).read_bytes().decode("latin-1")
media = run.summary
tell({
    "state": run.state, "who": [run.name, run.group, run.job_type, run.tags, run.notes], "config": run.config,
    "summary": [run.summary[key] for key in ("best", "acc", "loss")], "hidden": "hidden" in run.summary.keys(),
    "steps": [row["_step"] for row in rows], "losses": [row["loss"] for row in rows if "loss" in row],
    "odd": str(rows[30]["odd"]), "sampled": len(run.history(samples=10, pandas=False)),
    "keys": [row["acc"] for row in run.scan_history(keys=["acc"], page_size=7)],
    "some": run.history(keys=["loss"], pandas=False)[1],
    "system": sorted(run.history(stream="system", pandas=False)[0]), "last": run.lastHistoryStep,
    "console": [line.content for line in run.console_logs()] if NEWEST else
        run.file("output.log").download("down", replace=True).read().splitlines(),
    "files": sorted(set(name.split("/")[0] for name in files)), "table": json.loads(text("table"))["data"],
    "html": "<b>x</b>" in text("html"), "png": text("images")[1:4], "wav": text("audio")[:4],
    "plot": json.loads(text("plotly"))["data"][0]["y"],
    "captions": [media["image"]["caption"], media["audio"]["caption"], sum(media["histogram"]["values"])],
    "metrics": run.rawconfig["_wandb"]["m"], "made": [item.type for item in run.logged_artifacts()],
    "url": run.url, "program": run.metadata["program"] if run.metadata else None,
})
"""


def test_a_whole_run(lab: Lab) -> None:
    output = lab.python(RUN, WANDB_X_DISABLE_META="false", WANDB_X_DISABLE_MACHINE_INFO="false")
    run = shown(lab.python(READ))
    assert run["state"] == "finished"
    assert run["who"] == ["renamed", "g", "t", ["a", "b"], "another note"]
    b = {"kind": "linear", "ridge": 0}
    assert run["config"] == {"lr": 0.25, "n": 1, "flag": True, "none": None, "b": b, "late": True}
    assert (run["summary"], run["hidden"]) == ([0.25, 29, {"min": 0}], False)
    assert run["steps"] == list(range(32))
    assert run["losses"] == [abs(step - 20) for step in range(30)]
    assert run["odd"] == "nan"
    assert run["keys"] == list(range(30))
    assert (run["sampled"], run["some"], run["last"]) == (10, {"_step": 1, "loss": 19}, 31)
    assert {"system.cpu", "system.memory_percent"} & set(run["system"])
    assert run["console"] == ["a line for the console"]
    assert {"config.yaml", "media", "wandb-summary.json", "wandb-metadata.json"} <= set(run["files"])
    assert (run["table"], run["html"]) == ([[1, "a"], [2, None]], True)
    assert (run["png"], run["wav"], run["plot"]) == ("PNG", "RIFF", [1, 2])
    assert run["captions"] == ["dark", "silence", 3]
    assert {"epoch", "loss"} <= {metric.get("1") for metric in run["metrics"]}
    assert run["made"] == ["run_table"]
    assert run["program"] == "<python with no main file>"
    assert "alert of run full: title: text of the alert" in lab.server.log()
    addresses = set(re.findall(r"http://127\.0\.0\.1:\d+/\S+", output)) | {run["url"]}
    assert len(addresses) >= 2
    for address in addresses:
        with urllib.request.urlopen(address, timeout=10) as reply:
            assert reply.status == 200


CHANGE = """
with wandb.init(id="maker") as run:
    run.log_artifact(wandb.Artifact("set", "data", metadata={"k": 1}))
with wandb.init(id="changed", config={"lr": 1}) as run:
    run.log({"loss": 1})
api = wandb.Api()
old = api.run(f"{path}/changed")
old.summary.update({"late": [1, 2]})
old.config["added"] = {"k": 0.5}
old.tags.append("t")
old.name, old.notes, old.group = "renamed", "note", "g"
old.update()
with open("more.txt", "w") as file:
    file.write("more")
old.upload_file("more.txt")
old.log_artifact(api.artifact(f"{path}/set:v0"))
new = wandb.Api().run(f"{path}/changed")
told = [new.summary["late"], new.summary["loss"], new.config, new.tags, new.name, new.notes, new.state,
    new.file("more.txt").download("down").read(), [item.name for item in new.logged_artifacts()]]
new.file("more.txt").delete()
told.append("more.txt" in [file.name for file in wandb.Api().run(f"{path}/changed").files()])
tell(told)
"""


def test_changes_through_the_public_api(lab: Lab) -> None:
    config = {"lr": 1, "added": {"k": 0.5}}
    who = ["renamed", "note", "finished"]
    assert shown(lab.python(CHANGE)) == [[1, 2], 1, config, ["t"], *who, "more", ["set:v0"], False]


def test_login_with_the_key_and_with_a_wrong_one(lab: Lab) -> None:
    lab.wandb("login", "--host", lab.url, "--verify", lab.key)
    settings = (lab.folder / "netrc").read_text()
    assert lab.key in settings
    told = lab.python("print(wandb.Api().default_entity)", WANDB_API_KEY="", check=False)
    # The old client writes the host with its port, and looks for it without.
    assert ("local\n" if lab.client.is_newest else "api_key not configured") in told
    refused = lab.python("wandb.init()", check=False, WANDB_API_KEY="x" * 40)
    assert "401" in refused or "API key" in refused


HISTORIES = """
import pathlib
import numpy
shapes = {
    "plain": [{"loss": 0.5, "n": 3}, {"loss": 0.25}, {"n": 4, "name": "x", "ok": True}],
    "nan": [{"loss": float("nan")}, {"loss": float("inf")}], "nested": [{"v": {"acc": 0.5}}, {"v": {"b": [1, 2]}}],
    "mixed": [{"x": 1}, {"x": "a"}], "image": [{"i": wandb.Image(numpy.zeros((4, 4, 3), "uint8"))}],
    "many": [{"a": index * 0.5, "b": index} for index in range(1500)],
}
def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value
told = {}
for name, rows in shapes.items():
    with wandb.init(id=name) as run:
        for row in rows:
            run.log(row)
    run = wandb.Api().run(f"{path}/{name}")
    scanned = [without_nulls(dict(row)) for row in run.scan_history()]
    live = run.history(samples=10_000, pandas=False)
    same = json.dumps(scanned, sort_keys=True) == json.dumps(live, sort_keys=True)
    try:
        files = len(run.download_history_exports(pathlib.Path(name), require_complete_history=True).paths)
    except Exception as error:
        files = type(error).__name__
    told[name] = [same, len(scanned), files]
tell(told)
"""


@newest_only  # 0.22 reads every history live
def test_histories_of_ended_runs_are_exported(exporting: Server, lab_for: LabFor) -> None:
    assert shown(lab_for(exporting).python(HISTORIES)) == {
        "plain": [True, 3, 1], "nan": [True, 2, 1], "nested": [True, 2, 1],
        "mixed": [True, 2, "IncompleteRunHistoryError"], "image": [True, 1, 1], "many": [True, 1500, 1],
    }  # fmt: skip
