"""A lab's server as its members meet it: TLS, keys of their own, shared projects; with the real client."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from launch.server import find_server
from tests.protocol.clients import Client
from tests.protocol.conftest import Lab, Server, newest_only, shown

pytestmark = [pytest.mark.slow, newest_only]  # who may do what is the server's; a client only sends a key

LOG = """
with wandb.init(entity=sys.argv[1], project="shared", id=sys.argv[2]) as run:
    run.log({"x": 1})
    run.log_artifact(wandb.Artifact("set", "data", metadata={"by": sys.argv[2]}))
"""
READ = """
api = wandb.Api()
runs = sorted(run.id for run in api.runs(sys.argv[1] + "/shared"))
tell([api.default_entity, runs, [p.name for p in api.projects(sys.argv[1])]])
"""


@dataclass
class Place:
    """A server behind TLS, and what its members need."""

    server: Server
    url: str
    authority: Path
    folder: Path
    client: Client

    def serve(self, *words: str) -> str:
        command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(self.server.directory), *words]
        return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout

    def member(self, name: str, *, add: bool = True) -> "Member":
        told = self.serve("user", "add" if add else "key", name, *([] if add else ["--read-only"]))
        found = re.search(r"once: (\w+)", told)
        assert found
        home = self.folder / f"{name}{add}"
        home.mkdir()
        return Member(home, self.server, self.client, "shared", self.url, found[1], self.authority)


@dataclass(frozen=True)
class Member(Lab):
    """Somebody on a machine that trusts the lab's certificate authority."""

    authority: Path

    def environment(self) -> dict[str, str]:
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(self.authority))
        return super().environment() | trust


@pytest.fixture
def place(tmp_path: Path, client: Client) -> Iterator[Place]:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    found = Place(Server(tmp_path / "state"), "", tmp_path / "authority.pem", tmp_path, client)
    found.serve("user", "add", "first")
    command = [
        sys.executable, "-m", "launch.cli", "serve", "--dir", str(tmp_path / "state"), "--port", "0",
        "--url", "https://localhost", "--certificate", str(tmp_path / "certificate.pem"),
        "--private-key", str(tmp_path / "key.pem"),
    ]  # fmt: skip
    with (tmp_path / "state.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert "others log in with: wandb login --host https://localhost," in lines[1], found.server.log()
        port = re.search(r"listening on port (\d+)", lines[0])
        assert port, lines
        found.url = f"https://localhost:{port[1]}"
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_members_of_a_lab_share_a_project_over_tls(place: Place) -> None:
    north, south = place.member("north"), place.member("south")
    north.python(LOG, "north", "r1")
    assert shown(north.python(READ, "north")) == ["north", ["r1"], ["shared"]]
    assert "r2" not in south.python(READ, "north", check=False)
    place.serve("user", "share", "north/shared", "south", "--role", "write")
    south.python(LOG, "north", "r2")
    assert shown(south.python(READ, "north")) == ["south", ["r1", "r2"], ["shared"]]
    reader = place.member("north", add=False)
    assert shown(reader.python(READ, "north"))[1] == ["r1", "r2"]
    refusal = reader.python(LOG, "north", "r3", check=False)
    assert "may only read" in refusal
    place.serve("user", "revoke", "south")
    assert "r1" not in south.python(READ, "north", check=False)
    assert find_server(place.server.directory) is not None


QUOTA = """
def failed(work):
    try:
        work()
    except Exception as error:
        return str(error)
def another():
    with wandb.init(id="two"):
        pass
def version():
    made = wandb.Artifact("set", "data")
    with made.new_file("x") as file:
        file.write("y" * 300)
    with wandb.init(id="r1", resume="must") as run:
        run.log_artifact(made).wait()
tell([failed(another), failed(version)])
"""


def test_the_client_shows_that_a_quota_is_reached(place: Place) -> None:
    north = place.member("north")
    north.python(LOG, "north", "r1")
    place.serve("quota", "north", "--runs", "1", "--bytes", "10")
    runs, size = shown(north.python(QUOTA))
    assert "north keeps 1 runs, and the quota is 1; north keeps" in runs
    assert "the quota is 10 B: delete some" in runs
    assert "the quota is 10 B" in size
