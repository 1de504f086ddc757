"""rerun --from and diff: what a run did, done again, and held against it."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab

pytestmark = pytest.mark.slow

CAKE = """
import os
import numpy as np, pandas as pd
from framework import inputs
from framework.config import Config, replicate
from framework.manager import Manager
from framework.plan import RUN, Work


class Dough(Config):
    flour: int = 3


class CakeConfig(Config):
    dough: Dough = Dough()
    minutes: float = 20.0
    icing: str | None = None
    fails: bool = False
    seed: int = replicate(0, description="seed")


class Cake(Manager[CakeConfig]):
    config = CakeConfig

    def requires(self, kind, config):
        return [Work("dough", config.dough)] if kind == RUN else []

    def make(self, kind, config, run):
        folder = run.folder / "dough"
        folder.mkdir()
        np.savez(folder / "dough.npz", a=np.arange(config.flour))
        run.log({"weight": config.flour * 100.0})
        run.log_artifact(kind, config, folder)

    def run(self, config, run):
        with np.load(run.require("dough", config.dough) / "dough.npz") as file:
            weight = float(file["a"].sum())
        inputs.note("recipe", os.environ.get("RECIPE", "old").encode())
        if config.fails:
            raise ValueError("burnt")
        taste = weight / config.minutes + float(os.environ.get("NOISE", "0"))
        run.summarise({"threads": int(os.environ.get("OMP_NUM_THREADS", "0")), "time/bake_s": os.getpid()})
        run.log({"taste": taste, "weight": weight})
        run.log_table("slices", pd.DataFrame({"slice": [1, 2], "taste": [taste, taste]}))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("repeating"))
    made.add_experiment("cake", "manager:Cake", {"manager.py": CAKE})
    yield made
    made.close()


def bake(lab: Lab, *words: str, **extra: str) -> str:
    done = lab.sashiko("run", "cake", *words, **extra)
    found = re.search(r"run (\w+) (?:finished|failed)", done.stdout)
    assert found, done.stdout + done.stderr
    return found[1]


@pytest.fixture(scope="module")
def first(lab: Lab) -> str:
    return bake(lab, "--minutes", "7", OMP_NUM_THREADS="3")


