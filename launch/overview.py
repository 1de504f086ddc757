"""How far a sweep is: the tracker's view, Slurm's and the plan's, joined into one tree of plain values.

A run says where it is worked on (`workplace`), so a worker is known by node, GPU, job and process, against any
W&B server. This module reads and joins; how it looks is for `status` to say.
"""

import heapq
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiments import manager_of
from framework.definition import Definition
from framework.errors import ClusterError, DefinitionError, InvalidInput, Problem, UnknownExperiment
from framework.plan import required
from framework.tracking import sweeps
from framework.tracking.ledger import Attempt, Entry, Ledger, Standing, attempts_of
from framework.tracking.states import Cause
from framework.tracking.sweeps import Sweep, SweepPath
from framework.tracking.tracker import Tracker
from launch import clocks, direct, failures, slurm, waiting
from launch.failures import Failure
from launch.successors import Chain, chain_of
from launch.telling import lasting, moment
from launch.words import STATES

OTHERS = "compare, pull, query and report work for them, too"
SILENT_S = 60.0
"""A worker that gave no sign of life for so long is remarked on: they come every few seconds."""
STARTING = "pending"
MAKES = "makes "
NOT_WANTED = "its point is in the sweep no more"
WAITING = direct.WAITING
FIRST = ("finished", "running", "starting", "failed", "lost", "stopped")


@dataclass(frozen=True)
class Worker:
    """Somebody at work on a run, or a job that runs and has none.

    `age_s`: since the run was handed out, or the job began; `silent_s`: since the last sign of life. None is what
    is not known.
    """

    host: str | None
    gpu: str | None
    job: str | None
    process: int | None
    attempt: int | None
    run: str | None
    name: str
    age_s: float | None
    silent_s: float | None
    job_state: str | None
    note: str = ""


@dataclass(frozen=True)
class WaitingJob:
    """A job that Slurm has not begun: why, in its word, and what that means; both may be empty."""

    id: str
    state: str
    reason: str
    meaning: str


@dataclass(frozen=True)
class End:
    """When the last point will be done, if all goes on as it did: `in_s` from now.

    It rests on the median duration of the `finished` runs and on the workers that are at work.
    """

    at: str
    in_s: float
    median_s: float
    finished: int
    left: int
    workers: int


