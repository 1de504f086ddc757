"""What a tracker tells of runs as a frame: typed, tidy, whoever made them."""

from typing import Any

import pandas as pd

from framework.tracking.frames import runs_frame
from framework.tracking.run import SASHIKO


def run(name: str = "a", config: Any = None, summary: Any = None, **more: Any) -> dict[str, Any]:
    told = {"id": name, "name": None, "state": "finished", "created_at": 0.0, "config": config or {},
            "summary": {} if summary is None else summary}  # fmt: skip
    return told | more


def wrapped(**values: Any) -> dict[str, Any]:
    return {key: {"value": value} for key, value in values.items()} | {"_wandb": {"value": {"t": 1}}}


def test_any_run() -> None:
    told = [
        run(
            "a", wrapped(lr=0.1, net={"act": "relu", "sizes": [1, 2]}), {"loss": 1.5, "_runtime": 3.0, "_step": 4}
        ),
        run("b", wrapped(lr=0.2, flag=True, depth=3), {"loss": "NaN", "nest": {"x": 1}, "im": {"_type": "image"}}),
    ]
    found = runs_frame(told, "http://host/e/p")
    assert found.fields == ("lr", "net.act", "net.sizes", "flag", "depth")
    assert found.metrics == ("loss", "nest.x")
    first, second = found.frame.to_dict("records")
    assert (first["run_id"], first["name"], first["created_at"]) == ("a", "a", "1970-01-01T00:00:00Z")
    assert first["url"] == "http://host/e/p/runs/a"
    assert (first["net.sizes"], first["duration_s"]) == ([1, 2], 3.0)
    assert pd.isna(second["loss"])
    assert (second["depth"], str(found.frame["depth"].dtype), str(found.frame["flag"].dtype)) == (
        3,
        "Int64",
        "boolean",
    )
    assert found.factors == list(found.fields)


def test_a_run_of_this_framework_tells_its_whole_config() -> None:
    truth = {"config": {"model": {"kind": "vae", "seed": 3}}, "config_id": "abc"}
    frame = runs_frame([run("a", wrapped(**{SASHIKO: truth, "model": {"kind": "vae"}}))]).frame
    assert frame.loc[0, ["config_id", "model.kind", "model.seed"]].tolist() == ["abc", "vae", 3]


def test_names_that_are_taken() -> None:
    found = runs_frame(
        [run("a", wrapped(state="x", n=1, loss=2, tags="t"), {"loss": 3, "run_id": 4}, tags=["u", "v"])]
    )
    assert found.fields == ("config.state", "config.n", "loss", "config.tags")
    assert found.metrics == ("summary.loss", "summary.run_id")
    assert found.frame.loc[0, ["tags", "config.tags", "loss", "summary.loss"]].tolist() == ["u v", "t", 2, 3]


def test_no_runs_and_odd_ones() -> None:
    assert runs_frame([]).frame.empty
    assert list(runs_frame([run(summary=[1, 2], config={"bare": 1, "wandb_version": 1})]).fields) == ["bare"]
    mixed = runs_frame([run("a", wrapped(x=1)), run("b", wrapped(x="1")), run("c", wrapped(x=True))]).frame["x"]
    assert [type(value) for value in mixed] == [int, str, bool]
    assert runs_frame([run("a", wrapped(x=2**70)), run("b")]).frame["x"][0] == 2**70
