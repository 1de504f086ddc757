"""The other ranks of a run that several processes work: started by the first, watched by it, ended with it.

The first rank is a worker's child, with the W&B run. It forks the ranks of its own machine, before it has a run or
a thread: what the worker has imported they need not import again. It starts those of the other nodes of its Slurm
job with one `srun` in the job's allocation. All are told what to do by a pipe; then each keeps a connection to the
first. Its end is the end of the rank: a rank whose first one is gone ends at once, and the first one notices at
once that a rank has died, on whatever node, however.

A rank that fails makes the run fail with its error. The first rank may then wait for the dead one where no
exception reaches it, within NCCL for instance: if it has not come to its end some seconds later, it is ended, and
the worker closes its run.

Knows processes and nodes; what the ranks compute is not known here, but for how they find one another.
"""

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from framework.errors import ClusterError, RankFailed
from launch import child, slurm
from launch.slots import VISIBLE
from launch.team import Team

if TYPE_CHECKING:
    from framework.tracking.run import Run

LOOK_S = 0.2
JOINS_S = 300.0
"""How long a rank may take to start: to import what it needs, from a slow file system perhaps."""
SETTLES_S = 3.0
"""How long what the others have to say is waited for, when one says that it lost another."""
LETS_GO_S = 6.0
"""How long the first rank may take to notice by itself that another one has failed."""
ENDS_S = 10.0
QUIET = ("sh", "-c", "trap '' INT TERM USR2; exec \"$@\"", "rank")
"""A rank hears no signal from its first moment on: the first rank does, and a cluster may signal every process."""
KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4))
"""A machine that is gone says nothing: after half a minute its connection is taken for ended."""


@dataclass
class Rank:
    """What the first rank knows of another one."""

    number: int
    host: str = ""
    pid: int = 0
    is_there: bool = False
    is_done: bool = False
    received: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return (
            f"rank {self.number} (process {self.pid} on {self.host})" if self.is_there else f"rank {self.number}"
        )


@contextlib.contextmanager
def beside(team: Team) -> Iterator["Others | None"]:
    """Meanwhile the ranks of this machine are there, forked before this process has a run or a thread.

    None for a team of one.

    Raises:
        ClusterError: Slurm does not say where this node is.
    """
    if team.size == 1:
        yield None
        return
    others = Others(team, "127.0.0.1" if team.nodes == 1 else address_of_node())
    try:
        others.fork(_take_gpu())
        yield others
    finally:
        others.end()


@contextlib.contextmanager
def leading(others: "Others | None", experiment: str, run: "Run") -> Iterator[None]:
    """Meanwhile the other ranks do the same as this process, which has joined them as the first.

    Raises:
        RankFailed: one of them failed or died; with its error.
    """
    if others is None:
        yield
        return
    from torch._C._distributed_c10d import TCPStore

    from framework.training.ranks import world

    size = others.team.size
    store = TCPStore(others.address, 0, size, is_master=True, wait_for_workers=False, timeout=world.WAITS)
    try:
        others.start({**_told(experiment, run), "store": store.port})
        others.wait_until_there()
        world.join(store, 0, size)
        run.tell_use = _Board(store).tell
        yield
        others.wait_until_done()
    except Exception as error:
        why = others.why(is_waited_for=world.is_lost(error))
        if why is None or isinstance(error, RankFailed):
            raise
        raise RankFailed(why) from error
    finally:
        others.end()


def _take_gpu() -> list[str]:
    """The GPUs of the run on this machine; this process sees the first of them as the only one."""
    gpus = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    if gpus:
        os.environ[VISIBLE] = gpus[0]
    return gpus


def _told(experiment: str, run: "Run") -> dict[str, Any]:
    """What a rank must know of the run."""
    identity = run.identity
    entity, project = run.project_path.split("/")
    return {
        "experiment": experiment,
        "config": run.config.model_dump(mode="json"),
        "url": run.url,
        "identity": {
            "experiment": identity.experiment, "project": project, "entity": entity, "run_id": run.id,
            "name": run.name, "group": identity.group, "job_type": identity.job_type,
            "sweep_id": identity.sweep_id, "swept": dict(identity.swept),
        },
    }  # fmt: skip


class _Board:
    """Which versions the first rank was given, in order, for the others to fetch."""

    def __init__(self, store: Any) -> None:
        self._store, self._count = store, 0

    def tell(self, version: Any) -> None:
        self._store.set(f"used/{self._count}", json.dumps(version._asdict()))
        self._count += 1


