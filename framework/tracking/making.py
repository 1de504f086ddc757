"""Required artifacts: each is made once, by one worker, however many ask for it.

The claim is the making run itself. Its id derives from the config, and the tracker creates a run id once, in one
transaction, and tells one caller only that it `inserted` it. That caller makes the artifact; the others watch.
If the run ends without the artifact, the next id in line (`…-1`, `…-2`) is the next attempt. One that was given
back half done is gone on with, in the same run: whoever inserts the run `…-since-<when>` does so, and deletes
that one when it has begun. Whether a silent one still lives is for the tracker to say, whose clock is the only
one: it marks the run as crashed. What has failed counts within one invocation of a command: when data has come,
or code has changed, the same command tries anew.
"""

import contextlib
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.errors import RequirementFailed, TrackerError, TrackerGone
from framework.plan import Work, differing_of, name_of
from framework.tracking import lineage, remote_runs, stale
from framework.tracking.budget import is_tried_again
from framework.tracking.current import current_tracker, invocation
from framework.tracking.ledger import Attempt, attempts_of
from framework.tracking.lineage import Version
from framework.tracking.stale import Policy
from framework.tracking.states import Cause
from framework.tracking.tracker import Tracker

if TYPE_CHECKING:
    from framework.manager import Manager

POLL_S = (0.25, 15.0)
FAILURES = 3
"""How many attempts of one invocation may be lost, or come to nothing, before it gives up."""
GIVEN_BACK = (Cause.PREEMPTED, Cause.INTERRUPTED)
LOOKED_AT = 64
"""Ids in a row that are asked for at once: so many deleted ones do not hide what came after them."""

_TAKE = """
mutation UpsertBucket($entity: String, $project: String, $name: String, $jobType: String, $displayName: String,
                      $config: JSONString) {
  upsertBucket(input: {entityName: $entity, modelName: $project, name: $name, jobType: $jobType,
                       displayName: $displayName, config: $config}) { bucket { id } inserted }
}"""


@dataclass(frozen=True)
class Claim:
    """A run that is the caller's to make an artifact in.

    `token` is the global id of the run that says so where the run itself is gone on with; empty for a new one.
    """

    run_id: str
    token: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether the run was begun before."""
        return bool(self.token)


@dataclass(frozen=True)
class Maker:
    """Who makes artifacts, and where: the experiment's Manager, and the project (entity/project)."""

    manager: "Manager[Any]"
    experiment: str
    project_path: str


def made(maker: Maker, kind: str, config: Config) -> tuple[Version, list[str]]:
    """The artifact, made by this caller or by whoever has claimed it, and why it is stale, if it is.

    Raises:
        RequirementFailed: it could not be made, here or in the runs that the message names; or it is there, and
            stale, and refused.
    """
    tracker = current_tracker()
    work = Work(kind, config)
    while True:
        found, why = latest(tracker, maker.project_path, work.identity)
        if found is not None:
            return found, why
        mine = claim(tracker, maker, work)
        if mine is not None:
            _make_or_say_what(maker, work, mine)
        else:
            wait(tracker, maker.project_path, work)


def _make_or_say_what(maker: Maker, work: Work, mine: Claim) -> None:
    try:
        make(maker, work, mine)
    except Exception as error:
        message = f"{work.identity} could not be made in {mine.run_id}: {type(error).__name__}: {error}"
        raise RequirementFailed(message) from error


def latest(tracker: Tracker, project_path: str, identity: str) -> tuple[Version | None, list[str]]:
    """The newest version of an artifact, if it may be used, and why it is stale, if it is.

    Raises:
        RequirementFailed: it is stale, and stale ones are refused.
    """
    found = lineage.newest(tracker, project_path, identity)
    if found is None:
        return None, []

    def digest_now(name: str) -> str | None:
        other = lineage.newest(tracker, project_path, name)
        return other.digest if other is not None else None

    why = stale.reasons(found.metadata, digest_now)
    policy = stale.policy()
    if why and policy is Policy.REFUSE:
        raise RequirementFailed(
            f"{found.name} is stale: {'; '.join(why)}; --stale remake makes it anew, --stale use takes it as it is"
        )
    return (None, []) if why and policy is Policy.REMAKE else (found, why)


def claim(tracker: Tracker, maker: Maker, work: Work) -> Claim | None:
    """A run that is this caller's to make the artifact in; None while somebody else makes it.

    Raises:
        RequirementFailed: attempts of this invocation have failed too often.
    """
    attempts = attempts_at(tracker, maker.project_path, work)
    if any(attempt.cause is None for attempt in attempts):
        return None
    if any(attempt.cause is Cause.FINISHED for attempt in attempts) and (
        latest(tracker, maker.project_path, work.identity)[0] is not None
    ):
        return None  # it came meanwhile
    _refuse_hopeless(work, attempts)
    if attempts and attempts[-1].cause in GIVEN_BACK:
        return _go_on(tracker, maker, work, attempts[-1])
    number = _next_number(work, attempts)
    while True:
        name = _numbered(work, number)
        try:
            return Claim(name) if _take(tracker, maker, work, name) else None
        except TrackerGone:  # a run of this id was deleted
            number += 1


