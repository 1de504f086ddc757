"""Every command of the pages runs: in the order of its page, each in a shell of its own, in one project for all.

Pages share the project, so that a sweep that one of them has worked is not worked by the next. What a page leaves
to its reader (an address, a key, the id of a run) is filled in.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import trustme

from launch.server.storage import open_store
from tests.docs import pages
from tests.docs.pages import ROOT, RUN
from tests.lab import Lab, own_port

COMMAND_S, START_S = 600, 30.0
PAIRS = (8, 11)
KINDS = ("kind: linear", "kind: kernel", "kind: orthogonal", "kind: permutation", "kind: identity")
ONCE = ("sashiko run ", "sashiko compare ", "sashiko pull ", "sashiko report ")
"""What gives the same again, and takes long: not run on every page on which it stands."""
WITH_COMMANDS = [page for page in RUN if pages.lines(page)]
ANSWERS = ("plan", "sweep", "status", "compare")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Reader:
    """Who follows the pages: a project, what its words stand for, and what the commands have said."""

    lab: Lab
    port: str
    cloud_url: str = ""
    cloud_key: str = ""
    exports: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    run: str = ""

    def filled(self, line: str) -> str:
        """A line with all that it leaves to its reader."""
        folder = self.lab.folder
        words = {
            "/srv/": f"{folder}/srv/", "north/PROJECT": "north/vision", "RUN": self.run,
            "https://wandb.lab.example:8765": f"https://localhost:{self.port}",
            "--port 8765": f"--port {self.port}",
            "https://api.wandb.ai": self.cloud_url, "CLOUD_KEY": self.cloud_key,
        }  # fmt: skip
        names = "|".join(
            rf"(?<![\w-]){re.escape(name)}(?!\w)" if name.isupper() else re.escape(name) for name in words
        )
        return re.sub(names, lambda found: words[found[0]], line)

    def shell(self, line: str) -> "subprocess.CompletedProcess[str]":
        log = self.lab.folder / "background.log"  # else whoever waits for the line waits for what it left running
        script = "\n".join(["set -e", *self.exports, f"{line[:-1]}> {log} 2>&1 &" if line.endswith("&") else line])
        return subprocess.run(
            ["bash", "-c", script], cwd=self.lab.folder, env=self.lab.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def do(self, line: str) -> None:
        """One line of a page."""
        if line.startswith("make "):
            return  # the targets call the commands that run here; that they exist is looked at elsewhere
        if line in self.said and line.startswith(ONCE):
            return  # it has run, on an earlier page
        if "user share" in line:
            self.make_project("north", "vision")
        if line.startswith("export "):
            self.exports.append(self.filled(line))
            return
        start = time.monotonic()
        done = self.shell(self.filled(line))
        print(f"{time.monotonic() - start:6.1f} s  {line}")
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        self.said[line] = done.stdout + done.stderr
        if found := re.search(r"^run (\w+) finished", done.stdout, re.MULTILINE):
            self.run = found[1]
        if found := re.search(r"wandb agent (local/sashiko/\w+)", self.said[line]):
            # One more of the same points, which the next page would work: it is to find the one that is done.
            self.shell(f"sashiko delete {found[1]}")
        if line.startswith("eval "):
            self.exports.append(line)
        if line.endswith("&"):
            self.wait(f"https://localhost:{self.port}")
        if "--write-sweeps" in line:
            shorten(self.lab.folder / "sweeps" / "stitching.yaml")

    def make_project(self, entity: str, project: str) -> None:
        """A project on the lab's server, as a first run would make it."""
        store = open_store(self.lab.folder / "srv" / "sashiko" / "server.db")
        with store.write() as tables:
            user = tables.users.by_name(entity)
            assert user is not None
            tables.projects.make(project, user["id"])
        store.close()

    def wait(self, url: str) -> None:
        """Until a server answers."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if requests.get(f"{url}/healthz", timeout=1, verify=str(self.lab.folder / "ca.pem")).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        pytest.fail((self.lab.folder / "background.log").read_text())


def shorten(file: Path) -> None:
    """Two pairs of models instead of eighteen, five mappings instead of fifteen: as much to see in less time."""
    lines = file.read_text().splitlines(keepends=True)
    pairs = [line for line in lines if line.startswith("    - {source")]
    kinds = [line for line in lines if line.startswith("    - {kind")]
    kept = {pairs[index] for index in PAIRS} | {
        line for line in kinds if line.strip(" -{}\n").split(", r")[0] in KINDS
    }
    file.write_text("".join(line for line in lines if line not in (*pairs, *kinds) or line in kept))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The project with the experiment that is printed whole, certificates, another server; no account."""
    lab = Lab.make(tmp_path_factory.mktemp("pages"))
    shutil.copytree(ROOT / "sweeps", lab.folder / "sweeps")
    shorten(lab.folder / "sweeps" / "stitching.yaml")
    lab.add_experiment("penalty", "manager:PenaltyManager", {"manager.py": pages.own_experiment()})
    (lab.folder / "policy.toml").write_text(pages.policy())
    (lab.folder / "data").mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(lab.folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(lab.folder / "lab.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(lab.folder / "lab.pem", append=True)
    cloud = lab.start("launch.cli", "serve", "--dir", "cloud", "--port", str(port := own_port()))
    made = Reader(lab, str(own_port()), cloud_url=f"http://127.0.0.1:{port}")
    made.wait(made.cloud_url)
    made.cloud_key = (lab.folder / "cloud" / "api_key").read_text().strip()
    yield made
    lab.close()
    lab.sashiko("serve", "--dir", "cloud", "--stop")
    cloud.communicate(timeout=START_S)
    lab.sashiko("serve", "--dir", str(lab.folder / "srv" / "sashiko"), "--stop")


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_runs(reader: Reader, page: str):
    reader.exports = []
    for line in pages.lines(page):
        reader.do(line)
    if check := CHECKS.get(page):
        check(reader)


def check_readme(reader: Reader) -> None:
    """What the front page promises is there."""
    results = reader.lab.folder / "results"
    assert (results / "stitching.csv").exists()
    drawn = {path.stem for path in results.glob("*.png")}
    assert {"error_by_num_samples", "error_by_ridge", "error_by_mapping", "latents_pca", "error_maps"} <= drawn
    assert len(list((results / "pulled" / "mapping").iterdir())) == 10  # 5 mappings of 2 pairs
    assert "wandb agent local/sashiko/" in reader.said["wandb sweep sweeps/stitching.yaml"]


def check_own_experiment(reader: Reader) -> None:
    """The table has a row a penalty."""
    table = reader.said["sashiko compare sweeps/penalty.yaml"]
    assert len(re.findall(r"^ *(0\.01|0\.1|1|10) ", table, flags=re.MULTILINE)) == 4, table


def check_again(reader: Reader) -> None:
    """The same bits, as the page shows."""
    said = reader.said["sashiko rerun --from name=wine,seed=7"]
    assert "differs before it runs: nothing" in said
    assert "verdict: identical" in said
    assert "is whole" in reader.said["sashiko verify results/stitching.tar.zst"]


def check_moving(reader: Reader) -> None:
    """The run has come to the other server."""
    assert "0 not sent" in reader.said["sashiko push sashiko --to https://api.wandb.ai --only RUN"]


def check_programs(reader: Reader) -> None:
    """The answers have the fields that the page lists, and an error looks as it is printed."""
    table = pages.text("AGENTS.md")
    for name in ANSWERS:
        answer = json.loads((reader.lab.folder / f"{name}.json").read_text())
        (told,) = re.findall(rf"^\| `{name}\.json` \| (.*) \|$", table, re.MULTILINE)
        fields = set(re.findall(r"`(\w+)`", told))
        assert fields <= set(answer[0] if name == "plan" else answer), name
    line = next(line for line in pages.lines("AGENTS.md") if "nothing.yaml" in line)
    found = json.loads(reader.said[line].splitlines()[0])["error"]
    (printed,) = pages.blocks("AGENTS.md", "json")
    shown = json.loads(printed)["error"]
    assert found.keys() == shown.keys()
    assert (found["kind"], found["exit_code"]) == (shown["kind"], shown["exit_code"])


CHECKS = {
    "README.md": check_readme,
    "docs/your-own-experiment.md": check_own_experiment,
    "docs/reproduce.md": check_again,
    "docs/moving.md": check_moving,
    "AGENTS.md": check_programs,
}


def test_results_come_back_to_python(reader: Reader):
    """The block of docs/results.md, of a sweep that was worked above."""
    reader.exports = []
    reader.do("sashiko sweep sweeps/penalty.yaml --workers 2 --json > penalty.json")
    sweep = json.loads((reader.lab.folder / "penalty.json").read_text())["sweep"]
    reader.do("sashiko run tabular --data.name iris --model linear --seed 3 --json > iris.json")
    (block,) = pages.blocks("docs/results.md", "python")
    block = block.replace("me/lab/abc123", sweep.rsplit("/", 1)[0]).replace('"loss"', '"val/cross_entropy"')
    script = block.replace('"per_class"', '"timing"') + "\nprint(len(runs), len(rows), len(table))\n"
    (reader.lab.folder / "read.py").write_text(script)
    reader.exports = ['eval "$(sashiko env)"']
    reader.do("python read.py")
    runs, rows, table = (int(word) for word in reader.said["python read.py"].split()[-3:])
    assert runs >= 21
    assert rows > 0
    assert table > 0
