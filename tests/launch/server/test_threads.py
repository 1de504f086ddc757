"""Work that waits keeps no other work waiting, and long work is done elsewhere."""

import os
import threading
import time

import anyio
import pytest
from anyio import to_thread

from launch.server.threads import CALLS, ROWS, Threads, elsewhere


def pid_and(value: int) -> tuple[int, int]:
    return os.getpid(), value


def dies(parent: int) -> int:
    if os.getpid() != parent:
        os._exit(3)
    return parent


def fails(value: int) -> int:
    raise ValueError(f"not {value}")


def test_rows_go_on_while_every_agent_waits_and_everybody_reads() -> None:
    async def scene() -> float:
        threads, gate = Threads(), threading.Event()
        took = 0.0
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS + 20):
                tasks.start_soon(threads.for_calls, gate.wait)
                tasks.start_soon(threads.for_reads, gate.wait)
            await anyio.sleep(0.3)
            start = time.monotonic()
            with anyio.fail_after(30):  # for ever, if they shared threads
                for _ in range(3 * ROWS):
                    await threads.for_rows(time.time)
            took = time.monotonic() - start
            gate.set()
        return took

    assert anyio.run(scene) < 30


def test_long_work_is_done_in_another_process() -> None:
    async def scene() -> tuple[int, int]:
        return await to_thread.run_sync(elsewhere, pid_and, 5)

    pid, value = anyio.run(scene)
    assert value == 5
    assert pid != os.getpid()


def test_it_is_done_here_where_there_is_no_server_or_the_process_dies() -> None:
    assert elsewhere(pid_and, 5) == (os.getpid(), 5)

    async def scene() -> int:
        return await to_thread.run_sync(elsewhere, dies, os.getpid())

    assert anyio.run(scene) == os.getpid()


def test_what_goes_wrong_there_is_told_here() -> None:
    async def scene() -> int:
        return await to_thread.run_sync(elsewhere, fails, 7)

    with pytest.raises(ValueError, match="not 7"):
        anyio.run(scene)
