"""Agents on a Slurm cluster: submitted through submitit as arrays of jobs, each with one plain command.

A command that submits returns at once. The jobs of a sweep bear its name, so that any machine of the cluster finds
them again. This module does not know what the jobs work on.
"""

import getpass
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.errors import ClusterError, ConfigError, Problem
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import together
from launch.frozen import Code
from launch.profile import Profile
from launch.submitted import Command

CALL_S = 60.0
IDLE_S = "8"
"""A job that has been given nothing for so long ends: the others' last points keep no allocation from anybody."""
UNLIMITED = 10**6
"""How often a job may be queued again: how often its work was lost is counted in the ledger."""
LARGEST_ARRAY = 1_001
"""Slurm's own default of MaxArraySize."""
WARNING = "SASHIKO_WARNING_S"
"""Tells a job how many seconds before its end it is told to leave."""
NOT_YET = ("sh", "-c", "trap '' USR2; exec \"$@\"", "job")
"""Until its process listens, a signal that tells a job to leave would end it, and nobody would queue it again."""
SECRET = stat.S_IRUSR | stat.S_IWUSR
ENVIRONMENT = "tracker.env"
ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT",
        "REVOKED",
    }
)  # fmt: skip

AWAY = re.compile("slurm controller|timed out|Connection refused|configuration source|authentication", re.I)
NO_NODE = "node configuration is not available"
UP = frozenset({"idle", "allocated", "mixed", "completing"})
"""States of nodes of which Slurm takes all into account when it is asked whether a job could be worked."""
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})


@dataclass(frozen=True)
class Request:
    """What is to be submitted: so many agents of a sweep, each in a job as the profile describes it.

    `code` is what they run; None runs it as it lies when a job starts. `command` is run in the place of an agent,
    and `variables` are set for it. `remark` stands in the job's comment, behind the sweep.
    """

    path: SweepPath
    profile: Profile
    jobs: int
    folder: Path
    code: Code | None = None
    command: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def place(self) -> Path:
        """The folder of the sweep's logs, which the nodes must see too."""
        return self.folder.resolve() / "slurm" / self.path.id

    @property
    def words(self) -> list[str]:
        """The command of each job."""
        team = self.profile.team
        return list(self.command) or [
            *(sys.executable, "-m", "launch.cli", "agents", str(self.path)),
            *(("--gpus", "all", "--per-gpu") if self.profile.gpus else ("--workers",)),
            str(self.profile.workers),
            *(("--gpus-per-run", str(team.per_node)) if team.per_node > 1 else ()),
            *(("--nodes-per-run", str(team.nodes)) if team.nodes > 1 else ()),
            *("--idle", IDLE_S),
            *(("--together", str(together.most())) if together.most() > 1 else ()),
            *(() if self.code else ("--live",)),
        ]

    @property
    def setup(self) -> list[str]:
        """The lines of bash before it."""
        tracker = shlex.quote(str(self.place / ENVIRONMENT))
        # Who tells every process of a job to leave, or this shell alone: with the shell would go the job.
        stays = ["trap : USR2"]
        variables = {WARNING: str(self.profile.warning_seconds), **self.variables}
        values = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        return [*stays, f"set -a; . {tracker}; set +a", *self.profile.setup, *self._code, *values]

    @property
    def _code(self) -> list[str]:
        """What has the job run the frozen code, whatever the lines before it say."""
        if self.code is None:
            return []
        path = os.pathsep.join(self.code.path)
        values = {**self.code.variables, "PYTHONPATH": path}
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        return [f"export {words}${{PYTHONPATH:+:$PYTHONPATH}}"]


def name_of(path: SweepPath) -> str:
    """The name that the jobs of a sweep bear."""
    return f"sashiko-{path.id}"


