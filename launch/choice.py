"""Which tracker a command speaks to, and the embedded server where there is none.

`WANDB_BASE_URL`, `WANDB_API_KEY` or a logged-in client decide, as W&B's users expect. With none of them it is the
embedded server of this folder; if none runs, one is started and left running.
"""

import configparser
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from framework.errors import TrackerError
from framework.tracking import logs
from framework.tracking.current import PATIENCE_S
from framework.tracking.tracker import Tracker, configured
from launch import embedded as embedded_server
from launch.embedded import find_server

if TYPE_CHECKING:
    from launch.server import ServerInfo

DIRECTORY = Path(".sashiko")
PORT = 8765
LOG, TAKEN = "server.log", b"cannot listen on"
FULL_BYTES = 1 << 16
"""With less room than this on its disk a server writes nothing, not even why."""
START_S, STILL_S = 30.0, 120.0
"""How long a server may take to begin, or to end; and how long nothing may be seen of one that is at work."""


def choose(directory: Path = DIRECTORY, *, embedded: bool = False) -> tuple[Tracker, str]:
    """The tracker, and a sentence that says which it is. The environment points at it afterwards.

    Raises:
        TrackerError: the embedded server does not start, or this installation has none.
        TrackerRefused: an address is configured, but no key for it.
    """
    logs.into(directory)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")  # the commands say themselves what is worth saying
    found = configured_tracker(embedded=embedded)
    if found is not None:
        sentence = f"tracker: {found.url}"
    else:
        info = find_server(directory)
        started = info is None
        info = info or start(directory)
        found = Tracker(info.url, info.key)
        # Short runs are over before the client's usual 15 s are.
        os.environ.setdefault("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")
        os.environ.setdefault("WANDB_DIR", str(directory.resolve() / "client"))
        Path(os.environ["WANDB_DIR"]).mkdir(parents=True, exist_ok=True)
        verb = "started, and left running" if started else "running"
        sentence = f"tracker: {info.url} (embedded server in {directory}, {verb}; stop: sashiko serve --stop)"
    os.environ["WANDB_BASE_URL"] = found.url
    os.environ["WANDB_API_KEY"] = found.key
    return found, sentence


def patient(tracker: Tracker) -> Tracker:
    """The same tracker for who works it: one that is away is waited for as long as its runs would."""
    return replace(tracker, patience_s=PATIENCE_S, say=lambda problem: print(f"waiting: {problem}", flush=True))


def configured_tracker(*, embedded: bool = False) -> Tracker | None:
    """The tracker that the environment or a login points at; None where it is to be the embedded server.

    Raises:
        TrackerRefused: an address is configured, but no key for it.
    """
    return None if embedded else configured(os.environ, _client_base_url())


def _client_base_url() -> str | None:
    """The address that `wandb login --host` saved, if any, where the client itself looks for it."""
    home = Path(os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb")
    local = Path(os.environ.get("WANDB_DIR") or Path.cwd()) / "wandb"
    settings = configparser.ConfigParser()
    settings.read([home / "settings", local / "settings"])  # the later one wins
    return settings.get("default", "base_url", fallback=None)


def start(directory: Path) -> "ServerInfo":
    """Start the embedded server of a folder in the background; one that another command starts is waited for.

    Raises:
        TrackerError: the folder cannot be written; or the server ends, or does not answer and does nothing that
            can be seen: the message then holds the end of its log.
    """
    log = directory / LOG
    try:
        directory.mkdir(parents=True, exist_ok=True)
        log.open("ab").close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TrackerError(
            f"the embedded server needs the folder {directory}, which cannot be written ({reason}): mend that,"
            " work in another folder, or point WANDB_BASE_URL and WANDB_API_KEY at a server"
        ) from error
    # First where it was: jobs that wait in a queue, and runs at work, look for it there.
    for port in dict.fromkeys((embedded_server.last_port(directory) or PORT, PORT, 0)):
        other = _when_it_answers(directory)  # what another command has started
        if other is not None:
            return other
        before = log.stat().st_size
        with log.open("ab") as output:
            server = subprocess.Popen(
                # -P: what lies in this folder is no module of the server's, whatever it is called
                [sys.executable, "-P", "-m", "launch.cli", "serve", "--dir", str(directory), "--port", str(port)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        info = _when_it_answers(directory, server)
        if info is not None:
            return info
        if server.returncode == 0:
            raise TrackerError(f"the embedded server of {directory} was stopped before it answered")
        if TAKEN not in log.read_bytes()[before:]:  # at another port it would end as well
            break
    raise TrackerError(f"the embedded server did not start in {directory}; {_end_of(log)}")


def _end_of(log: Path) -> str:
    if shutil.disk_usage(log.parent).free < FULL_BYTES:
        return f"the disk of {log.parent.absolute()} is full: make room there"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    return f"its log ({log}) ends:\n{tail}"


def _when_it_answers(directory: Path, server: "subprocess.Popen[bytes] | None" = None) -> "ServerInfo | None":
    """The server of a folder, waited for as long as something is done there: one that was started, or another's.

    None if that has ended, or if nobody is at work.

    Raises:
        TrackerError: it does not answer, and nothing that it does can be seen.
    """
    told, end = "", time.monotonic() + START_S
    sign: tuple[int, ...] = ()
    while True:
        ended = server is None or server.poll() is not None
        found, info = embedded_server.find_starting(directory), find_server(directory)
        if info is not None:  # asked once more after its end: another one may be serving the folder
            return info
        if found is None and ended:
            return None
        if found is not None and found.sign != sign:
            sign, end = found.sign, time.monotonic() + STILL_S
            if found.doing not in ("", "starts", told):
                told = found.doing
                who = "the server" if found.serves else "a command"
                typer.echo(f"waiting: {who} of {directory} (pid {found.pid}) {told}", err=True)
        if time.monotonic() > end:
            pid = found.pid if found is not None else server and server.pid
            raise TrackerError(
                f"the embedded server of {directory} (pid {pid}) does not answer, and nothing that it does can be"
                f" seen: look at it, or end it (kill {pid}); {_end_of(directory / LOG)}"
            )
        time.sleep(0.1)


def stop(directory: Path) -> int:
    """Stop the embedded server of a folder, also one that does not answer yet; returns its pid.

    Raises:
        TrackerError: none runs there, it is another user's, or it does not end within 30 s.
    """
    pid = _pid_of(directory)
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise TrackerError(
            f"the server of {directory} (pid {pid}) is another user's, who alone can stop it"
        ) from error
    end = time.monotonic() + START_S
    while find_server(directory) is not None or _lives(pid):
        if time.monotonic() > end:
            raise TrackerError(f"the server of {directory} (pid {pid}) does not end")
        time.sleep(0.1)
    return pid


def _pid_of(directory: Path) -> int:
    info, found = find_server(directory), embedded_server.find_starting(directory)
    if info is not None:
        return info.pid
    if found is None:
        raise TrackerError(f"no embedded server runs in {directory}")
    if not found.serves:
        raise TrackerError(
            f"no embedded server runs in {directory}; another command (pid {found.pid}) {found.told}"
        )
    return found.pid


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent to take notice, or not even that (Linux)."""
    if not Path("/proc/self/stat").exists():
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
