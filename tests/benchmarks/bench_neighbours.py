"""How long a run waits for its rows to be taken while many agents wait for Bayesian draws of another sweep."""

import base64
import http.client
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from launch.server import find_server
from launch.server.storage import open_store
from launch.server.wire import gid
from tests.benchmarks.bench_search import BEAT, prepare
from tests.benchmarks.servers import free_port, running

TRIALS, AGENTS, SECONDS, PAUSE = 1_000, 60, 20.0, 0.05
TARGET_MS = 50.0


def measure() -> list[dict[str, Any]]:
    """The 99th percentile of a row's way there and back: alone, and beside the agents, in one run."""
    with tempfile.TemporaryDirectory() as text:
        folder, port = Path(text), free_port()
        state = folder / "state"
        state.mkdir()
        store = open_store(state / "server.db")
        with store.write() as tables:
            agents = prepare(tables, "bayes", -1, TRIALS, AGENTS)
            project, _ = tables.projects.make("other", 1)
            tables.runs.add(project["id"], "r", display_name="r", state="running", started=1)
        store.close()
        command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(state), "--port", str(port)]
        with running(command, folder, port):
            info = find_server(state)
            if info is None:
                raise RuntimeError("the embedded server does not answer")
            alone = _rows(port, info.key, SECONDS / 4)
            stop = threading.Event()
            drawn: list[float] = []
            threads = [
                threading.Thread(target=_ask, args=(port, info.key, agent, stop, drawn)) for agent in agents
            ]
            for thread in threads:
                thread.start()
            time.sleep(1)
            beside = _rows(port, info.key, SECONDS)
            stop.set()
            for thread in threads:
                thread.join()
    found = _percentile(beside, 0.99)
    return [
        {
            "name": f"a row's way there and back beside {AGENTS} agents that wait for draws ({TRIALS:,} trials)",
            "measured": f"{found:.0f} ms at the 99th percentile, {max(beside):.0f} at most of {len(beside)};"
            f" alone {_percentile(alone, 0.99):.0f}; {len(drawn)} draws meanwhile",
            "target": f"< {TARGET_MS:.0f} ms at the 99th percentile",
            "reached": found < TARGET_MS,
        }
    ]


def _rows(port: int, key: str, seconds: float) -> list[float]:
    """Milliseconds that each row took, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        row = json.dumps({"loss": 0.5, "_step": len(took)})
        files = {"wandb-history.jsonl": {"offset": len(took), "content": [row]}}
        start = time.perf_counter()
        _post(connection, "/files/local/other/r/file_stream", {"files": files}, key)
        took.append(1e3 * (time.perf_counter() - start))
        time.sleep(PAUSE)
    return took


def _ask(port: int, key: str, agent: int, stop: threading.Event, drawn: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    while not stop.is_set():
        variables = {"id": gid("Agent", agent), "runState": "{}"}
        if b"run_id" in _post(connection, "/graphql", {"query": BEAT, "variables": variables}, key):
            drawn.append(time.monotonic())


def _post(connection: http.client.HTTPConnection, path: str, body: Any, key: str) -> bytes:
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body).encode(), headers)
    return connection.getresponse().read()


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
