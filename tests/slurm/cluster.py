"""A real Slurm cluster on one machine: a controller, three nodes of four CPUs and two pretended GPUs each.

    python -m tests.slurm.cluster install        (as root, on Debian)
    python -m tests.slurm.cluster start FOLDER [--accounting]    prints what a shell must export
    python -m tests.slurm.cluster stop FOLDER

Everything that runs has its files, sockets and ports for itself, so that several clusters can stand side by side
and nothing of the system's own Slurm is touched. Without `--accounting` there is no `sacct`, as on many clusters.
"""

import argparse
import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
ACCOUNTING = ("slurmdbd", "mariadb-server")
NODES = ("node1", "node2", "node3")
CPUS, MEMORY_MB, GPUS = 4, 8_000, 2
STARTS_S = 30.0
ENDS_S = 20.0
CONF = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
{parameters}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
JobRequeue=1
KillWait=5
MinJobAge=3600
MaxArraySize={max_array}
SlurmctldTimeout=10
SlurmdTimeout=15
InactiveLimit=0
OverTimeLimit=0
PreemptType=preempt/partition_prio
PreemptMode={preempt}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
{accounting}
{nodes}
PartitionName=DEFAULT Nodes=ALL MaxTime=INFINITE State=UP OverSubscribe={share}
PartitionName=main Default=YES PriorityTier=1 GraceTime=10 LLN=YES
PartitionName=high Default=NO PriorityTier=10 PreemptMode=OFF
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory}"
    " Gres=gpu:{gpus}"
)
GRES = "NodeName=node[1-3] Name=gpu File=/dev/null\nNodeName=node[1-3] Name=gpu File=/dev/zero\n"
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageTRES=gres/gpu"""
DBD = """
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct
CommitDelay=0
"""


def missing(*, accounting: bool = False) -> list[str]:
    """The programs that a cluster needs and that are not here."""
    wanted = ["slurmctld", "slurmd", "sbatch", "munged", *(["slurmdbd", "mariadbd"] if accounting else [])]
    return [name for name in wanted if shutil.which(name, path=_path()) is None]


def install(*, accounting: bool = False) -> None:
    """Install what is missing, with Debian's packages."""
    if not missing(accounting=accounting):
        return
    names = [*PACKAGES, *(ACCOUNTING if accounting else ())]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        listeners = [opened.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


@dataclass
class Cluster:
    """A cluster in a folder; `environment` points clients at it.

    Args:
        preempt: what becomes of jobs of `main` when one of `high` wants their place: REQUEUE, CANCEL, SUSPEND.
        max_array: the cluster's `MaxArraySize`.
        warns: whether a job that is preempted gets its signal first, and not SIGTERM alone.
    """

    folder: Path
    accounting: bool = False
    preempt: str = "REQUEUE"
    max_array: int = 1_001
    warns: bool = True
    ports: dict[str, int] = field(default_factory=dict)
    _database: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a shell must have set to speak to this cluster."""
        return {"SLURM_CONF": str(self.folder / "etc" / "slurm.conf"), "PATH": _path()}

    # --- its life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Write the configuration, start everything, and wait until all nodes are idle.

        Raises:
            RuntimeError: something does not start; with the end of its log.
        """
        for name in ("etc", "state", "log", "run", "spool", "munge"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        names = ("controller", "database", "slurmdbd", *NODES)
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._configure()
        self._start_munge()
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "the nodes do not become idle")

    def stop(self) -> None:
        """End everything that was started, jobs included."""
        self._run("scancel", "--signal=KILL", "--full", "--user", getpass.getuser(), check=False)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadb", "munged"):
            self.end(name)
        if self._database is not None:
            self._database.wait(ENDS_S)

    def start_controller(self) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "slurmctld")
        self._wait(lambda: self._run("scontrol", "ping", check=False).returncode == 0, "slurmctld does not answer")

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._daemon(f"slurmd-{node}", "slurmd", "-N", node)

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        """End one of the daemons by its pid file."""
        path = self.folder / "run" / f"{name}.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int(path.read_text())
            os.kill(pid, number)
            end = time.monotonic() + ENDS_S
            while time.monotonic() < end and _lives(pid):
                time.sleep(0.05)
            if _lives(pid):
                os.kill(pid, signal.SIGKILL)
        path.unlink(missing_ok=True)

    # --- what it says -----------------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """The state of each node."""
        told = self._run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %t", check=False).stdout
        return dict(line.split() for line in told.splitlines())

    def run(self, *command: str) -> str:
        """What a client of Slurm prints.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        return self._run(*command).stdout

    # --- how --------------------------------------------------------------------------------------------------

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        node = {"host": host, "cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
        nodes = "\n".join(NODE.format(name=name, port=self.ports[name], **node) for name in NODES)
        keeps = WITH_ACCOUNTING.format(port=self.ports["slurmdbd"], folder=self.folder)
        suspend = self.preempt == "SUSPEND"
        text = CONF.format(
            host=host,
            user=getpass.getuser(),
            folder=self.folder,
            port=self.ports["controller"],
            nodes=nodes,
            accounting=keeps if self.accounting else NO_ACCOUNTING,
            max_array=self.max_array,
            parameters="SlurmctldParameters=preempt_send_user_signal" if self.warns else "",
            preempt=f"{self.preempt},GANG" if suspend else self.preempt,
            share="FORCE:1" if suspend else "NO",
        )
        (self.folder / "etc" / "slurm.conf").write_text(text)
        (self.folder / "etc" / "gres.conf").write_text(GRES)

    def _start_munge(self) -> None:
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        run = self.folder / "run"
        self._daemon(
            "munged", "munged", "--force", f"--key-file={key}", f"--socket={run / 'munge.socket'}",
            f"--pid-file={run / 'munged.pid'}", f"--log-file={self.folder / 'log' / 'munged.log'}",
            f"--seed-file={self.folder / 'munge' / 'seed'}",
        )  # fmt: skip

    def _start_accounting(self) -> None:
        """MariaDB on loopback with a folder of its own, slurmdbd, and the cluster's name in it."""
        data, run, password = self.folder / "database", self.folder / "run", secrets.token_hex(16)
        own = [f"--datadir={data}", f"--user={getpass.getuser()}"]
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", *own, "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        sql = self.folder / "database.sql"
        sql.write_text(
            "CREATE DATABASE slurm_acct; CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '"
            f"{password}'; GRANT ALL ON slurm_acct.* TO 'slurm'@'127.0.0.1';\n".replace("; ", ";\n")
        )
        command = [
            *("mariadbd", "--no-defaults", *own, f"--init-file={sql}", "--skip-name-resolve"),
            *(f"--port={self.ports['database']}", "--bind-address=127.0.0.1"),
            *(f"--socket={run / 'mariadb.socket'}", f"--pid-file={run / 'mariadb.pid'}"),
            *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-lock-wait-timeout=900"),
        ]
        with (self.folder / "log" / "mariadb.log").open("w") as log:
            environment = {**os.environ, "PATH": _path()}
            self._database = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._wait(lambda: _answers(self.ports["database"]), "MariaDB does not answer")
        conf = self.folder / "etc" / "slurmdbd.conf"
        text = DBD.format(
            folder=self.folder,
            port=self.ports["slurmdbd"],
            user=getpass.getuser(),
            password=password,
            database=self.ports["database"],
        )
        conf.write_text(text)
        conf.chmod(0o600)
        self._daemon("slurmdbd", "slurmdbd")
        self._wait(lambda: _answers(self.ports["slurmdbd"]), "slurmdbd does not answer")
        self._wait(self._is_known, "the cluster is not known to slurmdbd")

    def _is_known(self) -> bool:
        self._run("sacctmgr", "-n", "-i", "add", "cluster", "lab", check=False)
        return "lab" in self._run("sacctmgr", "-n", "list", "cluster", check=False).stdout

    def _daemon(self, name: str, *command: str) -> None:
        done = self._run(*command, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} does not start: {done.stdout}{done.stderr}{self._log(name)}")

    def _run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=check, timeout=60)

    def _wait(self, is_so: Callable[[], bool], problem: str) -> None:
        end = time.monotonic() + STARTS_S
        while not is_so():
            if time.monotonic() > end:
                logs = "".join(self._log(name) for name in ("slurmctld", "slurmd-node1", "slurmdbd", "mariadb"))
                raise RuntimeError(f"{problem} within {STARTS_S:.0f} s\n{logs}")
            time.sleep(0.1)

    def _log(self, name: str) -> str:
        path = self.folder / "log" / f"{name}.log"
        return f"\n{name}:\n{path.read_text(errors='replace')[-2000:]}" if path.exists() else ""


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(
    *, accounting: bool = False, preempt: str = "REQUEUE", max_array: int = 1_001, warns: bool = True
) -> Iterator[Cluster]:
    """A cluster that stands until the block ends. Its folder has a short name: sockets bear no longer ones."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    cluster = Cluster(folder, accounting, preempt, max_array, warns)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster")
    parser.add_argument("what", choices=["install", "start", "stop"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--accounting", action="store_true")
    parser.add_argument("--preempt", choices=["REQUEUE", "CANCEL", "SUSPEND"], default="REQUEUE")
    options = parser.parse_args(arguments)
    if options.what == "install":
        install(accounting=options.accounting)
        return 0
    if options.folder is None:
        parser.error("which folder?")
    cluster = Cluster(options.folder.resolve(), options.accounting, options.preempt)
    if options.what == "stop":
        cluster.stop()
        return 0
    cluster.start()
    _print(cluster.environment)
    return 0


def _print(exports: Mapping[str, str]) -> None:
    for name, value in exports.items():
        print(f"export {name}={value}")


if __name__ == "__main__":
    sys.exit(main())
