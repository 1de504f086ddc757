"""One of the other ranks of a run: does what the first rank does, beside it, and ends with it.

    python -m launch.rank

So it is started on another node than the first rank; on that of the first it is a fork (`ranks.py`). What to do
comes as one line of JSON on standard input. A connection to the first rank carries how this one ends;
when it breaks, the first rank is gone, and this process ends at once.
"""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from framework.errors import Interrupted
from launch import client_service, scratch
from launch.child import STOPPING
from launch.ranks import keep_alive
from launch.slots import VISIBLE


def main() -> None:
    """Work as a rank; the exit code is 0, or 1 if it failed."""
    begin(json.loads(sys.stdin.readline()))


def begin(told: Mapping[str, Any]) -> NoReturn:
    """Work as the rank that `told` says, in this process, which ends with it."""
    for stopping in STOPPING:
        signal.signal(stopping, signal.SIG_IGN)
    number = told["rank"] if "rank" in told else _number_in_job(told["per_node"])
    if "rank" not in told:
        _take_gpu()
    client_service.forget_inherited(os.environ)
    os.environ.update(client_service.LIGHT_CLIENT)
    with scratch.folder() as folder:
        connection = socket.create_connection((told["address"], told["port"]))
        keep_alive(connection)
        threading.Thread(target=_end_with, args=(connection, folder), daemon=True).start()
        code = _work(told, number, connection, folder)
    _leave(code)


def _number_in_job(per_node: int) -> int:
    """Which rank this is, of those that `srun` has started: the first node is not among theirs."""
    return per_node * (1 + int(os.environ["SLURM_NODEID"])) + int(os.environ["SLURM_LOCALID"])


def _take_gpu() -> None:
    """See one of the GPUs that the job has here as the only one."""
    gpus = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    if gpus:
        os.environ[VISIBLE] = gpus[int(os.environ["SLURM_LOCALID"]) % len(gpus)]


def _end_with(connection: socket.socket, folder: Path) -> None:
    """End this process when the first rank is gone."""
    try:
        while connection.recv(1):
            pass
    except OSError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    _leave(1)


def _leave(code: int) -> NoReturn:
    """End without any exit handler: one could wait for ranks that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _work(told: Mapping[str, Any], number: int, connection: socket.socket, folder: Path) -> int:
    """Do the work, and say how it ended."""
    from framework.training.ranks import world

    def say(**facts: Any) -> None:
        connection.sendall(json.dumps(facts).encode() + b"\n")

    hello = {"token": told["token"], "rank": number, "host": _host(), "pid": os.getpid()}
    try:
        try:
            work = _prepared(told, folder)
        finally:
            say(**hello)  # when it can begin, or to say why it cannot
        work(number)
    except Interrupted:  # it has left with the first one
        pass
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        say(error=text, is_lost=world.is_lost(error))
        return 1
    say(done=True)
    return 0


def _host() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def _prepared(told: Mapping[str, Any], folder: Path) -> Any:
    """The work, with all that it needs imported: what joins as a rank, and does it."""
    from torch._C._distributed_c10d import TCPStore

    from experiments import manager_of
    from framework.tracking.lineage import Version
    from framework.tracking.run import Identity
    from framework.tracking.stand_in import StandIn
    from framework.training.ranks import world

    manager = manager_of(told["experiment"])
    manager.warm()
    config = manager.config.parse(told["config"])
    place = folder / "run"
    place.mkdir()

    def work(number: int) -> None:
        store = TCPStore(told["address"], told["store"], told["size"], is_master=False, timeout=world.WAITS)
        world.join(store, number, told["size"])
        count = 0

        def used() -> Version:
            nonlocal count
            count += 1
            return Version(**json.loads(store.get(f"used/{count - 1}")))

        manager.run(config, StandIn(config, Identity(**told["identity"]), place, used, url=told["url"]))

    return work


if __name__ == "__main__":
    main()