def again(lab: Lab, text: str, *words: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    return lab.sashiko("rerun", "--from", text, *words, **extra)


def document(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout)
    return found


def record(lab: Lab, run: str) -> Path:
    code = (
        f"f = wandb.Api().run('local/sashiko/{run}').file('provenance.toml')\n"
        f"f.download(root='{lab.folder}/records/{run}', replace=True)"
    )
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    done = lab.call("timeit", "-n1", "-r1", "-s", f"import wandb\n{code}", **exports)
    assert done.returncode == 0, done.stderr
    return lab.folder / "records" / run / "provenance.toml"


def test_a_run_leaves_a_record_from_which_it_can_be_done_again(lab: Lab, first: str):
    told = tomllib.loads(record(lab, first).read_text())
    assert told["provenance"] == 1
    assert told["work"]["experiment"] == "cake"
    assert told["work"]["config_type"] == "experiments.cake.manager:CakeConfig"
    assert told["config"] == {"minutes": 7.0, "fails": False, "seed": 0, "dough": {"flour": 3}}
    assert "config.icing" in told["nulls"]
    assert told["origins"] == {"minutes": "command line"}
    assert told["start"] < told["end"]
    assert told["metrics"]["taste"] == 3 / 7
    assert next(iter(told["inputs"].values())).keys() == {"version", "digest"}
    assert len(told["data"]["recipe"]) == 64
    (results,) = told["outputs"]
    assert set(told["outputs"][results]) == {"slices.parquet"}
    assert told["variables"]["OMP_NUM_THREADS"] == "3"


def test_it_comes_out_the_same_to_the_last_bit(lab: Lab, first: str):
    done = again(lab, first)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "differs before it runs: nothing" in done.stdout
    assert "verdict: identical" in done.stdout
    assert "files: 1 of 1 have the same bytes" in done.stdout
    assert re.search(r"threads +3 +3 ", done.stdout)  # the variables are those of the first run
    assert "time/bake_s" not in done.stdout


@pytest.mark.parametrize(
    ("noise", "words", "verdict", "code"),
    [
        ("1e-7", (), "within tolerance", 1),
        ("1e-4", (), "different", 2),
        ("1e-4", ("--rtol", "0.01"), "within tolerance", 1),
        ("1e-7", ("--rtol", "0", "--atol", "0"), "different", 2),
    ],
)
def test_the_verdict_and_the_exit_code_follow_the_metrics(
    lab: Lab, first: str, noise: str, words: tuple[str, ...], verdict: str, code: int
):
    done = again(lab, first, "--json", *words, NOISE=noise)
    found = document(done)
    assert (done.returncode, found["verdict"], found["exit_code"]) == (code, verdict, code)
    (line,) = [one for one in found["metrics"] if one["name"] == "taste"]  # type: ignore[attr-defined]
    assert line["difference"] == pytest.approx(float(noise), rel=1e-6)
    assert line["before"] == 3 / 7  # all digits
    assert found["other_files"] == [name for name in found["other_files"] if name.endswith("slices.parquet")]  # type: ignore[attr-defined]


def test_other_data_are_refused_when_they_are_read(lab: Lab, first: str):
    done = again(lab, first, RECIPE="new")
    assert done.returncode == 3
    assert re.search(r"data set recipe is another one now \(\w{12}\) than was read then \(\w{12}\)", done.stderr)
    assert "verdict: not comparable" in done.stdout


def test_a_record_and_an_artifact_mean_the_run_too(lab: Lab, first: str):
    path = record(lab, first)
    by_file = document(again(lab, str(path), "--json"))
    results = next(iter(tomllib.loads(path.read_text())["outputs"]))
    by_artifact = document(again(lab, f"{results}:latest", "--json"))
    assert by_file["config_id"] == by_artifact["config_id"]
    assert by_file["verdict"] == by_artifact["verdict"] == "identical"


def test_what_made_an_artifact_is_done_again_and_the_artifact_stays_as_it_is(lab: Lab, first: str):
    (dough,) = tomllib.loads(record(lab, first).read_text())["inputs"]
    found = document(again(lab, f"{dough}:v0", "--json"))
    assert found["verdict"] == "identical"
    assert [one["name"] for one in found["metrics"]] == ["weight"]  # type: ignore[attr-defined]
    assert found["equal_files"] == [f"{dough}/dough.npz"]
    missing = again(lab, f"{dough}:v1")
    assert missing.returncode == 3
    assert f"has no artifact {dough}:v1" in missing.stderr


def test_inputs_are_pinned_by_digest(lab: Lab, first: str):
    """A newer version of what was used is not taken; one that is another is refused."""
    path = record(lab, first)
    text = path.read_text()
    (name,) = tomllib.loads(text)["inputs"]
    other = path.with_name("other.toml")
    other.write_text(re.sub(rf'(\[inputs\.{name}\]\nversion = "\S+"\ndigest = )"\w+"', r'\1"0123"', text))
    done = again(lab, str(other))
    assert done.returncode == 3
    assert f"{name}:v0 has the digest" in done.stderr
    assert "verdict: not comparable" in done.stdout
    other.write_text(text.replace(f"{name}:v0", f"{name}:v9"))
    assert f"{name}:v9 is gone" in again(lab, str(other)).stderr


def test_a_run_that_failed_is_not_comparable(lab: Lab):
    done = lab.sashiko("run", "cake", "--fails", "true")
    assert done.returncode == 1
    listed = lab.sashiko("rerun", "--from", "fails=true")
    assert listed.returncode == 3
    assert "burnt" in listed.stderr
    assert "verdict: not comparable" in listed.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("provenance = 1", "provenance = 2"), ["provenance: is 2", "allowed: 1"]),
        (('experiment = "cake"', 'experiment = "cakes"'), ["no experiment `cakes`", "did you mean `cake`"]),
        (("minutes = 7.0", "minuets = 7.0"), ["minuets", "minutes"]),
        (("minutes = 7.0", "minutes = 8.0"), ["work.config_id", "and was"]),
    ],
)
def test_records_that_cannot_be_used_are_refused_with_words(
    lab: Lab, first: str, change: tuple[str, str], words: list[str]
):
    path = record(lab, first)
    other = path.with_name("changed.toml")
    assert change[0] in path.read_text()
    other.write_text(path.read_text().replace(*change))
    done = again(lab, str(other))
    assert done.returncode == 3
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    told = document(again(lab, str(other), "--json"))
    assert (told["verdict"], told["exit_code"]) == ("not comparable", 3)