@dataclass(frozen=True)
class Overview:
    """Everything about one sweep. `points` adds up to `total`; where there is no end, to what was drawn so far.

    `again`: so many points that are done have a run under way, because somebody wanted them once more, and of so
    many one is `queued`.
    `waiting` are jobs, `problem` is why Slurm did not answer; `successors` are the sweeps in which what was open
    in this one is worked.
    """

    sweep: str
    url: str
    name: str
    state: str
    method: str
    experiment: str
    total: int | None
    points: Mapping[str, int]
    strangers: int
    successors: Sequence[str]
    workers: Sequence[Worker]
    waiting: Sequence[WaitingJob]
    end: End | None
    failures: Sequence[Failure]
    problem: str = ""
    hint: str = ""
    again: int = 0
    queued: int = 0

    @property
    def failed(self) -> int:
        """How many points failed."""
        return sum(failure.count for failure in self.failures)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself: nothing is handed out, and nobody is at work."""
        worked = any(worker.run for worker in self.workers)
        return not worked and not self.waiting and (self.state not in (*sweeps.HANDS_OUT, sweeps.PAUSED))


def read(tracker: Tracker, path: SweepPath, jobs: Sequence[slurm.Job] | None = None) -> Overview:
    """Everything about a sweep; `jobs` are those of Slurm, where they were asked for already.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
    """
    return of_sweep(tracker, sweeps.find(tracker, path), clocks.now_at(tracker.url), jobs)


def of_sweep(tracker: Tracker, sweep: Sweep, now: float, jobs: Sequence[slurm.Job] | None = None) -> Overview:
    """Everything about a sweep that was found; `now` on the tracker's clock, in seconds since 1970.

    Raises:
        InvalidInput: its definition cannot be read.
        UnknownExperiment: it is not here.
        TrackerError: the tracker does not answer.
    """
    definition = sweep.definition
    try:
        config = manager_of(definition.experiment).config
    except DefinitionError as error:
        told = f"{error.problems[0].message}. How far other scripts' sweeps are is on their pages; {OTHERS}"
        raise DefinitionError([Problem(f"{sweep.path}: command", told)]) from error
    chain = chain_of(tracker, sweep, config)
    ledger, path, problem = chain.ledger, sweep.path, ""
    if jobs is None:
        jobs, problem = _jobs(chain)
    by_id = {job.id: job for job in jobs}
    states = {job.id: job.state for job in jobs}
    at_work = [_worker(run, now, by_id) for run in _at_work(ledger)]
    at_work += [_worker(run, now, by_id, MAKES) for run in _making(tracker, chain)]
    at_work += [_worker(run, now, by_id, note=NOT_WANTED) for run in ledger.strangers if run.cause is None]
    busy = {worker.job for worker in at_work}
    at_work += [_idle(job) for job in jobs if not (job.has_ended or job.waits or job.id in busy)]
    somebody = any(not worker.note for worker in at_work) or any(job.waits for job in jobs)
    return Overview(
        sweep=str(path),
        url=f"{tracker.url}/{path.entity}/{path.project}/sweeps/{path.id}",
        name=str(definition.data.get("name") or ""),
        state=chain.last.state,
        method=definition.method,
        experiment=definition.experiment,
        total=ledger.total,
        points=points_of(ledger),
        strangers=len(ledger.strangers),
        successors=[str(part.path) for part in chain.sweeps[1:]],
        workers=at_work,
        waiting=[WaitingJob(job.id, job.state, job.reason, _meaning(job)) for job in jobs if job.waits],
        end=estimate(ledger, now, {worker.run for worker in at_work if worker.run and not worker.note}),
        failures=failures.grouped(ledger.failed, path, tracker.url, command=_again(chain), states=states),
        problem=problem,
        hint=_hint(chain, definition, somebody=somebody),
        again=sum(not run.waits for run in _once_more(ledger)),
        queued=sum(run.waits for run in _once_more(ledger)),
    )


def all_open(tracker: Tracker, entity: str, project: str = "") -> Iterator[Overview | Sweep]:
    """The sweeps that are not over, newest first, of one project or of all; one that is not Sashiko's as it is.

    Raises:
        TrackerError: the tracker does not answer.
    """
    now, jobs = clocks.now_at(tracker.url), None
    for name in [project] if project else sweeps.projects(tracker, entity):
        for sweep in sweeps.listed(tracker, entity, name):
            if sweep.state not in (*sweeps.HANDS_OUT, sweeps.PAUSED):
                continue
            if jobs is None:
                jobs = _all_jobs()
            mine = [job for job in jobs if job.name == slurm.name_of(sweep.path)]
            try:
                yield of_sweep(tracker, sweep, now, mine)
            except (InvalidInput, UnknownExperiment):
                yield sweep


# --- the plan and the tracker --------------------------------------------------------------------------------


def points_of(ledger: Ledger) -> dict[str, int]:
    """How many points are in which state: every one once, by the run that speaks for it."""
    counts = Counter(state_of(entry) for entry in ledger.entries if entry.attempts)
    states = [*(state for state in FIRST if counts[state]), *sorted(counts.keys() - set(FIRST))]
    found = {state: counts[state] for state in states}
    rest = 0 if ledger.total is None else ledger.total - sum(found.values())
    if rest:
        name = WAITING if ledger.definition.is_grid else "to draw"
        found[name] = found.get(name, 0) + rest
    return found


def state_of(entry: Entry) -> str:
    """The state of a point that has runs. One that goes on after an interruption is no failure."""
    last = entry.last
    if entry.standing is Standing.DONE:
        early = all(run.cause is not Cause.FINISHED for run in entry.attempts)
        return "stopped early" if early else "finished"
    if entry.standing is Standing.HELD:
        states = [run.state for run in entry.attempts if run.cause is None and not run.waits]
        return STATES.get(states[-1], states[-1])
    if last is not None and last.waits:
        return WAITING
    if entry.standing is Standing.OPEN and last is not None:
        return f"{last.cause} and open"
    return "" if last is None else STATES.get(last.state, last.state)


def _held(ledger: Ledger) -> Iterator[Attempt]:
    for entry in ledger.entries:
        if entry.standing is Standing.HELD:
            yield next(run for run in reversed(entry.attempts) if run.cause is None and not run.waits)


def _begun(runs: Iterable[Attempt]) -> Iterator[Attempt]:
    """Those that somebody works on: what a job is to work on stands among the jobs that wait."""
    return (run for run in runs if run.state != direct.WAITING)


def _once_more(ledger: Ledger) -> Iterator[Attempt]:
    """The runs under way of points that are done already, and are worked once more."""
    for entry in ledger.entries:
        if entry.standing is Standing.DONE:
            yield from [run for run in reversed(entry.attempts) if run.cause is None][:1]


def _at_work(ledger: Ledger) -> Iterator[Attempt]:
    yield from _begun(_held(ledger))
    yield from (run for run in _once_more(ledger) if not run.waits)


def _making(tracker: Tracker, chain: Chain) -> list[Attempt]:
    """The runs under way that make what open and held points require."""
    wanted = (Standing.OPEN, Standing.HELD)
    points = [entry.point.work for entry in chain.ledger.entries if entry.point and entry.standing in wanted]
    needs = required(manager_of(chain.ledger.definition.experiment).requires, points)
    if not needs:
        return []
    ids = {(work.kind, work.config.config_id) for work in needs}
    path = chain.sweeps[0].path
    kinds = sorted({work.kind for work in needs})
    filters = {"state": "running", "jobType": {"$in": kinds}}
    found = attempts_of(tracker, path.entity, path.project, filters)
    return [run for run, _ in found if any((kind, run.config_id) in ids for kind in kinds)]


def _again(chain: Chain) -> str:
    """The command that works failed points again. Which of several sweeps has them, FILE alone tells."""
    if not chain.ledger.definition.is_grid:
        return failures.ANEW
    return failures.AGAIN.format(sweep=chain.sweeps[0].path)


def _hint(chain: Chain, definition: Definition, *, somebody: bool) -> str:
    """What to do where nothing goes on by itself; `somebody` works, or a job is to."""
    sweep = chain.last
    left = chain.ledger.open or chain.ledger.queued
    if not (left or not definition.is_grid):
        return ""
    if sweep.state in sweeps.HANDS_OUT:
        return "" if somebody or not left else f"nobody is at work; go on with: sashiko agents {sweep.path}"
    return f"the sweep is {sweep.state.lower()}; go on with it: wandb sweep --resume {sweep.path}"


def estimate(ledger: Ledger, now: float, runs: set[str]) -> End | None:
    """When the last point will be done; None where nothing has finished, is left, or is at work.

    `runs` are those of the workers that are alive. What is open is handed to whoever is free first.
    """
    finished = [run for entry in ledger.entries for run in entry.attempts if run.cause is Cause.FINISHED]
    lasted = [seconds for run in finished if (seconds := _duration(run)) is not None]
    shares = [seconds / _together(run) for run in finished if (seconds := _duration(run)) is not None]
    held = [run for run in _held(ledger) if run.run_id in runs and run.begun is not None]
    alive = _one_a_process(held)
    if not lasted or not alive or ledger.total is None:
        return None
    median, each = statistics.median(lasted), statistics.median(shares)
    free = [max(0.0, median - (now - (run.begun or now))) for run in alive]
    end = max(free)
    heapq.heapify(free)
    unheld = ledger.count(Standing.OPEN) + ledger.count(Standing.HELD) - len(alive)
    for _ in range(unheld):
        end = max(end, heapq.heappushpop(free, free[0] + each) + each)
    return End(moment(now + end), end, median, len(lasted), unheld + len(alive), len(alive))


def _duration(run: Attempt) -> float | None:
    told = [float(record["seconds"]) for record in run.used if "seconds" in record]
    if told:
        return sum(told)
    return None if run.begun is None or run.seen is None else run.seen - run.begun


def _together(run: Attempt) -> int:
    """How many runs its process worked at once."""
    return max((int(record.get("together") or 1) for record in run.used), default=1)


def _one_a_process(held: Sequence[Attempt]) -> list[Attempt]:
    """Of runs that one process works at once, the first; without points that are held and not begun.

    All of them, where nothing is known of any process.
    """
    begun: dict[tuple[object, object], Attempt] = {}
    for run in held:
        if run.worker:
            begun.setdefault((run.worker.get("host"), run.worker.get("process")), run)
    return list(begun.values()) or list(held)


# --- Slurm ---------------------------------------------------------------------------------------------------


def _jobs(chain: Chain) -> tuple[Sequence[slurm.Job], str]:
    """The jobs of a sweep and its successors, and those that its runs name; why there are none."""
    if not slurm.is_here():
        return [], ""
    try:
        found = [job for part in chain.sweeps for job in slurm.jobs_of(part.path)]
        named = {str(run.worker["job"]) for run in _held(chain.ledger) if "job" in run.worker}
        others = named - {job.id for job in found}
        return [*found, *(slurm.jobs_with(sorted(others)) if others else ())], ""
    except ClusterError as error:
        return [], str(error)


def _meaning(job: slurm.Job) -> str:
    why = waiting.meaning(job.reason)
    return f"{why}; with more memory, for one point" if direct.is_for_one(job) else why


def _all_jobs() -> Sequence[slurm.Job]:
    try:
        return slurm.jobs_of() if slurm.is_here() else []
    except ClusterError:
        return []


def _worker(run: Attempt, now: float, jobs: Mapping[str, slurm.Job], does: str = "", note: str = "") -> Worker:
    """Who works on a run. `does`: what, before its name; `note`: what is to be remarked besides."""
    place = run.worker
    job = jobs.get(str(place.get("job")))
    silent = None if run.seen is None else max(0.0, now - run.seen)
    return Worker(
        host=(job.node if job is not None else "") or place.get("host"),
        gpu=place.get("gpu"), job=place.get("job"), process=place.get("process"),
        attempt=place.get("attempt"), run=run.run_id, name=does + run.name,
        age_s=None if run.begun is None else max(0.0, now - run.begun), silent_s=silent,
        job_state=None if job is None else job.state,
        note="; ".join(filter(None, [note, _note(run, job, silent)])),
    )  # fmt: skip


def _note(run: Attempt, job: slurm.Job | None, silent: float | None) -> str:
    """What is wrong with a worker, if anything is."""
    if job is not None and job.has_ended:
        return f"its job is over ({job.state.lower()}); the point is free again when its lease runs out"
    if job is not None and job.waits and run.state != STARTING:
        return "its job waits again; the point is free when its lease runs out, or given back"
    if silent is not None and silent > SILENT_S:
        return f"no sign of life for {lasting(silent)}"
    return ""


def _idle(job: slurm.Job) -> Worker:
    """A job that runs and works on nothing: it imports, makes what is required, or waits for a point."""
    return Worker(
        host=job.node or None, gpu=None, job=job.id, process=None, attempt=None, run=None, name="",
        age_s=float(job.seconds), silent_s=None, job_state=job.state,
        note="" if job.state == "RUNNING" else job.state.lower(),
    )  # fmt: skip


def jobs_by_state(overview: Overview) -> Mapping[str, int]:
    """How many jobs of a sweep run and wait."""
    running = {worker.job for worker in overview.workers if worker.job}
    return _without_none({"running": len(running), "waiting": len(overview.waiting)}.items())


def _without_none(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    return {name: count for name, count in counts if count}
