"""The command line: what it prints, what it refuses, and with which exit code."""

import inspect
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from framework.models.config import MLP
from framework.models.registry import build
from launch.cli import app
from tests.lab import Lab, quick_sweep

pytestmark = pytest.mark.slow


def refused(lab: Lab, code: int, *words: str, **extra: str) -> str:
    done = lab.sashiko(*words, **extra)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_plan_lists_every_run_and_starts_nothing(lab: Lab):
    file = quick_sweep(lab, "plan", "{x: {values: [1, 2, 3]}, y: {values: [0.5, 1.0]}}")
    text = lab.sashiko("plan", str(file)).stdout.splitlines()
    assert len(text) == 7
    assert re.fullmatch(r"0  \w{12}  x=1,y=0\.5", text[0])
    assert text[-1] == "6 runs of quick, batch plan"
    assert lab.sashiko("plan", str(file), "--count").stdout == "6\n"
    listed = json.loads(lab.sashiko("plan", str(file), "--json").stdout)
    assert [entry["point"] for entry in listed][1] == {"x": 1, "y": 1.0}
    assert listed[5]["label"] == "plan_config5"
    assert not (lab.folder / ".sashiko").exists()


def test_plan_tells_programs_what_is_wrong_with_a_file(lab: Lab):
    file = quick_sweep(lab, "wrong", "{x: {values: [a]}, z: {values: [1]}}")
    done = lab.sashiko("plan", str(file), "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == 2
    assert {problem["key"] for problem in error["problems"]} == {"x", "z"}


def test_every_error_of_a_sweep_file_comes_at_once(lab: Lab):
    file = quick_sweep(lab, "bad", "{x: {values: [1, two]}, labl: {value: a}, y: {values: [fast, 1.0]}}")
    for command in (["plan", str(file)], ["sweep", str(file)]):
        message = refused(lab, 2, *command)
        assert "bad.yaml: 3 problems" in message
        assert "x: is 'two' (str); allowed: an integer (point 2 and 1 more)" in message
        assert "labl: unknown key; did you mean `label`?" in message
    assert not (lab.folder / ".sashiko").exists(), "an invalid sweep must start nothing"


def test_what_nothing_follows_is_told_and_the_sweep_goes_on(lab: Lab):
    file = quick_sweep(lab, "anchored", "{x: {values: [1, 2]}}")
    file.write_text(file.read_text() + "x-base: &base {lr: 1}\nrun_caps: 1\n")
    done = lab.sashiko("plan", str(file), "--count")
    assert (done.returncode, done.stdout) == (0, "2\n")
    assert [line.partition("anchored.yaml: ")[2] for line in done.stderr.splitlines()] == [
        "x-base: unknown key, which plays no part",
        "run_caps: unknown key, which plays no part; did you mean `run_cap`?",
    ]


def test_a_sweep_of_an_unknown_experiment(lab: Lab):
    file = quick_sweep(lab, "unknown", "{x: {value: 1}}")
    file.write_text(file.read_text().replace("quick", "quik"))
    assert "there is no experiment `quik`; did you mean `quick`?" in refused(lab, 2, "plan", str(file))
    assert "cannot be read" in refused(lab, 2, "plan", "absent.yaml")


def test_config_and_models_are_listed(lab: Lab):
    text = lab.sashiko("config", "stitching").stdout
    assert "[source.model]" in text
    assert "# kind: one of pcktae, mlp_autoencoder" in text
    path = lab.folder / "defaults.toml"
    path.write_text(text)
    from framework.layers import read_file

    assert read_file(path)["sampling"] == "equally"
    models = lab.sashiko("models").stdout
    assert "pcktae" in models
    assert "mlp_autoencoder" in models


def test_no_server_and_a_wrong_key(lab: Lab):
    away = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "k" * 40}
    assert "does not answer" in refused(lab, 3, "status", "lab/abc", **away)
    assert "no embedded server runs in .sashiko" in refused(lab, 3, "env")
    file = quick_sweep(lab, "key", "{x: {values: [1]}}")
    assert lab.sashiko("sweep", str(file)).returncode == 0
    url = json.loads((lab.folder / ".sashiko" / "server.json").read_text())["url"]
    wrong = {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40}
    assert "refused the API key" in refused(lab, 3, "sweep", str(file), **wrong)
    assert "no API key for it" in refused(lab, 3, "sweep", str(file), WANDB_BASE_URL=url)
    assert "has no sweep" in refused(lab, 3, "status", "lab/nothere")


def test_run_refuses_bad_words_together(lab: Lab):
    words = ["run", "quick", "--embedded", "--xx", "1", "--y", "fast"]
    message = refused(lab, 2, *words)
    assert "xx: unknown key; did you mean `x`?" in message
    assert "y: is 'fast' (str); allowed: a number (command line)" in message
    file = quick_sweep(lab, "index", "{x: {values: [1, 2]}}")
    assert "allowed: 0 to 1" in refused(lab, 2, "run", "quick", "--sweep", str(file), "--index", "2")


