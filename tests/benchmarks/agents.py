"""Simulated agents: each works a point of one sweep, with a heartbeat now and then and rows now and then.

All of them live in one process, each with a connection of its own that is kept, as that of the real client is.
"""

import asyncio
import base64
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from launch.server.instance import ServerInfo

BEAT_S, ROWS_S, ROWS = 5.0, 15.0, 15
"""Seconds between heartbeats and between batches of rows, and rows of a batch."""
SWEEP = 'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "many"}) { sweep { name } } }'
AGENT = (
    'mutation A($s: String!) { createAgent(input: {host: "h", sweep: $s, projectName: "many"}) { agent { id } } }'
)
BEAT = """mutation H($id: ID!, $runs: JSONString) {
  agentHeartbeat(input: {id: $id, metrics: "{}", runState: $runs}) { commands } }"""
BEGIN = """mutation U($name: String, $config: JSONString) {
  upsertBucket(input: {name: $name, modelName: "many", config: $config}) { bucket { id } } }"""


@dataclass
class Seen:
    """What the agents saw: milliseconds of heartbeats and of batches, and what was not as it should be."""

    beats: list[float] = field(default_factory=list)
    batches: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slowed: int = 0


class Connection:
    """One connection to the server."""

    def __init__(self, server: ServerInfo) -> None:
        self._port = server.port
        basic = base64.b64encode(f"api:{server.key}".encode()).decode()
        self._head = (
            f"Host: 127.0.0.1:{server.port}\r\nAuthorization: Basic {basic}\r\nContent-Type: application/json"
        )

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: Any) -> tuple[int, bytes]:
        """Send JSON; status and body of the reply."""
        try:
            return await self._post(path, json.dumps(body).encode())
        except (ConnectionError, asyncio.IncompleteReadError):  # the server closed what was idle
            self.close()
            await self.open()
            return await self._post(path, json.dumps(body).encode())

    async def _post(self, path: str, data: bytes) -> tuple[int, bytes]:
        self._writer.write(
            f"POST {path} HTTP/1.1\r\n{self._head}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        return int(head.split(" ", 2)[1]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


class Agent:
    """One agent with its run."""

    def __init__(self, server: ServerInfo, seen: Seen) -> None:
        self._line, self._seen = Connection(server), seen
        self._id = self._run = ""
        self._sent = 0

    async def work(self, sweep: str, ramp: float, until: float) -> None:
        """Begin within `ramp` seconds, and work until a time (of the steady clock)."""
        await asyncio.sleep(random.random() * ramp)
        await self._line.open()
        try:
            await self._begin(sweep)
            next_rows = time.monotonic() + random.random() * ROWS_S
            while time.monotonic() < until:
                start = time.monotonic()
                await self._beat()
                if time.monotonic() >= next_rows:
                    await self._rows()
                    next_rows += ROWS_S
                await asyncio.sleep(max(0.0, start + BEAT_S - time.monotonic()))
        except (OSError, asyncio.IncompleteReadError) as error:
            self._seen.wrong.append(f"connection: {error!r}")
        finally:
            self._line.close()

    async def _ask(self, query: str, **variables: Any) -> Any:
        status, body = await self._line.post("/graphql", {"query": query, "variables": variables})
        if status in (429, 503):
            self._seen.slowed += 1
            return None
        if status != 200:
            self._seen.wrong.append(f"{status}: {body[:200]!r}")
            return None
        return json.loads(body)["data"]

    async def _begin(self, sweep: str) -> None:
        made = await self._ask(AGENT, s=sweep)
        self._id = made["createAgent"]["agent"]["id"]
        while not self._run:
            told = await self._ask(BEAT, id=self._id, runs="{}")
            commands = json.loads(told["agentHeartbeat"]["commands"]) if told else []
            if commands and commands[0]["type"] == "run":
                self._run = commands[0]["run_id"]
                config = commands[0]["args"]
                await self._ask(BEGIN, name=self._run, config=json.dumps(config))
            else:
                await asyncio.sleep(1)

    async def _beat(self) -> None:
        start = time.perf_counter()
        told = await self._ask(BEAT, id=self._id, runs=json.dumps({self._run: True}))
        self._seen.beats.append(1e3 * (time.perf_counter() - start))
        if told is not None and json.loads(told["agentHeartbeat"]["commands"]):
            self._seen.wrong.append(f"{self._run}: was told {told['agentHeartbeat']['commands']}")

    async def _rows(self) -> None:
        content = [
            json.dumps({"_step": step, **{f"m{key}": random.random() for key in range(5)}})
            for step in range(self._sent, self._sent + ROWS)
        ]
        files = {"wandb-history.jsonl": {"offset": self._sent, "content": content}}
        start = time.perf_counter()
        status, body = await self._line.post(f"/files/local/many/{self._run}/file_stream", {"files": files})
        self._seen.batches.append(1e3 * (time.perf_counter() - start))
        if status == 200:
            self._sent += ROWS
        elif status in (429, 503):
            self._seen.slowed += 1
        else:
            self._seen.wrong.append(f"{status}: {body[:200]!r}")


async def crowd(server: ServerInfo, count: int, seconds: float, ramp: float) -> Seen:
    """So many agents for so long, after they have begun within `ramp` seconds; what they saw."""
    seen = Seen()
    line = Connection(server)
    await line.open()
    definition = f"method: grid\nprogram: train.py\nparameters:\n  x: {{values: {[*range(count)]}}}\n"
    _, body = await line.post("/graphql", {"query": SWEEP, "variables": {"c": definition}})
    sweep = json.loads(body)["data"]["upsertSweep"]["sweep"]["name"]
    until = time.monotonic() + ramp + seconds
    await asyncio.gather(*(Agent(server, seen).work(sweep, ramp, until) for _ in range(count)))
    line.close()
    return seen
