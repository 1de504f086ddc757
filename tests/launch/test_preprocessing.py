"""The command `preprocess`: what it writes, what it says, and a run that reads it."""

import json
import shlex
import tomllib

import pytest
from typer.testing import CliRunner

from framework.data import preprocess
from launch.cli import app
from tests.lab import Lab

WORDS = ["preprocess", "tabular", "--data", "iris", "--split", "0.8", "--separate-sets", "--stratify"]


def called(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_it_writes_what_the_function_writes(tmp_path):
    done = called(*WORDS, "--seed", 3, "--to", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"wrote {tmp_path / 'a' / 'datasets' / 'iris-split'} (120 train, 30 test)",
        f"to use it: SASHIKO_DATA={tmp_path / 'a'} sashiko run tabular --data.name iris-split",
    ]
    other = preprocess("iris", separate_sets=True, stratify=True, seed=3, to=tmp_path / "b").folder
    for path in other.iterdir():
        assert path.read_bytes() == (tmp_path / "a" / "datasets" / "iris-split" / path.name).read_bytes()
    assert called(*WORDS, "--seed", 3, "--to", tmp_path / "a").stdout.startswith("unchanged ")


def test_the_command_in_the_info_writes_the_same(tmp_path, monkeypatch):
    table = tmp_path / "a table.csv"
    table.write_text("x,y\n" + "".join(f"{n},{n % 3}\n" for n in range(30)))
    first = preprocess(str(table), target="y", split=0.7, stratify=False, name="own", to=tmp_path / "a").folder
    info = (first / "info.toml").read_text()
    (line,) = (line for line in info.splitlines() if line.startswith("command = "))
    words = shlex.split(tomllib.loads(line)["command"])[1:]
    assert called(*words, "--to", tmp_path / "b").exit_code == 0
    assert (tmp_path / "b" / "datasets" / "own" / "info.toml").read_text() == info


def test_json_is_one_document(tmp_path):
    done = called(*WORDS, "--to", tmp_path, "--json")
    told = json.loads(done.stdout)
    assert told["rows"] == {"train": 120, "test": 30}
    assert told["folder"] == str(tmp_path / "datasets" / "iris-split")


@pytest.mark.slow
def test_a_run_reads_it(tmp_path):
    lab = Lab.make(tmp_path)
    lab.environment["SASHIKO_DATA"] = str(tmp_path / "own")
    try:
        done = lab.sashiko(*WORDS)
        assert done.returncode == 0, done.stderr
        run = lab.sashiko("run", "tabular", "--data.name", "iris-split", "--model", "dummy")
        assert run.returncode == 0, run.stderr
        test = tmp_path / "own" / "datasets" / "iris-split" / "test.parquet"
        test.write_bytes(test.read_bytes() + b" ")
        refused = lab.sashiko("run", "tabular", "--data.name", "iris-split")
        assert refused.returncode == 2
        assert "changed since" in refused.stderr
        twice = lab.sashiko(*WORDS, "--seed", "1")
        assert twice.returncode == 2
        assert "--force" in twice.stderr
    finally:
        lab.close()