def submit(tracker: Tracker, request: Request) -> list[str]:
    """Submit the agents; the ids of the jobs, one an array.

    Raises:
        ClusterError: there is no Slurm here, or it refuses the job.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    must_be_here()
    request.place.mkdir(parents=True, exist_ok=True)
    _write_environment(request.place / ENVIRONMENT, tracker)
    largest = _largest_array()
    found = []
    for start in range(0, request.jobs, largest):
        executor = submitit.SlurmExecutor(request.place, max_num_timeout=UNLIMITED)
        executor.update_parameters(**parameters(request))
        try:
            with executor.batch():
                jobs: list[submitit.Job[int]] = [
                    executor.submit(Command(request.words, requeue=request.profile.requeue))
                    for _ in range(start, min(start + largest, request.jobs))
                ]
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            raise ClusterError(f"Slurm refuses the job: {_said(error)}") from error
        found.append(jobs[0].job_id.partition("_")[0])
    return found


def script(request: Request) -> str:
    """The text that would be submitted: of one array, however many there will be."""
    from submitit.slurm.slurm import _make_sbatch_string

    command = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", str(request.place)])
    count = request.jobs if request.jobs > 1 else None
    text = _make_sbatch_string(command, request.place, map_count=count, **parameters(request))
    return f"{text}# which runs: {shlex.join(request.words)}"


def parameters(request: Request) -> dict[str, Any]:
    """What submitit is told."""
    profile = request.profile
    values: dict[str, Any] = {
        "job_name": name_of(request.path),
        "comment": f"{request.path} {request.remark}".strip(),
        "time": profile.time_minutes,
        "mem": f"{max(1, round(1024 * profile.memory_gb))}MB",
        "cpus_per_task": profile.cpus,
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": ",".join(profile.exclude) or None,
        "gpus_per_node": profile.gpus or None,
        # One agent a job, on its first node: it starts the other processes of a run (`ranks.py`).
        "nodes": profile.nodes_per_run,
        "ntasks_per_node": 1 if profile.nodes_per_run > 1 else None,
        "srun_args": [*(("--nodes=1", "--ntasks=1") if profile.nodes_per_run > 1 else ()), *NOT_YET],
        "array_parallelism": profile.parallel_jobs,
        "signal_delay_s": profile.warning_seconds,
        "setup": request.setup,
        "stderr_to_stdout": True,
        "additional_parameters": {
            ("requeue" if profile.requeue else "no-requeue"): True,
            **{name.replace("_", "-").lstrip("-"): value for name, value in profile.sbatch.items()},
        },
    }
    return {name: value for name, value in values.items() if value is not None}


def _write_environment(path: Path, tracker: Tracker) -> None:
    """The tracker's address and key, for the jobs; nobody else may read them."""
    values = {"WANDB_BASE_URL": tracker.url, "WANDB_API_KEY": tracker.key, "WANDB_ERROR_REPORTING": "false"}
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, SECRET)
        file.write(text)


# --- the cluster --------------------------------------------------------------------------------------------


def is_here() -> bool:
    """Whether Slurm can be asked from this machine."""
    return shutil.which("squeue") is not None


def must_be_here() -> None:
    """Let pass a machine that can submit jobs.

    Raises:
        ClusterError: it cannot.
    """
    missing = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ClusterError(
            f"{', '.join(missing)} {verb} not on PATH: submit from a login node of the cluster; on this machine "
            "alone: sashiko agents SWEEP --workers 2"
        )


def check(profile: Profile, where: str) -> None:
    """Let pass a profile for which the cluster takes a job, as it answers without taking one.

    Nodes that are down now may be up when a job is submitted: what only they could work, is not told of here.

    Raises:
        ConfigError: Slurm refuses it: a partition, an account, an option that it does not know; `where` is named.
        ClusterError: there is no Slurm here, or its controller does not answer.
    """
    must_be_here()
    nobody = Request(SweepPath("any", "any", "any"), profile, 1, Path())
    text = script(nobody).partition("# setup")[0]
    try:
        call("sbatch", "--test-only", text=text + "true\n")
    except ClusterError as error:
        told = str(error).removeprefix("sbatch: ")
        if AWAY.search(told):
            raise
        if NO_NODE in told and not set(call("sinfo", "--noheader", "--format=%T").split()) <= UP:
            return
        raise ConfigError([Problem(where, f"Slurm refuses such a job: {told}")]) from error


