"""The guide in docs/cluster.md is true: its files and commands, in order, in one lab on a real cluster."""

import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.lab import ROOT, Lab, own_port
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import until

GUIDE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"(?:[Tt]his is `(?P<file>[^`]+)`[^`]*?\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
RUN, FILES, LEFT_OUT = "sh", ("bash", "toml", "yaml"), "console"
NOT_RUN = [
    "cd /shared/NAME && git clone https://YOUR-GIT-SERVER/sashiko.git && cd sashiko",
    "module load python/3.11",
    "make install && source .venv/bin/activate",
    "export SASHIKO_DATA=/shared/NAME/data",
    "python -c \"from torchvision.datasets import MNIST; MNIST('$SASHIKO_DATA', download=True)\"",
]
"""What needs a network, or a cluster's own modules."""
IGNORED = ".sashiko/\nresults/\n*cache*/\nwandb*/\nlocal/\nshared/\n*.log\n"
COMMAND_S, LOOK_S = 240, 3.0


@dataclass
class Day:
    """A day with the guide: what its words in capitals stand for, and what the commands have said so far."""

    lab: Lab
    cluster: Cluster
    ports: dict[str, str]
    exports: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def filled(self, text: str) -> str:
        """A text with all that it leaves to its reader."""
        host, folder = socket.gethostname().split(".")[0], self.lab.folder
        fixed = {
            "https://api.wandb.ai": lambda: (folder / "shared" / "sashiko-kept.url").read_text().strip(),
            "CLOUD_KEY": lambda: (folder / "shared" / "sashiko-kept.key").read_text().strip(),
            "/local/NAME": lambda: str(folder / "local"), "/shared/NAME": lambda: str(folder / "shared"),
            "LOGIN": lambda: host, "NAME": lambda: "north", "PARTITION": lambda: "main",
            "8765": lambda: self.ports["8765"], "8766": lambda: self.ports["8766"],
            "-n 8": lambda: "-n 1",
            "KEY": lambda: self.words["KEY"], "JOB": lambda: self.words["JOB"], "RUN": self.run_at_work,
        }  # fmt: skip
        names = "|".join(rf"(?<![\w$]){re.escape(name)}(?!\w)" for name in fixed)
        return re.sub(names, lambda found: fixed[found[0]](), text)

    def run_at_work(self) -> str:
        """The run of the long sweep that was at work first."""

        def at_work() -> list[str]:
            time.sleep(LOOK_S)  # a command that looks takes from the job that is looked for
            done = self.shell("sashiko status sweeps/long.yaml --json")
            return [one["run"] for one in json.loads(done.stdout)["workers"] if one["run"]]

        if "RUN" not in self.words:
            found: list[str] = []
            until(lambda: found.extend(at_work()) or found, "a run is at work", 120)
            self.words["RUN"] = found[0]
        return self.words["RUN"]

    def shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", "\n".join(["set -e", *self.exports, command])], cwd=self.lab.folder,
            env=self.lab.environment, capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def do(self, command: str) -> None:
        """Run a line of the guide; a server that it starts is waited for, as a person would."""
        line = self.filled(command)
        if line.startswith("export "):
            self.exports.append(line)
            return
        done = self.shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        self.said[command] = done.stdout
        for word, told in (("KEY", r"key, shown this once: (\w+)"), ("JOB", r"^submitted \d+ jobs?: (\d+);")):
            if found := re.findall(told, done.stdout, re.MULTILINE):
                self.words[word] = found[-1]
        if line.endswith("&"):
            until(lambda: answers(f"http://127.0.0.1:{self.ports['8765']}"), "the server answers")
        if line.startswith("sbatch"):
            until(lambda: answers(f"http://127.0.0.1:{self.ports['8766']}"), "the server in a job answers")


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


def blocks(*languages: str) -> Iterator["re.Match[str]"]:
    return (found for found in BLOCK.finditer(GUIDE) if found["language"] in languages)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture
