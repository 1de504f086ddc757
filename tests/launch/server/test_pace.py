"""Rate limits: a fast client is slowed to the rate, loses nothing, and slows nobody else."""

import base64
import time

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from launch.server.pace import MOST_SECONDS, Bucket, Pace


def waits(asked_at: list[float], rate: float, burst: int) -> list[float]:
    bucket = Bucket()
    return [bucket.take(now, rate, burst) for now in asked_at]


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    assert waits([100.0] * 6, rate=2.0, burst=3) == pytest.approx([0, 0, 0, 0.5, 1.0, 1.5])


def test_the_bucket_fills_again() -> None:
    assert waits([0.0] * 3 + [10.0] * 4, rate=2.0, burst=3) == pytest.approx([0, 0, 0, 0, 0, 0, 0.5])


def test_at_the_rate_nobody_waits() -> None:
    assert waits([index / 5 for index in range(100)], rate=5.0, burst=1) == pytest.approx([0.0] * 100, abs=1e-9)


def test_in_the_long_run_no_more_pass_than_the_rate() -> None:
    """Against a slow twin: tokens counted one by one in small steps of time."""
    rate, burst = 4.0, 5
    asked = [0.05 * index for index in range(200)]  # 20 a second for 10 s
    served = sorted(now + wait for now, wait in zip(asked, waits(asked, rate, burst), strict=True) if wait <= 20)
    tokens, twin, waiting = float(burst), [], 0
    for tick in range(200_000):
        tokens = min(burst, tokens + rate / 4000)
        waiting += tick % 200 == 0 and tick // 200 < len(asked)
        while waiting and tokens >= 1:
            tokens, waiting = tokens - 1, waiting - 1
            twin.append(tick / 4000)
    assert served[:100] == pytest.approx(twin[:100], abs=0.01)


def test_what_would_wait_too_long_takes_no_token() -> None:
    bucket = Bucket()
    first = [bucket.take(0.0, 1.0, 1) for _ in range(int(MOST_SECONDS) + 5)]
    assert sum(wait <= MOST_SECONDS for wait in first) == int(MOST_SECONDS) + 1
    assert bucket.take(1.0, 1.0, 1) == MOST_SECONDS


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _call(app: Pace, key: str, times: list[tuple[str, int, float]], peer: str = "10.0.0.1") -> object:
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    scope = {"type": "http", "headers": headers, "client": (peer, 1)}

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            times.append((key or peer, message["status"], time.monotonic()))

    return app(scope, receive, send)


def test_each_key_has_its_own_bucket_and_all_get_an_answer() -> None:
    app = Pace(_answer, rate=20.0, burst=2)
    times: list[tuple[str, int, float]] = []

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(_call, app, "fast", times)  # type: ignore[arg-type]
            tasks.start_soon(_call, app, "calm", times)  # type: ignore[arg-type]
            tasks.start_soon(_call, app, "", times)  # type: ignore[arg-type]

    start = time.monotonic()
    anyio.run(run)
    fast = sorted(moment - start for key, _, moment in times if key == "fast")
    assert [status for _, status, _ in times] == [200] * 10
    assert fast[-1] >= 6 / 20 - 0.01
    assert next(moment - start for key, _, moment in times if key == "calm") < fast[-1]


def test_beyond_that_the_client_is_told_when_to_come_back() -> None:
    app = Pace(_answer, rate=0.01, burst=1)
    times: list[tuple[str, int, float]] = []

    async def run() -> None:
        await _call(app, "k", times)  # type: ignore[misc]
        await _call(app, "k", times)  # type: ignore[misc]

    anyio.run(run)
    assert [status for _, status, _ in times] == [200, 429]


def test_a_key_is_one_key_under_whatever_user_name() -> None:
    pace = Pace(_answer, rate=1.0)

    def bucket(header: str) -> object:
        return pace._bucket({"type": "http", "headers": [(b"authorization", header.encode())]})

    def basic(name: str) -> str:
        return "Basic " + base64.b64encode(f"{name}:key".encode()).decode()

    assert bucket(basic("a")) is bucket(basic("b")) is bucket("Bearer key")
    assert bucket(basic("a")) is not bucket("Bearer other")