class Forked:
    """A rank of this machine: a fork of the first one, which waits for what it is to do."""

    def __init__(self, number: int, gpus: Sequence[str], listener: socket.socket) -> None:
        self.number = number
        self.returncode: int | None = None
        read_end, self._pipe = os.pipe()
        parent = os.getpid()
        with child.signals_held():
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._pipe)
                listener.close()
                _be_rank(number, gpus, read_end, parent)
        os.close(read_end)

    def tell(self, message: bytes) -> None:
        """Tell it what to do; nothing, where it is to end."""
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._pipe, "wb") as pipe:
            pipe.write(message)

    def poll(self) -> int | None:
        """As of `subprocess.Popen`."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def kill(self) -> None:
        """As of `subprocess.Popen`."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _be_rank(number: int, gpus: Sequence[str], told: int, parent: int) -> NoReturn:
    """Work as a rank in this process, a fork."""
    try:
        child.die_with(parent)
        child.forget_parent()
        if gpus:  # nothing has touched a GPU yet
            os.environ[VISIBLE] = gpus[number]
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the first rank has printed it
        with os.fdopen(told, "rb") as pipe:
            line = pipe.readline()
        if line:
            from launch import rank

            rank.begin({**json.loads(line), "rank": number})
    finally:
        os._exit(1)


class Others:
    """The other ranks, as the first one sees them."""

    def __init__(self, team: Team, address: str) -> None:
        self.team, self.address = team, address
        self._token = secrets.token_hex(16)
        self._ranks = {number: Rank(number) for number in range(1, team.size)}
        self._forked: list[Forked] = []
        self._srun: subprocess.Popen[bytes] | None = None
        self._own: list[str] = []
        self._lost: list[str] = []
        self._is_over = threading.Event()
        self._listener = socket.create_server(("" if team.nodes > 1 else address, 0), backlog=team.size)
        self._thread = threading.Thread(target=self._watch, name="ranks", daemon=True)

    # --- from the first rank's main thread ---------------------------------------------------------------------

    def fork(self, gpus: Sequence[str]) -> None:
        """Fork those of this machine."""
        for number in range(1, self.team.per_node):
            self._forked.append(Forked(number, gpus, self._listener))

    def start(self, told: Mapping[str, Any]) -> None:
        """Start those of other nodes, tell all what to do, and begin to watch."""
        port = self._listener.getsockname()[1]
        message = {
            **told, "address": self.address, "port": port, "token": self._token, "size": self.team.size,
            "per_node": self.team.per_node,
        }  # fmt: skip
        line = json.dumps(message).encode() + b"\n"
        if self.team.nodes > 1:
            words = [*_srun(self.team), *QUIET, sys.executable, "-m", "launch.rank"]
            self._srun = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=_outside_step(os.environ)
            )
            if self._srun.stdin is not None:
                with contextlib.suppress(BrokenPipeError), self._srun.stdin as pipe:
                    pipe.write(line)
        for forked in self._forked:
            forked.tell(line)
        self._thread.start()

    def wait_until_there(self) -> None:
        """Wait until all of them have come.

        Raises:
            RankFailed: one has not.
        """
        end = time.monotonic() + JOINS_S
        while not all(rank.is_there for rank in self._ranks.values()):
            why = self.why(is_waited_for=False)
            if why is None and time.monotonic() > end:
                absent = ", ".join(str(rank.number) for rank in self._ranks.values() if not rank.is_there)
                why = f"rank {absent} of {self.team.size} did not come within {JOINS_S:.0f} seconds"
            if why is not None:
                raise RankFailed(why)
            time.sleep(LOOK_S / 4)

    def wait_until_done(self) -> None:
        """The first rank is done: wait a little for the others, which then end with it.

        Raises:
            RankFailed: one of them has failed meanwhile, or before without being noticed.
        """
        end = time.monotonic() + ENDS_S
        while self.why(is_waited_for=False) is None and time.monotonic() < end:
            if all(rank.is_done for rank in self._ranks.values()):
                break
            time.sleep(LOOK_S / 10)
        why = self.why(is_waited_for=bool(self._lost))
        if why is not None:
            raise RankFailed(why)

    def why(self, *, is_waited_for: bool) -> str | None:
        """Why a rank has failed: its own error before any that says no more than that another is gone."""
        end = time.monotonic() + SETTLES_S
        while is_waited_for and not self._own and time.monotonic() < end:
            time.sleep(LOOK_S / 4)
        return next(iter([*self._own, *self._lost]), None)

    def end(self) -> None:
        """No rank goes on; returns when those of this machine and `srun` have ended."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()
        end = time.monotonic() + ENDS_S
        for process in self._started:
            while process.poll() is None and time.monotonic() < end:
                time.sleep(LOOK_S / 10)
            while process.poll() is None:
                process.kill()
                time.sleep(LOOK_S / 10)

    @property
    def _started(self) -> "list[Forked | subprocess.Popen[bytes]]":
        return [*self._forked, *([self._srun] if self._srun is not None else [])]

    # --- in a thread -------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Hear the ranks until the run is over; if one has failed and nobody notices, end this process."""
        failed_at: float | None = None
        with selectors.DefaultSelector() as watched:
            watched.register(self._listener, selectors.EVENT_READ)
            while not self._is_over.is_set():
                for key, _ in watched.select(LOOK_S):
                    if key.data is None:
                        self._accept(watched)
                    elif not self._hear(key.fileobj, key.data):
                        watched.unregister(key.fileobj)
                        _close(key.fileobj)
                self._look_at_processes()
                if failed_at is None and (self._own or self._lost):
                    failed_at = time.monotonic()
                if failed_at is not None and time.monotonic() - failed_at > LETS_GO_S:
                    child.end_now(f"RankFailed: {self.why(is_waited_for=False)}")
            for key in list(watched.get_map().values()):
                _close(key.fileobj)

    def _accept(self, watched: selectors.BaseSelector) -> None:
        connection, _ = self._listener.accept()
        keep_alive(connection)
        watched.register(connection, selectors.EVENT_READ, Rank(0))

    def _hear(self, connection: Any, rank: Rank) -> bool:
        """Take in what a rank says; whether it may say more."""
        try:
            piece = connection.recv(65536)
        except OSError:
            piece = b""
        rank.received += piece
        *lines, rank.received = rank.received.split(b"\n")
        for line in lines:
            if not self._take_in(json.loads(line), rank):
                return False
        if not piece and rank.is_there and not rank.is_done:
            self._own.append(f"{rank} is gone without a word: it was killed, or its machine has no memory left")
        return bool(piece)

    def _take_in(self, told: Mapping[str, Any], rank: Rank) -> bool:
        """One thing that a rank says; False for a stranger."""
        if not rank.is_there:
            if not secrets.compare_digest(str(told.get("token", "")), self._token):
                return False
            rank.number, rank.host, rank.pid = int(told["rank"]), str(told["host"]), int(told["pid"])
            rank.is_there = True
            self._ranks[rank.number] = rank
            return True
        rank.is_done = True
        if "error" in told:
            (self._lost if told["is_lost"] else self._own).append(f"{rank}: {told['error']}")
        return True

    def _look_at_processes(self) -> None:
        """A process that ends before its ranks have come, and will not come, is told of, too."""
        if all(rank.is_there for rank in self._ranks.values()) or self._own:
            return
        for process in self._started:
            code = process.poll()
            if code:
                name = f"rank {process.number}" if isinstance(process, Forked) else "srun"
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
                self._own.append(f"{name} {how} before all ranks were there; the run's log has what it said")


