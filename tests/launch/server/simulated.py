"""The embedded server in process, on clocks that move when told to, spoken to as real agents speak to it.

Nothing sleeps here: time passes by `pass_by`, and the server looks for lost runs when told to. For longer runs of
the machines that use it: `SASHIKO_EXAMPLES=5000 python -m pytest tests -k machine`.
"""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings

from framework.errors import TrackerError, TrackerGone
from framework.tracking.tracker import Tracker
from launch.server import app
from launch.server.clock import Clock
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY

OPTIONS = ServeOptions(lease_seconds=60.0, grace_seconds=15.0)
AUTH = base64.b64encode(f"api:{KEY}".encode()).decode()
LEASE, GRACE, TICK = OPTIONS.lease_seconds, OPTIONS.grace_seconds, OPTIONS.tick_seconds
MORE = os.environ.get("SASHIKO_EXAMPLES")
DELETE = "mutation D($id: ID!) { deleteRun(input: {id: $id}) { success } }"
STOP = "mutation S($id: ID!) { stopRun(input: {id: $id}) { success } }"
RUN = 'query R($n: String!) { project(name: "p") { run(name: $n) { id state } } }'
BEGIN = """mutation U($name: String, $config: JSONString) {
  upsertBucket(input: {name: $name, modelName: "p", config: $config}) { bucket { id } } }"""


def machine_settings(examples: int, steps: int) -> settings:
    """The same examples each time, and another, larger lot where `SASHIKO_EXAMPLES` says how many."""
    return settings(
        derandomize=MORE is None,
        max_examples=int(MORE or examples),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # a failure is told as it was found: to shorten it takes minutes
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Direct(Tracker):
    """A tracker whose requests go straight into the application."""

    client: Client | None = None

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        assert self.client is not None
        reply = self.client.post(path, json=body, headers={"Authorization": f"Basic {AUTH}"})
        if reply.status_code != 200:
            kind = TrackerGone if reply.status_code == 410 else TrackerError
            raise kind(f"answered {reply.status_code}: {reply.text}")
        found: dict[str, Any] = reply.json()
        return found


class House:
    """A server, its folder and its clocks."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 50.0
        self.folder = Path(tempfile.mkdtemp(prefix="sashiko-house-"))
        self._patch = mock.patch("launch.server.storage.runs.time", SimpleNamespace(time=lambda: self.wall))
        self._patch.start()
        self._open()

    def _open(self) -> None:
        opened = Services.open(self.folder, KEY, b"secret", OPTIONS)
        clock = Clock(OPTIONS.pause_seconds, lambda: self.wall, lambda: self.steady)
        self.services = replace(opened, clock=clock)
        self.client = Client(app.make_app(self.services))
        self.tracker = Direct("http://127.0.0.1", KEY, client=self.client)

    def close(self) -> None:
        self._patch.stop()
        self.services.close()
        shutil.rmtree(self.folder)

    def restart(self, away: float) -> None:
        """The server is killed, and started again after so many seconds."""
        self.services.close()
        self.pass_by(away)
        self._open()

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def tick(self) -> None:
        """The server looks for lost runs, as it does by itself."""
        app._expire_once(self.services)

    # --- what agents and people ask ------------------------------------------------------------------------------

    def begin(self, name: str, values: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
        config = {**{key: {"value": value} for key, value in values.items()}, "sashiko": {"value": truth}}
        self.tracker.execute(BEGIN, {"name": name, "config": json.dumps(config)})

    def stream(self, name: str, **payload: Any) -> None:
        self.tracker.file_stream(f"local/p/{name}", payload)

    def by_id(self, query: str, name: str) -> None:
        """Delete or stop a run by its global id."""
        key = self.tracker.execute(RUN, {"n": name})["project"]["run"]["id"]
        self.tracker.execute(query, {"id": key})