def _go_on(tracker: Tracker, maker: Maker, work: Work, last: Attempt) -> Claim | None:
    """The run that was given back, if it is this caller's; None if it is somebody else's."""
    entity, project = maker.project_path.split("/")
    first = f"{last.run_id}-since-{int(last.seen or 0)}"
    for number in itertools.count():
        name = first + (f"-{number}" if number else "")
        others = attempts_of(tracker, entity, project, {"name": name})
        if any(attempt.cause is None for attempt, _ in others):
            return None
        if others:  # who has died before going on; to take that one would revive it
            continue
        try:
            token = _take(tracker, maker, work, name)
            return Claim(last.run_id, token) if token else None
        except TrackerGone:  # somebody has gone on with it, perhaps not to its end
            now = attempts_at(tracker, maker.project_path, work)[-1:]
            if [(attempt.run_id, attempt.seen, attempt.cause) for attempt in now] != [
                (last.run_id, last.seen, last.cause)
            ]:
                return None
    return None


def _refuse_hopeless(work: Work, attempts: Sequence[Attempt]) -> None:
    failed = [
        attempt for attempt in attempts if attempt.invocation == invocation() and attempt.cause not in GIVEN_BACK
    ]
    if not failed:
        return
    last, times = failed[-1], sum(attempt.cause is Cause.FAILED for attempt in failed)
    spent = last.cause is Cause.FAILED and not is_tried_again(last.error, times - 1)
    if spent or len(failed) >= FAILURES or any(attempt.cause is Cause.STOPPED for attempt in failed):
        message = (
            f"{work.identity} could not be made in {len(failed)} run{'s' * (len(failed) != 1)}; the last one, "
            f"{last.run_id}: {last.reason if last.cause is not Cause.FINISHED else 'it logged no such artifact'}. "
            "The same command tries again"
        )
        raise RequirementFailed(message)


def attempts_at(tracker: Tracker, project_path: str, work: Work) -> list[Attempt]:
    """The runs that have tried to make an artifact, oldest first."""
    entity, project = project_path.split("/")
    first = 0
    found: list[Attempt] = []
    while True:
        names = [_numbered(work, number) for number in range(first, first + LOOKED_AT)]
        known = {a.run_id: a for a, _ in attempts_of(tracker, entity, project, {"name": {"$in": names}})}
        found += [known[name] for name in names if name in known]
        if not known:
            return found
        first += LOOKED_AT


def _numbered(work: Work, number: int) -> str:
    return work.identity + (f"-{number}" if number else "")


def _next_number(work: Work, attempts: Sequence[Attempt]) -> int:
    """The number after that of the last attempt. Gaps of deleted ones are not filled: their order is of time."""
    last = attempts[-1].run_id.removeprefix(work.identity).removeprefix("-") if attempts else None
    return 0 if last is None else int(last or 0) + 1


def _take(tracker: Tracker, maker: Maker, work: Work, run_id: str) -> str:
    """The global id of the run if this caller, and no other, has created it; else nothing."""
    entity, project = maker.project_path.split("/")
    truth = {"config_id": work.config.config_id, "experiment": maker.experiment, "invocation": invocation()}
    variables = {
        "entity": entity, "project": project, "name": run_id, "jobType": work.kind,
        "displayName": f"{work.kind} {name_of(work.config)}", "config": json.dumps({"sashiko": {"value": truth}}),
    }  # fmt: skip
    told = tracker.execute(_TAKE, variables)["upsertBucket"]
    return str(told["bucket"]["id"]) if told["inserted"] else ""


def make(maker: Maker, work: Work, mine: Claim) -> None:
    """Make an artifact in a run of its own, which the caller has claimed; an exception ends that run as failed."""
    from framework.tracking.run import Identity, Resume, Run

    entity, project = maker.project_path.split("/")
    identity = Identity(
        maker.experiment,
        project,
        entity,
        mine.run_id,
        name=f"{work.kind} {name_of(work.config)}",
        group=work.kind,
        job_type=work.kind,
        tags=[work.kind],
        origins=dict.fromkeys(differing_of(work.config), "what requires it"),
    )
    go_on: Resume | None = "must" if mine.goes_on else None
    with Run(work.config, identity, maker.manager, light=True, resume=go_on) as run:
        if mine.goes_on:
            with contextlib.suppress(TrackerError):  # it ends by itself
                remote_runs.delete(current_tracker(), mine.token)
        maker.manager.make(work.kind, work.config, run)


def wait(tracker: Tracker, project_path: str, work: Work) -> None:
    """Wait until nobody is making an artifact any more, or it is there. Asks less often the longer it takes."""
    pause = POLL_S[0]
    while latest(tracker, project_path, work.identity)[0] is None:
        time.sleep(pause)  # first: somebody may be about to go on with a run that was given back
        if all(attempt.cause is not None for attempt in attempts_at(tracker, project_path, work)):
            return
        pause = min(1.5 * pause, POLL_S[1])
