"""What the server should do with the points of a sweep, said once more and as simply as possible.

Not a line of it comes from the server. Time is the server's wall clock; `silence` is kept beside it: how long a
run has said nothing while the server was there to hear it.
"""

from dataclasses import dataclass, field

LEASE, GRACE, LOST, TOLD = 60.0, 15.0, 3, 3
OVER = ("finished", "failed", "killed")


@dataclass(eq=False)
class Attempt:
    """A run. `mine`: whether its point is still its own."""

    name: str
    place: "Place | None"
    agent: str | None
    state: str = "pending"
    started: bool = False
    preempting: bool = False
    asked_to_stop: bool = False
    given_up: bool = False
    heard: float = 0.0
    silence: float = 0.0
    unlisted: bool = False

    @property
    def mine(self) -> bool:
        return self.place is not None and self.place.last is self

    @property
    def holds(self) -> bool:
        return self.mine and self.place is not None and self.place.state == "claimed"


@dataclass(eq=False)
class Place:
    """A point."""

    index: int
    state: str = "pending"
    last: Attempt | None = None
    until: float = 0.0
    resume: bool = False
    lost: int = 0
    told: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    def free(self, *, resume: bool) -> None:
        self.state, self.resume = "pending", resume


class Expected:
    """One sweep."""

    def __init__(self, size: int, now: float) -> None:
        self.places = [Place(index) for index in range(size)]
        self.state = "RUNNING"
        self.runs: dict[str, Attempt] = {}
        self.unforgiven = True
        self.awake_since = now

    # --- runs ------------------------------------------------------------------------------------------------

    def sign(self, run: Attempt, now: float) -> None:
        """It is alive. A run that was taken for lost has its point again, if nobody else took it."""
        run.heard, run.silence, run.unlisted = now, 0.0, False
        if run.state in (*OVER, "preempted"):
            return
        self._take_back(run, now)
        lost_its_point = run.state == "crashed" and run.place is not None and not run.holds
        if run.started and not lost_its_point:
            run.state = "running"

    def _take_back(self, run: Attempt, now: float) -> None:
        place = run.place
        if place is None or not run.mine or place.state == "ended":
            return
        if place.state == "pending" and not place.resume and place.lost:
            place.lost -= 1
        place.state, place.until, place.resume = "claimed", now + LEASE, False

    def _retake(self, run: Attempt) -> None:
        """The run that ended a point goes on: one that was lost as if it had only been lost."""
        if run.mine and run.place is not None and run.place.state == "ended":
            run.place.state = "pending" if run.state == "crashed" else "claimed"

    def begin(self, run: Attempt, now: float) -> None:
        run.heard, run.silence, run.unlisted = now, 0.0, False
        if run.state not in ("pending", "running"):
            run.asked_to_stop &= not run.started
            self._retake(run)
            run.preempting = run.given_up = False
        run.state, run.started = "running", True
        self._take_back(run, now)
        if run.place is not None and run.mine:
            run.place.told = 0

    def end(self, run: Attempt, code: int, now: float) -> None:
        if run.state in OVER:
            return
        run.heard = now
        if run.preempting and code and not run.asked_to_stop:
            self._retake(run)
            run.given_up = False
            self._take_back(run, now)
            run.state = "preempted"
            if run.holds and run.place is not None:
                run.place.free(resume=True)
            return
        run.state = "finished" if not code else "killed" if run.asked_to_stop else "failed"
        self._end_place(run)

    def _end_place(self, run: Attempt) -> None:
        if run.place is not None and run.mine:
            run.place.state, run.place.resume = "ended", False
            self._over_if_done()

    def _over_if_done(self) -> None:
        if self.state == "RUNNING" and all(place.state == "ended" for place in self.places):
            self.state = "FINISHED"

    def delete(self, run: Attempt) -> None:
        del self.runs[run.name]
        if run.place is not None:
            run.place.attempts.remove(run)
            if run.mine:
                run.place.state, run.place.last, run.place.resume = "pending", None, False
                run.place.lost = run.place.told = 0

    # --- what the server notices -----------------------------------------------------------------------------

    def was_away(self, now: float) -> None:
        self.unforgiven, self.awake_since = True, now
        for run in self.runs.values():
            run.silence = 0.0

    def forgive(self, now: float) -> None:
        for run in self.runs.values():
            run.unlisted = False
            if run.holds and run.place is not None:
                run.place.until = now + LEASE
            if run.state in ("pending", "running"):
                run.heard = min(run.heard, now)

    def lose_the_silent(self, now: float) -> list[Attempt]:
        """Who is taken for lost now."""
        long_ago = now - LEASE
        lost = [
            run
            for run in self.runs.values()
            if (run.holds and run.place is not None and run.place.until < now)
            or (
                not run.holds
                and run.started
                and run.state in ("pending", "running")
                and run.heard < long_ago
                and self.awake_since <= long_ago
            )
        ]
        for run in lost:
            self._lose(run)
        return lost

    def _lose(self, run: Attempt) -> None:
        place = run.place if run.holds else None
        if run.asked_to_stop:
            run.state = "killed"
            self._end_place(run)
        elif run.preempting:
            run.state = "preempted"
            if place is not None:
                place.free(resume=True)
        else:
            run.state = "crashed"
            if place is not None:
                place.lost += 1
                place.free(resume=False)
                if place.lost >= LOST:
                    run.given_up = True
                    self._end_place(run)

    def tick(self, now: float) -> list[Attempt]:
        if self.unforgiven:
            self.forgive(now)
        self.unforgiven = False
        return self.lose_the_silent(now)

    # --- agents ----------------------------------------------------------------------------------------------

    def beat(self, agent: str, listed: str | None, now: float) -> tuple[list[tuple[str, object]], list[Attempt]]:
        """What an agent is told: kinds of commands, with the run to stop, or the point; and who was lost by it."""
        if self.unforgiven:
            self.forgive(now)
        run = self.runs.get(listed or "")
        strange = run is not None and run.agent not in (None, agent)
        if run is not None and not strange:
            self.sign(run, now)
        stop = run is None or strange or self.must_stop(run)
        for other in self.runs.values():
            if other.agent == agent and other.holds and other is not run and other.place is not None:
                other.place.until = min(other.place.until, now + GRACE)
                other.unlisted = True
        lost = self.lose_the_silent(now)
        self._over_if_done()
        if listed is not None:
            return ([("stop", listed)] if stop else []), lost
        if self.state in ("FINISHED", "CANCELED"):
            return [("exit", None)], lost
        if self.state == "PAUSED":
            return [], lost
        self._tell_again(agent)
        free = next((place for place in self.places if place.state == "pending"), None)
        return ([] if free is None else [("run", free)]), lost

    def _tell_again(self, agent: str) -> None:
        """The reply that told this agent of a point was lost: the point is free, as the same run."""
        for run in self.runs.values():
            unheard = run.agent == agent and run.holds and run.state == "pending" and not run.started
            if unheard and run.place is not None and run.place.told < TOLD:
                run.place.free(resume=True)
                return

    def must_stop(self, run: Attempt) -> bool:
        if run.asked_to_stop:
            return True
        return run.state not in OVER and run.agent is not None and run.place is not None and not run.mine

    def claimed(self, place: Place, name: str, agent: str, now: float) -> Attempt:
        """The server gave a free point to an agent, as the run of this name: its last one, if that goes on."""
        if place.resume and place.last is not None:
            run = place.last
            assert run.name == name, "a run that was given back goes on as the same run"
            run.state, run.agent, run.preempting = "pending", agent, False
        else:
            assert name not in self.runs, "a run that is over or lost is not handed out again"
            run = Attempt(name, place, agent)
            self.runs[name] = run
            place.attempts.append(run)
        run.heard, run.silence, run.unlisted = now, 0.0, False
        place.state, place.last, place.resume, place.until = "claimed", run, False, now + LEASE
        place.told += 1
        return run

    def set_state(self, state: str) -> None:
        self.state = state
        if state == "CANCELED":
            for run in self.runs.values():
                if run.place is not None and run.state in ("pending", "running", "crashed"):
                    run.asked_to_stop = True

    def standing(self, place: Place) -> str:
        """How far a point is: what `read_ledger` is to say."""
        runs = place.attempts
        if any(run.state == "finished" for run in runs):
            return "done"
        if any(run.state in ("pending", "running") for run in runs):
            return "held"
        if runs and (runs[-1].state in ("failed", "killed") or runs[-1].given_up):
            return "failed"
        return "open"
