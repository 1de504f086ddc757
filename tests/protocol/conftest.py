"""A real server in a process of its own, and the real `wandb` client in others, at each tested version.

A test that asks for `lab` (or for `client`) runs once for each version. Where one is enough, the test is marked
with `newest_only` and says why.
"""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from launch.server import ServerInfo, clients, find_server
from tests.protocol.clients import Client, client_of

SERVE = """
import logging, sys
from pathlib import Path
from launch.server import Address, serve
logging.basicConfig(level=logging.WARNING)
serve(Path(sys.argv[1]), Address(port=int(sys.argv[2])), on_ready=lambda info: print(info.url, flush=True))
"""
PRELUDE = """
import json, os, sys, time, wandb
project = os.environ["WANDB_PROJECT"]
path = f"local/{{project}}"
NEWEST = {newest}
def tell(value):
    print("RESULT " + json.dumps(value, default=dict), flush=True)
"""
"""What every script begins with. A run without a project goes into the one that the test has for itself."""
SECONDS = 120
QUICK = {
    "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
    "WANDB_X_DISABLE_STATS": "true",
    "WANDB_X_DISABLE_META": "true",
    "WANDB_X_DISABLE_MACHINE_INFO": "true",
    "WANDB_X_SAVE_REQUIREMENTS": "false",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_DISABLE_CODE": "true",
}
"""What makes a run start in 0.03 s instead of half a second. A test that is about one of these turns it on."""

newest_only = pytest.mark.parametrize("client", [clients.NEWEST], indirect=True)


@dataclass
class Server:
    """A server process that can be killed and started again on the same folder and port."""

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> "Server":
        with (self.directory.parent / f"{self.directory.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(self.directory), str(self.port)],
                stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **self.environment},
            )  # fmt: skip
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        assert url, self.log()
        self.port = int(url.rsplit(":", 1)[1])
        return self

    @property
    def info(self) -> ServerInfo:
        found = find_server(self.directory)
        assert found is not None
        return found

    def log(self) -> str:
        return (self.directory.parent / f"{self.directory.name}.log").read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.communicate(timeout=30)
            self.process = None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server") / "state").start()
    yield running
    running.end()


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes a run for crashed after two silent seconds."""
    running = Server(tmp_path_factory.mktemp("impatient") / "state", {"SASHIKO_LEASE_SECONDS": "2"}).start()
    yield running
    running.end()


@pytest.fixture
def exporting(tmp_path: Path) -> Iterator[Server]:
    """A server that offers the histories of ended runs as Parquet."""
    running = Server(tmp_path / "exporting" / "state", {"SASHIKO_PARQUET": "1"})
    running.directory.parent.mkdir()
    yield running.start()
    running.end()


@contextmanager
def served(directory: Path, *options: str) -> Iterator[tuple[Server, str]]:
    """A server that `sashiko serve` runs with these options on a free port, and the key of its user north."""
    command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(directory)]
    added = subprocess.run(
        [*command, "user", "add", "north"], capture_output=True, text=True, check=True, timeout=60
    )
    running = Server(directory)
    with (directory.parent / f"{directory.name}.log").open("w") as log:
        running.process = subprocess.Popen(
            [*command, "--port", "0", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert running.process.stdout is not None
        port = re.search(r"listening on port (\d+)", running.process.stdout.readline())
        assert port, running.log()
        running.port = int(port[1])
        yield running, added.stdout.split()[-1]
    finally:
        running.end()


@dataclass(frozen=True)
class Lab:
    """A folder with an environment in which only the client's own files are, and nothing of this machine."""

    folder: Path
    server: Server
    client: Client
    project: str
    url: str
    key: str

    @property
    def path(self) -> str:
        """The test's own project, with the entity of the server's owner."""
        return f"local/{self.project}"

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        places = {f"WANDB_{name}_DIR": str(self.folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        return {
            **kept,
            **places,
            **QUICK,
            "PATH": f"{self.client.python.parent}{os.pathsep}{kept.get('PATH', '')}",
            "NETRC": str(self.folder / "netrc"),
            "WANDB_DIR": str(self.folder),
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_PROJECT": self.project,
            "WANDB_ERROR_REPORTING": "false",
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
        }

    def wandb(self, *arguments: str, check: bool = True, stdin: str = "", **environment: str) -> str:
        """Run the command line client; what it printed."""
        return self._run(["-m", "wandb", *arguments], check, stdin, environment)

    def python(self, code: str, *arguments: str, check: bool = True, **environment: str) -> str:
        """Run a script; what it printed, to both streams. An empty value takes a variable away."""
        return self._run(["-c", self.script(code), *arguments], check, "", environment)

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script in the background."""
        return subprocess.Popen(
            [str(self.client.python), "-c", self.script(code), *arguments],
            cwd=self.folder, env=self.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def script(self, code: str) -> str:
        return PRELUDE.format(newest=self.client.is_newest) + textwrap.dedent(code)

    def _run(self, words: list[str], check: bool, stdin: str, environment: dict[str, str]) -> str:
        whole = {name: value for name, value in (self.environment() | environment).items() if value}
        done = subprocess.run(
            [str(self.client.python), *words], cwd=self.folder, env=whole,
            input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{done.stdout}\n--- server\n{self.server.log()}"
        return done.stdout


@pytest.fixture(params=clients.TESTED)
def client(request: pytest.FixtureRequest) -> Client:
    """One of the tested versions of the client."""
    return client_of(request.param)


LabFor = Callable[[Server], Lab]


@pytest.fixture
def lab_for(client: Client, tmp_path: Path, request: pytest.FixtureRequest) -> LabFor:
    """What makes the lab of a server. The project is the test's own: the servers are shared."""
    function = request.function.__name__.removeprefix("test_")
    project = re.sub(r"\W", "-", f"{function}-{client.version}")
    return lambda server: Lab(tmp_path, server, client, project, server.info.url, server.info.key)


@pytest.fixture
def lab(server: Server, lab_for: LabFor) -> Lab:
    return lab_for(server)


def shown(output: str) -> Any:
    """What a script told, on its line that starts with `RESULT `, as Python."""
    import json

    [line] = [text for text in output.splitlines() if text.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask until the answer is true; that answer."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found