def test_from_means_one_run_and_goes_with_no_points(lab: Lab, first: str):
    words = ("--failed", "--slurm", "gpu", "--gpus", "all", "--jobs", "2", "--wait", "--live")
    done = again(lab, first, *words)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words if word.startswith("--"))
    done = lab.sashiko("rerun", "SWEEP", "--failed", "--fresh")
    assert done.returncode == 2
    assert "--fresh: goes with --from" in done.stderr
    done = lab.sashiko("rerun")
    assert done.returncode == 2
    assert "SWEEP" in done.stderr
    assert "no run nowhere" in again(lab, "nowhere").stderr


# --- diff ---------------------------------------------------------------------------------------------------


def test_two_runs_side_by_side(lab: Lab, first: str):
    other = bake(lab, "--minutes", "8", "--icing", "lemon", OMP_NUM_THREADS="2", RECIPE="new")
    found = document(lab.sashiko("diff", first, other, "--json"))
    assert found["same_config"] is False
    assert {one["name"]: (one["before"], one["now"]) for one in found["config"]} == {  # type: ignore[attr-defined]
        "minutes": ("7", "8"), "icing": ("null", "lemon"),
    }  # fmt: skip
    assert [one["name"] for one in found["machine"]] == ["OMP_NUM_THREADS"]  # type: ignore[attr-defined]
    assert [one["name"] for one in found["data"]] == ["recipe"]  # type: ignore[attr-defined]
    assert (found["code"], found["packages"], found["notes"]) == ([], [], [])
    taste = next(one for one in found["metrics"] if one["name"] == "taste")  # type: ignore[attr-defined]
    assert taste == {"name": "taste", "before": 3 / 7, "now": 3 / 8, "difference": 3 / 8 - 3 / 7}
    shown = lab.sashiko("diff", first, other).stdout
    assert len(shown.splitlines()) < 40  # one screen
    assert re.search(r"minutes +7 +8", shown)
    assert "packages  same" in shown


def test_changed_code_is_told_file_by_file_and_line_by_line(lab: Lab, first: str):
    file = lab.folder / "experiments" / "cake" / "manager.py"
    text = file.read_text()
    file.write_text(text.replace("weight / config.minutes", "2 * weight / config.minutes"))
    try:
        other = bake(lab, "--minutes", "7", OMP_NUM_THREADS="3")
        found = document(lab.sashiko("diff", first, other, "--json"))
        (change,) = found["code"]  # type: ignore[misc]
        assert (change["name"], change["added"], change["removed"]) == ("experiments/cake/manager.py", 1, 1)
        assert "+        taste = 2 * weight" in lab.sashiko("diff", first, other, "--patch").stdout
        assert "experiments/cake/manager.py  +1 -1" in lab.sashiko("diff", first, other).stdout
        done = again(lab, first)
        assert done.returncode == 2  # with the code of now
        assert "differs before it runs:\n  code" in done.stdout
    finally:
        file.write_text(text)


def test_a_run_without_a_record_says_so(lab: Lab, first: str):
    exports = dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
    code = "import wandb\nwandb.init(project='sashiko', id='plain').finish()"
    assert lab.call("timeit", "-n1", "-r1", "-s", code, **exports).returncode == 0
    done = lab.sashiko("diff", first, "plain")
    assert done.returncode == 3
    assert "has no provenance.toml: it is not over, or is no run of Sashiko's" in done.stderr
