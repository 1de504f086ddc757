"""History rows taken in from 16 clients: the embedded server, MLflow's tracking server and trackio, side by side.

Every server gets the same rows in the same batches over HTTP, each client on a connection of its own, with bodies
that were written beforehand, so that the clients cost as little as can be. MLflow takes metrics one by one
(`runs/log-batch`, at most 1,000 a request), trackio rows (`/api/bulk_log`); ours takes `file_stream`, as the real
client sends it. MLflow and trackio live in an environment of their own, beside this one.
"""

import base64
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.servers import free_port, running

CLIENTS, BATCHES, ROWS = 16, 8, 100
KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "epoch")
TARGET = 5.0
BUSY, BUSY_S = 503, 0.05
RIVALS = Path(sys.prefix) / "rivals"


@dataclass(frozen=True)
class Sent:
    """One request."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def measure() -> list[dict[str, Any]]:
    """Rows a second of each server, and ours against the faster of the others."""
    make_rivals()
    rates = {name: rate(serve) for name, serve in (("ours", ours), ("MLflow", mlflow), ("trackio", trackio))}
    best = max(("MLflow", "trackio"), key=lambda name: rates[name])
    times = rates["ours"] / rates[best]
    shown = ", ".join(f"{name} {value:,.0f}" for name, value in rates.items())
    return [
        {
            "name": f"{CLIENTS * BATCHES * ROWS:,} history rows of {len(KEYS)} metrics from {CLIENTS} clients",
            "measured": f"{shown} rows a second; {times:.1f} times the faster one, {best}",
            "target": f">= {TARGET:.0f} times the faster one",
            "reached": times >= TARGET,
        }
    ]


Server = Callable[[Path], "contextlib.AbstractContextManager[tuple[int, list[list[Sent]]]]"]


def rate(serve: Server) -> float:
    """Rows a second that a server takes in."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder)) as (port, requests),
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        start = time.perf_counter()
        list(clients.map(_send, [port] * CLIENTS, requests))
        return CLIENTS * BATCHES * ROWS / (time.perf_counter() - start)


def _send(port: int, requests: list[Sent]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for sent in requests:
        status, text = _post(connection, sent)
        while status == BUSY:  # MLflow's database is locked now and then; its own client also tries again
            time.sleep(BUSY_S)
            status, text = _post(connection, sent)
        if status != 200:
            raise RuntimeError(f"{sent.path}: {status} {text[:300]!r}")
    connection.close()


def _post(connection: http.client.HTTPConnection, sent: Sent) -> tuple[int, bytes]:
    connection.request("POST", sent.path, sent.body, dict(sent.headers))
    reply = connection.getresponse()
    return reply.status, reply.read()


def _rows(batch: int) -> list[dict[str, float]]:
    first = batch * ROWS
    return [
        {"_step": step, **{key: (step + index) / 7 for index, key in enumerate(KEYS)}}
        for step in range(first, first + ROWS)
    ]


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[int, list[list[Sent]]]]:
    """The embedded server, and what the real client would send to it."""
    with servers.ours(folder / "state") as info:
        basic = base64.b64encode(f"api:{info.key}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
        query = 'mutation U($name: String) { upsertBucket(input: {name: $name, modelName: "p"}) { inserted } }'
        for client in range(CLIENTS):
            body = json.dumps({"query": query, "variables": {"name": f"r{client}"}}).encode()
            _send(info.port, [Sent("/graphql", body, headers)])
        yield (
            info.port,
            [[_stream(client, batch, headers) for batch in range(BATCHES)] for client in range(CLIENTS)],
        )


def _stream(client: int, batch: int, headers: Mapping[str, str]) -> Sent:
    content = [json.dumps(row) for row in _rows(batch)]
    files = {"wandb-history.jsonl": {"offset": batch * ROWS, "content": content}}
    return Sent(f"/files/local/p/r{client}/file_stream", json.dumps({"files": files}).encode(), headers)


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[tuple[int, list[list[Sent]]]]:
    """MLflow's tracking server on SQLite."""
    port = free_port()
    command = [
        str(RIVALS / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--default-artifact-root", str(folder / "files"),
    ]  # fmt: skip
    headers = {"Content-Type": "application/json"}
    with running(command, folder, port):
        names = []
        for _ in range(CLIENTS):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            body = json.dumps({"experiment_id": "0", "start_time": 1}).encode()
            connection.request("POST", "/api/2.0/mlflow/runs/create", body, headers)
            names.append(json.loads(connection.getresponse().read())["run"]["info"]["run_id"])
            connection.close()
        yield port, [[_log_batch(name, batch, headers) for batch in range(BATCHES)] for name in names]


def _log_batch(run: str, batch: int, headers: Mapping[str, str]) -> Sent:
    metrics = [
        {"key": key, "value": row[key], "timestamp": 1_700_000_000_000 + row["_step"], "step": row["_step"]}
        for row in _rows(batch)
        for key in KEYS
    ]
    body = json.dumps({"run_id": run, "metrics": metrics}).encode()
    return Sent("/api/2.0/mlflow/runs/log-batch", body, headers)


@contextlib.contextmanager
def trackio(folder: Path) -> Iterator[tuple[int, list[list[Sent]]]]:
    """trackio's own server, with rows as its client sends them."""
    port = free_port()
    settings = {
        "GRADIO_SERVER_PORT": str(port), "TRACKIO_DIR": str(folder / "trackio"), "TRACKIO_WRITE_TOKEN": "t" * 32,
        "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    headers = {"Content-Type": "application/json", "x-trackio-write-token": "t" * 32}
    with running([str(RIVALS / "bin" / "trackio"), "show", "--host", "127.0.0.1"], folder, port, **settings):
        yield port, [[_bulk_log(client, batch, headers) for batch in range(BATCHES)] for client in range(CLIENTS)]


def _bulk_log(client: int, batch: int, headers: Mapping[str, str]) -> Sent:
    logs = [
        {
            "project": "p", "run": f"r{client}", "run_id": f"r{client}", "step": row["_step"], "config": None,
            "metrics": {key: row[key] for key in KEYS}, "log_id": f"{client}-{row['_step']}",
        }
        for row in _rows(batch)
    ]  # fmt: skip
    return Sent("/api/bulk_log", json.dumps({"kwargs": {"logs": logs, "hf_token": None}}).encode(), headers)


def make_rivals() -> None:
    """Make the environment of MLflow and trackio, unless it is there."""
    if (RIVALS / "installed").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(RIVALS)], check=True)
    pip = [str(RIVALS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "mlflow>=3", "trackio"], check=True)
    (RIVALS / "installed").touch()
