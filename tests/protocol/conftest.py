"""A real server in a process of its own, and the real `wandb` client in others."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from launch.server import ServerInfo, find_server

SERVE = """
import logging, sys
from pathlib import Path
from launch.server import Address, serve
logging.basicConfig(level=logging.WARNING)
serve(Path(sys.argv[1]), Address(port=int(sys.argv[2])), on_ready=lambda info: print(info.url, flush=True))
"""
SECONDS = 120


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


@dataclass(frozen=True)
class Lab:
    """A folder with an environment in which only the client's own files are, and nothing of this machine."""

    folder: Path
    server: Server
    url: str
    key: str

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        places = {f"WANDB_{name}_DIR": str(self.folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        return {
            **kept,
            **places,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "NETRC": str(self.folder / "netrc"),
            "WANDB_DIR": str(self.folder),
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def wandb(self, *arguments: str, check: bool = True, stdin: str = "", **environment: str) -> str:
        """Run the command line client; what it printed."""
        return self._run([sys.executable, "-m", "wandb", *arguments], check, stdin, environment)

    def python(self, code: str, *arguments: str, check: bool = True, **environment: str) -> str:
        """Run a script; what it printed, to both streams."""
        return self._run([sys.executable, "-c", textwrap.dedent(code), *arguments], check, "", environment)

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script in the background."""
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            cwd=self.folder, env=self.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _run(self, command: list[str], check: bool, stdin: str, environment: Mapping[str, str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environment(), **environment}, input=stdin, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{done.stdout}\n--- server\n{self.server.log()}"
        return done.stdout


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Lab:
    info = server.info
    return Lab(tmp_path, server, info.url, info.key)


def lab_for(server: Server, folder: Path) -> Lab:
    return Lab(folder, server, server.info.url, server.info.key)


def shown(output: str) -> Any:
    """What a script printed on its line that starts with `RESULT `, as Python."""
    import json

    [line] = [text for text in output.splitlines() if text.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))
