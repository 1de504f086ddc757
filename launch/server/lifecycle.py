"""What becomes of a run: started, alive, ended, lost. And with it, of the grid point that it holds.

    pending ─▶ running ─▶ finished │ failed │ killed         ends the point
                  │  ▲
                  ▼  │ a sign of life
               crashed                                       frees the point for another run, a few times
               preempted                                     frees the point for the same run

Everything here is part of the caller's transaction. This module does not know HTTP, nor who asks.
"""

import sqlite3

from launch.server.limits import ServeOptions
from launch.server.storage import Tables, runs

GIVEN_UP = 137
"""The exit code of a lost run with which its point ended: that of a process that was killed."""
ENDED = (runs.FINISHED, runs.FAILED, runs.KILLED)


def alive(tables: Tables, run: sqlite3.Row, now: float, options: ServeOptions) -> None:
    """A run gave a sign of life: its lease is renewed, and one that was taken for lost is running again."""
    tables.runs.beat(run["id"], now)
    if run["state"] in (*ENDED, runs.PREEMPTED):
        return
    holds = tables.points.renew(run["id"], now + options.lease_seconds)
    lost_its_point = run["agent_id"] is not None and not holds and run["state"] == runs.CRASHED
    if run["state"] != runs.RUNNING and run["started"] and not lost_its_point:
        tables.runs.set(run["id"], state=runs.RUNNING)


def begin(tables: Tables, run: sqlite3.Row, now: float, options: ServeOptions, *, anew: bool = False) -> bool:
    """A process starts to work on a run, or goes on with it; whether this is the first one ever.

    A point that the run had ended is its own again. `anew`: it does not go on from what earlier processes logged,
    which is forgotten.
    """
    first = not run["started"]
    if anew and not first:
        tables.lines.clear(run["id"])
        tables.usage.clear_rows(run["id"])
        tables.rungs.clear(run["id"])
        tables.runs.set(run["id"], summary="{}")
    tables.runs.beat(run["id"], now)
    if run["state"] == runs.PENDING:  # a request to stop that came before the start still holds
        tables.runs.set(run["id"], state=runs.RUNNING, started=1)
    elif run["state"] != runs.RUNNING:
        stop = run["stop_requested"] if first else 0
        tables.runs.set(
            run["id"], state=runs.RUNNING, started=1, exit_code=None, preempting=0, stop_requested=stop
        )
        tables.points.retake(run["id"], was_lost=run["state"] == runs.CRASHED)
    tables.points.renew(run["id"], now + options.lease_seconds)
    tables.points.started(run["id"])
    return first


def end(tables: Tables, run: sqlite3.Row, exit_code: int, now: float) -> None:
    """A run said that it is complete. Its point ends with it, unless another run has taken the point.

    A run that announced its preemption and did not succeed ends nothing: the next agent goes on with it.
    """
    if run["state"] in ENDED:
        return
    tables.runs.beat(run["id"], now)
    if run["preempting"] and exit_code != 0 and not run["stop_requested"]:
        tables.points.retake(run["id"], was_lost=True)
        tables.points.renew(run["id"], now)  # it was not lost after all
        tables.runs.set(run["id"], state=runs.PREEMPTED, exit_code=exit_code)
        tables.points.release(run["id"], resume=True)
        return
    failed = runs.KILLED if run["stop_requested"] else runs.FAILED
    state = runs.FINISHED if exit_code == 0 else failed
    tables.runs.set(run["id"], state=state, exit_code=exit_code)
    sweep_id = tables.points.end(run["id"])
    if sweep_id is not None:
        tables.sweeps.finish_if_done(sweep_id)


def lose(tables: Tables, run_id: int, options: ServeOptions) -> None:
    """Neither the run nor its agent gave a sign of life in time: the point is free again.

    A point whose runs were lost `options.attempts` times ends: it kills whoever takes it (out of memory, say). Its
    last run has an exit code, which no other lost run has: so everybody can tell.
    """
    run = tables.runs.by_id(run_id)
    if run is None:
        return
    counts = not run["preempting"] and not run["stop_requested"]
    spent = counts and tables.points.lose(run_id) >= options.attempts
    if run["stop_requested"] or spent:
        if run["stop_requested"]:
            tables.runs.set(run_id, state=runs.KILLED)
        else:
            tables.runs.set(run_id, state=runs.CRASHED, exit_code=GIVEN_UP)
        sweep_id = tables.points.end(run_id)
        if sweep_id is not None:
            tables.sweeps.finish_if_done(sweep_id)
        return
    tables.runs.set(run_id, state=runs.PREEMPTED if run["preempting"] else runs.CRASHED)
    tables.points.release(run_id, resume=bool(run["preempting"]))


def forgive(tables: Tables, now: float, options: ServeOptions) -> None:
    """The server itself was away: nobody's silence meanwhile counts, and everyone has a whole lease from now."""
    tables.points.grant(now + options.lease_seconds)
    tables.runs.not_ahead(now)


def expire(tables: Tables, now: float, options: ServeOptions, awake_since: float = 0.0) -> int:
    """Take every silent run for lost; how many there were. Only silence after `awake_since` counts."""
    long_ago = now - options.lease_seconds
    lost = [*tables.points.expired(now), *(tables.runs.silent_since(long_ago) if long_ago >= awake_since else ())]
    for run_id in lost:
        lose(tables, run_id, options)
    return len(lost)


def should_stop(tables: Tables, run: sqlite3.Row) -> bool:
    """Whether a process that works on this run should stop: told to, or its point is somebody else's now."""
    if run["stop_requested"]:
        return True
    if run["sweep_id"] is None or run["state"] in ENDED or run["agent_id"] is None:
        return False
    return tables.points.of_run(run["id"]) is None