def test_run_takes_a_file_the_command_line_and_an_index(lab: Lab):
    (lab.folder / "my.toml").write_text("x = 3\ny = 0.25\n")
    done = lab.sashiko("run", "quick", "--config", "my.toml", "--y", "0.5")
    assert done.returncode == 0, done.stderr
    assert "  x from my.toml\n  y from command line\n" in done.stdout
    assert re.search(r"run \w+ finished: http://127", done.stdout)
    file = quick_sweep(lab, "index", "{x: {values: [1, 2]}}")
    assert lab.sashiko("run", "quick", "--sweep", str(file), "--index", "1").returncode == 0


def test_weights_from_files_are_fused_without_a_tracker(lab: Lab):
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(build(MLP(hidden=(12,)), (1, 8, 8), 10).state_dict(), lab.folder / f"{seed}.pt")
    words = ["run", "fusion", "--parents", "0.pt", "1.pt", "--model.kind", "mlp", "--model.hidden", "[12]"]
    offline = {"WANDB_MODE": "offline", "WANDB_DIR": str(lab.folder)}
    done = lab.sashiko(*words, "--curve_places", "0", "--num_inputs", "1000", **offline)
    assert done.returncode == 0, done.stderr
    assert "parents from command line" in done.stdout
    words[words.index("1.pt")] = "2.pt"
    assert "2.pt does not exist" in refused(lab, 2, *words, **offline)


def test_what_a_config_contradicts_and_files_that_do_not_fit_start_nothing(tmp_path: Path):
    lab = Lab.make(tmp_path)
    torch.save(build(MLP(hidden=(12,)), (1, 8, 8), 10).state_dict(), lab.folder / "narrow.pt")
    words = ["run", "fusion", "--parents", "narrow.pt", "gone.pt", "--model", "mlp", "--model.hidden", "16"]
    told = refused(lab, 2, *words, "--num_inputs", "200")
    assert "3 problems" in told
    for recipe in ("ot_activations", "activation_matching"):
        assert f"in the recipe {recipe}, and there are 200 inputs" in told
    assert "parents: gone.pt does not exist (command line)" in told
    told = refused(lab, 2, *words)
    assert "parents: narrow.pt: encoder.1.weight: has the shape (12, 64); allowed: (16, 64) (command line)" in told
    assert "gone.pt does not exist" in told
    told = refused(lab, 2, "run", "quick", "--x", "1")
    assert "there is no experiment `quick`" in told
    file = lab.folder / "files.yaml"
    file.write_text(
        "name: files\nmethod: grid\ncommand: [python, -m, experiments, fusion]\n"
        "parameters: {model: {value: mlp}, parents: {value: [gone.pt, lost.pt]}, inputs_seed: {values: [0, 1]}}\n"
    )
    told = refused(lab, 2, "sweep", str(file))
    assert "parents: gone.pt does not exist (point 0 and 1 more)" in told
    assert "lost.pt" in told
    assert "is a sweep of the experiment fusion" in refused(
        lab, 2, "run", "stitching", "--sweep", str(file), "--index", "0"
    )
    assert not (lab.folder / ".sashiko").exists(), "no tracker was started, so nothing is on it"


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_runs_need_no_tracker_where_the_client_needs_none(lab: Lab, mode: str):
    done = lab.sashiko("run", "quick", "--x", "2", WANDB_MODE=mode, WANDB_DIR=str(lab.folder))
    assert done.returncode == 0, done.stderr
    assert f"tracker: none (WANDB_MODE={mode})" in done.stdout
    message = refused(lab, 1, "run", "stitching", WANDB_MODE=mode, WANDB_DIR=str(lab.folder))
    assert "unset WANDB_MODE" in message


def test_a_data_set_that_is_not_there_names_the_folder(lab: Lab, tmp_path: Path):
    words = ["run", "stitching", "--source.data.name", "mnist", "--target.data.name", "mnist"]
    message = refused(lab, 1, *words, SASHIKO_DATA=str(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in message


def test_serve_refuses_a_second_server_and_stops(lab: Lab):
    lab.sashiko("sweep", str(quick_sweep(lab, "key", "{x: {values: [1]}}")))
    assert lab.sashiko("serve", "--port", "0").returncode != 0
    assert "stopped the server of .sashiko" in lab.sashiko("serve", "--stop").stdout
    assert "no embedded server runs" in refused(lab, 3, "serve", "--stop")


def test_every_command_answers_programs_too() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert "as_json" in inspect.signature(command.callback).parameters, command.callback.__name__


@pytest.mark.parametrize("words", [["models"], ["config", "tabular"], ["plan", "sweeps/tabular.yaml"]])
def test_an_answer_for_programs_is_one_document(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    app([*words, "--json"], standalone_mode=False)
    assert json.loads(capfd.readouterr().out)


DRESSED = """
import os, signal, time
from launch import cli

@cli.app.command()
def dressed(word: str = "") -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except BaseException as error:
        raise ValueError("a schema could not be built") from error

import sys
sys.argv = ["sashiko", "dressed"]
cli.main()
"""


def test_ctrl_c_that_a_library_makes_an_error_of_is_ctrl_c(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRESSED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")