def call(*command: str, text: str | None = None) -> str:
    """What one of Slurm's commands prints; `text` is what it reads.

    Raises:
        ClusterError: it fails, or does not answer.
    """
    written = os.environ.get("SLURM_CONF")
    if written and not Path(written).is_file():  # Slurm itself would look for it again for a minute
        raise ClusterError(f"{command[0]}: SLURM_CONF is {written}, and there is no such file")
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=True, timeout=CALL_S, input=text)
    except (OSError, subprocess.SubprocessError) as error:
        raise ClusterError(f"{command[0]}: {_said(error)}") from error
    return done.stdout


def _said(error: Exception) -> str:
    told = (getattr(error, "stderr", "") or str(error)).strip()
    return re.sub(r"\s+", " ", told if isinstance(told, str) else told.decode(errors="replace"))


def facts() -> dict[str, str]:
    """The cluster's configuration, as Slurm prints it.

    Raises:
        ClusterError: its controller does not answer.
    """
    lines = (line.partition("=") for line in call("scontrol", "show", "config").splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in lines}


def _largest_array() -> int:
    told = facts().get("MaxArraySize", "")
    return int(told) if told.isdigit() else LARGEST_ARRAY


# --- jobs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A job as Slurm tells it: one of an array has the id `12_3`. `reason` is why a pending one waits.

    `comment` names its sweep, and what more its request remarked.
    """

    id: str
    state: str
    node: str = ""
    reason: str = ""
    seconds: int = 0
    name: str = ""
    comment: str = ""

    @property
    def waits(self) -> bool:
        """Whether it has not begun, or waits to begin again."""
        return self.state in WAITING

    @property
    def has_ended(self) -> bool:
        """Whether it is over; one that is queued again is not."""
        return self.state in ENDED


def is_job(text: str) -> bool:
    """Whether `text` is the id of a job: `123`, or `123_4` of an array."""
    return re.fullmatch(r"\d+(_\d+)?", text) is not None


def jobs_of(path: SweepPath | None = None) -> list[Job]:
    """The jobs of a sweep, or of all, that Slurm still knows of: those that wait and run, and for some minutes
    the others.

    Raises:
        ClusterError: Slurm does not answer.
    """
    name = () if path is None else ("--name", name_of(path))
    return _queue(*name, "--user", getpass.getuser())


def jobs_with(ids: Iterable[str]) -> list[Job]:
    """The jobs with these ids, those of arrays one by one, as far as Slurm still knows of them.

    Raises:
        ClusterError: Slurm does not answer.
    """
    return _queue("--jobs", ",".join(ids))


def _queue(*which: str) -> list[Job]:
    try:
        told = call("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%M|%r|%j|%k", *which)
    except ClusterError as error:
        if "Invalid job id" in str(error):  # so long ago that Slurm has forgotten it
            return []
        raise
    return [_job(*line.strip().split("|", 6)) for line in told.splitlines() if line.strip()]


def _job(job_id: str, state: str, node: str, elapsed: str, reason: str, name: str = "", comment: str = "") -> Job:
    return Job(job_id, state, node, "" if reason == "None" else reason, seconds_of(elapsed), name, comment)


def seconds_of(text: str) -> int:
    """Slurm's `1-02:03:04`, `02:03` or `INVALID` in seconds."""
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (days and not days.isdigit()):
        return 0
    total = 0
    for part in parts:
        total = 60 * total + int(part)
    return total + 86_400 * int(days or 0)


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs.

    Raises:
        ClusterError: Slurm does not answer.
    """
    if ids:
        call("scancel", *ids)


def counts(jobs: Iterable[Job]) -> Mapping[str, int]:
    """How many jobs are in which state."""
    found: dict[str, int] = {}
    for job in jobs:
        found[job.state] = found.get(job.state, 0) + 1
    return found