def day(lab: Lab, cluster: Cluster) -> Iterator[Day]:
    for name in ("local", "shared", "sweeps"):
        (lab.folder / name).mkdir()
    (lab.folder / ".gitignore").write_text(IGNORED)
    git = ["git", "-c", "user.name=north", "-c", "user.email=north@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *words], cwd=lab.folder, env=lab.environment, check=True)
    made = Day(lab, cluster, {"8765": str(own_port()), "8766": str(own_port())})
    yield made
    lab.sashiko("serve", "--dir", str(lab.folder / "local" / "sashiko"), "--stop")
    for job in cluster.run("squeue", "-h", "-o", "%i").split():
        cluster.run("scancel", "--signal=KILL", "--full", job)


def test_every_block_is_run_written_or_listed():
    languages = {found["language"] for found in BLOCK.finditer(GUIDE)}
    assert languages == {RUN, LEFT_OUT, *FILES}
    assert GUIDE.count("```") == 2 * len(list(BLOCK.finditer(GUIDE)))
    assert all(found["file"] for found in blocks(*FILES)), "each file has a name"
    assert {Path(found["file"]).name for found in blocks(*FILES)} == {"serve.sh", "cluster.toml", "first.yaml"}
    left = [line for found in blocks(LEFT_OUT) for line in lines_of(found["text"])]
    assert [re.sub(r"\s+#.*$", "", line.removeprefix("$ ")) for line in left] == NOT_RUN


def test_what_the_guide_says_of_the_commands_stands_in_it():
    told = [shlex.split(line) for found in blocks(RUN) for line in lines_of(found["text"])]
    verbs = {words[1] for words in told if words[0] == "sashiko"}
    wanted = {"doctor", "serve", "plan", "sweep", "agents", "status", "logs", "compare", "pull", "efficiency"}
    assert verbs == wanted | {"push", "rerun", "cancel"}
    for option in ("--watch", "-f", "--shell", "--live", "--wait", "--replan", "--failed", "--points", "--slurm"):
        assert any(option in words for words in told), option


@pytest.mark.timeout(400)
def test_every_command_runs(day: Day):
    start = time.monotonic()
    for found in BLOCK.finditer(GUIDE):
        if found["language"] in FILES:
            (day.lab.folder / found["file"]).write_text(day.filled(found["text"]))
        elif found["language"] == RUN:
            for line in lines_of(found["text"]):
                before = time.monotonic()
                day.do(line)
                print(f"{time.monotonic() - before:6.1f} s  {line}")
    print(f"{time.monotonic() - start:6.1f} s in all")
    tells = day.said
    looked = tells["sashiko doctor --slurm cluster.toml"]
    assert "ran a job" in looked
    assert not [line for line in looked.splitlines() if line.startswith("!!  its")], looked
    first = tells["sashiko sweep sweeps/first.yaml --slurm cluster.toml -n 8"]
    assert re.search(r"^code: \w{10} \(commit", first, re.MULTILINE), "the code is frozen"
    watched = tells["sashiko status sweeps/first.yaml --watch --every 2"]
    assert re.search(r" 2 finished(; jobs: 1 running)?$", watched, re.MULTILINE), "its job may still be ending"
    followed = tells["sashiko agents sweeps/first.yaml --slurm cluster.toml --wait"]
    assert "2 of 2 runs finished, 0 failed" in followed
    table = tells["sashiko compare sweeps/first.yaml --csv results/first.csv"]
    assert re.search(r"^pcktae +pcktae +affine +2 ", table, re.MULTILINE), table
    assert (day.lab.folder / "results" / "first.csv").exists()
    assert "(1 new, 2 unchanged, 0 gone)" in tells["sashiko sweep sweeps/first.yaml --slurm cluster.toml"]
    less = tells["sashiko sweep sweeps/first.yaml --replan"]
    assert "(0 new, 2 unchanged, 1 gone" in less
    assert "nothing to run: 2 of 2" in less
    assert "1 point once more" in tells["sashiko rerun sweeps/first.yaml --points 0 --slurm cluster.toml"]
    assert "1 point once more" in tells["sashiko rerun sweeps/long.yaml --failed --slurm cluster.toml"]
    assert "what it worked on is open again" in tells["sashiko cancel JOB"]
    assert "no more points are handed out" in tells["sashiko cancel sweeps/long.yaml"]
    assert "0 not sent" in tells["sashiko push cluster --to https://api.wandb.ai"]
    kept = day.lab.folder / "shared" / "sashiko-kept" / "server.db"
    until(kept.exists, "the server in a job has kept its folder")
