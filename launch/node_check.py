"""sashiko doctor --slurm: what a compute node sees, asked by a job that is submitted as those of sweeps are.

The job writes its answer into its folder, which both ends are to share. What it sees is `node_report`; this is the
side that asks, waits, compares, and leaves nothing behind: neither the job nor its folder.
"""

import json
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.errors import ClusterError
from framework.tracking.sweeps import SweepPath
from launch import choice, clocks, node_report, slurm, waiting
from launch import profile as profiles
from launch.finding import Finding, bad, clock
from launch.telling import lasting

LIMIT_S = 120.0
LOOK_S = 0.5
SHOWN_S = 15.0
"""For so long what a job wrote is waited for after it has ended: other machines' files come late on NFS."""
MINUTES = 5


@dataclass(frozen=True)
class Question(slurm.Request):
    """A job that looks around where agents would run, with all that the profile asks for but the time."""

    @property
    def words(self) -> list[str]:
        """The command of the job."""
        return [sys.executable, "-m", "launch.node_report", str(self.place)]


def examine(directory: Path, profile: str, *, embedded: bool = False, limit_s: float = LIMIT_S) -> list[Finding]:
    """Submit the job, wait for its answer for at most `limit_s` seconds, and tell what it says.

    Raises:
        ConfigError: there is no such profile, or it is invalid.
        ClusterError: there is no Slurm here, or it refuses the job.
        TrackerError: there is no tracker.
    """
    wanted = profiles.load(profile)
    short = wanted.model_copy(update={"time_minutes": min(wanted.time_minutes, MINUTES), "requeue": False,
                                      "warning_seconds": min(wanted.warning_seconds, 30)})  # fmt: skip
    tracker, _ = choice.choose(directory, embedded=embedded)
    nonce = secrets.token_hex(8)
    question = Question(SweepPath("doctor", "doctor", f"doctor-{nonce}"), short, 1, directory)
    slurm.must_be_here()
    question.place.mkdir(parents=True)
    (question.place / node_report.NONCE).write_text(nonce)
    ids: list[str] = []
    try:
        ids = slurm.submit(tracker, question)
        answer, why = _answer(question.place, ids[0], limit_s)
        if answer is None:
            return [bad("node", f"job {ids[0]} {why[0]}", why[1])]
        return list(compared(answer, nonce, tracker.url, wanted.gpus))
    finally:
        if ids:
            _cancel(ids)
        shutil.rmtree(question.place, ignore_errors=True)


def _answer(place: Path, job_id: str, limit_s: float) -> tuple[dict[str, Any] | None, tuple[str, str]]:
    """The answer, or None and why there is none, with what to do."""
    until, ended_at, job = time.monotonic() + limit_s, None, None
    file = place / node_report.REPORT
    while time.monotonic() < until:
        if file.is_file():
            return json.loads(file.read_text()), ("", "")
        jobs = slurm.jobs_with([job_id])
        job = jobs[0] if jobs else job
        if job is None or job.has_ended:
            ended_at = ended_at or time.monotonic()
            if time.monotonic() - ended_at > SHOWN_S:
                break
        time.sleep(LOOK_S)
    if job is not None and job.waits:
        meaning = "; ".join(filter(None, [waiting.meaning(job.reason), job.reason and f"Slurm: {job.reason}"]))
        told = f"still waits in the queue after {lasting(limit_s)} and was cancelled: {meaning}"
        return None, (told, "try again when the cluster is less busy, or with a profile that asks for less")
    return None, _silence(place, job)


def _silence(place: Path, job: slurm.Job | None) -> tuple[str, str]:
    written = "".join(path.read_text(errors="replace") for path in sorted(place.glob("*_log.out")))
    last = written.strip().splitlines()[-1:] or ["nothing"]
    state = "is not known to Slurm any more" if job is None else f"is {job.state.lower()} on {job.node or '?'}"
    told = f"{state}, and its answer did not come; its log ends: {last[0]}"
    if not written:
        return told, f"nodes must share {place.parent} with this machine: give --dir on a shared file system"
    return told, "the Python of this environment must work on the nodes: the same path, or `setup` in the profile"


def _cancel(ids: list[str]) -> None:
    try:
        slurm.cancel([job.id for job in slurm.jobs_with(ids) if not job.has_ended])
    except ClusterError as error:
        print(f"job {ids[0]} could not be cancelled: {error}", file=sys.stderr)


# --- what the answer says ------------------------------------------------------------------------------------


def compared(answer: Mapping[str, Any], nonce: str, url: str, gpus: int) -> Iterator[Finding]:
    """What a node says, beside what is so here; `gpus`: how many it was asked for."""
    yield Finding("node", f"{answer['node']} ran a job")
    if answer["nonce"] == nonce:
        yield Finding("its folder", "is the same as here")
    else:
        mend = "give --dir on a file system that the nodes share"
        yield bad("its folder", "another one bears the same name there", mend)
    if answer["entity"] is not None:
        yield Finding("its tracker", f"{url} answers, as {answer['entity']}")
    else:
        mend = "the nodes must reach it: sashiko serve --host 0.0.0.0 --url http://THIS-MACHINE:8765, or a proxy"
        yield bad("its tracker", str(answer["error"]), mend)
    there_s, here_s = answer["ahead_s"], clocks.ahead_of(url)
    apart = None if there_s is None or here_s is None else there_s - here_s
    yield clock("its clock", apart, "this machine's", "ask the administrators to set it by NTP")
    yield _versions(answer["versions"])
    yield _gpus(answer["gpus"], gpus)


def _versions(there: Mapping[str, str | None]) -> Finding:
    here = node_report.versions()
    other = [f"{name} {there.get(name) or 'missing'} ({here[name]} here)" for name in here
             if there.get(name) != here[name]]  # fmt: skip
    if not other:
        told = ", ".join(f"{name} {version}" for name, version in here.items())
        return Finding("its versions", f"as here: {told}")
    return bad("its versions", f"differ: {', '.join(other)}", "use one environment, on a shared file system")


def _gpus(there: Mapping[str, Any], wanted: int) -> Finding:
    seen, visible = there["torch"], there["visible"]
    told = f"{seen if seen is not None else 'torch is missing'} that torch can use"
    told += "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
    if not wanted or (seen or 0) >= wanted:
        return Finding("its GPUs", told if wanted else f"none asked for; {told}")
    mend = "nvidia-smi on the node tells of the driver; torch must be a build for its CUDA"
    return bad("its GPUs", f"{told}; {wanted} asked for", mend)