def _close(connection: Any) -> None:
    with contextlib.suppress(OSError):
        connection.close()


def keep_alive(connection: socket.socket) -> None:
    """Have the end of a machine be the end of its connections."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


# --- within a Slurm job ---------------------------------------------------------------------------------------


def _srun(team: Team) -> list[str]:
    """What starts the ranks of the job's other nodes, beside the step that this process is part of."""
    others = team.nodes - 1
    return [
        "srun", "--overlap", "--overcommit", "--mem=0", "--cpu-bind=none", "--export=ALL", "--input=all",
        "--kill-on-bad-exit=0", f"--exclude={os.environ.get('SLURMD_NODENAME', '')}", f"--nodes={others}",
        f"--ntasks={others * team.per_node}", f"--ntasks-per-node={team.per_node}",
    ]  # fmt: skip


def _outside_step(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what Slurm says of this process's own step, and without this machine's folders."""
    from framework.tracking import copies

    here = ("TMPDIR", VISIBLE, *copies.FOLDERS)
    kept = ("SLURM_CONF", "SLURM_JOB_ID", "SLURM_JOBID")
    return {
        name: value
        for name, value in environment.items()
        if name in kept or not (name.startswith(("SLURM_", "SRUN_", "SLURMD_")) or name in here)
    }


def address_of_node() -> str:
    """Where the other nodes of the job find this one: as Slurm itself does.

    Raises:
        ClusterError: Slurm does not say.
    """
    told = slurm.call("scontrol", "show", "node", os.environ.get("SLURMD_NODENAME", ""))
    found = re.search(r"\bNodeAddr=(\S+)", told)
    if found is None:
        raise ClusterError(f"scontrol does not say where {os.environ.get('SLURMD_NODENAME')} is: {told.strip()}")
    return found.group(1)
