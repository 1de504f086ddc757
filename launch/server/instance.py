"""The server as a process: its folder, its key, its one instance, its end.

The folder holds `server.json` (address and pid, while it runs), `lock` (held while it runs), `api_key` and
`secret` (made once, readable by the owner only), `server.db` and `blobs/`. Importing this module costs
nothing: the web framework is imported when a server starts.
"""

import contextlib
import fcntl
import gc
import json
import os
import secrets
import signal
import socket
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from framework.errors import Interrupted, SashikoError
from launch.server import folder, notifying, starting
from launch.server.limits import ServeOptions
from launch.server.opening import LOCK_FILE, Unusable, os_words
from launch.server.wire import ENTITY

if TYPE_CHECKING:
    import uvicorn

    from launch.server.request import Services

HEALTH_SECONDS = 10.0
"""How long a server may take to say that it lives: one that is dead refuses at once, a busy one does not."""
DRAIN_SECONDS = 3
"""How long requests that are under way may take after a signal to stop; what is left of `GOODBYE_SECONDS` is for
cutting off those that take longer, and for folding the log into the database."""
GOODBYE_SECONDS = 5.0
HURRY_SECONDS = 0.05
IDLE_SECONDS = 30
"""How long a connection may be idle: longer than agents are between two heartbeats."""
LOOPBACK_HOST = "127.0.0.1"
ANSWERS_S = 10.0
PORT_FILE, PORTS_END = "port", 65_536
STATE_FILE, KEY_FILE, SECRET_FILE = "server.json", "api_key", "secret"


class ServerBusy(SashikoError):
    """The folder already has a live server, or the port is taken."""


class NotForOthers(SashikoError):
    """A server without users is to be reachable from other machines."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and how others reach it.

    `port` 0 takes any free one. `certificate` and `private_key` are PEM files for TLS, both or none. `public` is
    the address behind a proxy or under the machine's name.
    """

    host: str = LOOPBACK_HOST
    port: int = 8765
    certificate: Path | None = None
    private_key: Path | None = None
    public: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def scheme(self) -> str:
        """`http`, or `https` with a certificate."""
        return "http" if self.certificate is None else "https"

    @property
    def proxy(self) -> str | None:
        """The proxy that stands before the server; with a certificate of its own it is reached without one."""
        return self.public if self.certificate is None else None

    def url(self, port: int) -> str:
        """The address for clients on this machine: under its public name, where a certificate demands it."""
        return self.public if self.certificate is not None and self.public else self.socket_url(port)

    def socket_url(self, port: int) -> str:
        """The address of the socket itself."""
        host = LOOPBACK_HOST if self.host in ("0.0.0.0", "::") else self.host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass(frozen=True)
class ServerInfo:
    """A server that runs: where it is, the API key, its process, the folder it serves."""

    url: str
    key: str
    pid: int
    directory: Path
    port: int = 0
    entity: str = ENTITY


def find_server(directory: Path) -> ServerInfo | None:
    """The live server of a folder, asked for its health; None if there is none."""
    directory = Path(directory)
    try:
        state = json.loads((directory / STATE_FILE).read_text())
        key = (directory / KEY_FILE).read_text().strip()
        url, pid = str(state["url"]), int(state["pid"])
        socket_url = str(state.get("socket", url))
        port = int(state.get("port", socket_url.rsplit(":", 1)[-1]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (_runs(pid) and _is_healthy(socket_url)):
        return None
    return ServerInfo(url, key, pid, directory, port)


def serve(
    directory: Path,
    address: Address,
    *,
    on_ready: Callable[[ServerInfo], None] | None = None,
    options: ServeOptions | None = None,
) -> None:
    """Serve a folder until SIGINT or SIGTERM.

    Args:
        directory: the folder; made if it is new.
        address: where to listen.
        on_ready: called once the server answers.
        options: by default from the environment (`SASHIKO_LEASE_SECONDS`).

    Raises:
        ServerBusy: the folder has a live server, or the port is taken.
        SchemaError: a newer version of Sashiko wrote the database.
        Unusable: the folder or what is in it cannot be read and written, or is not what it should be.
        NotForOthers: it would be reachable from other machines, and no user has been added.
        OnNetwork: the folder is on a network file system.
        ConfigError: an environment variable cannot be used.
    """
    chosen = replace(options or ServeOptions.from_environment(), proxy=address.proxy)
    directory = Path(directory).absolute()
    folder.prepare(directory)
    with contextlib.ExitStack() as held:
        held.enter_context(only_one(directory))
        start = held.enter_context(contextlib.ExitStack())
        try:
            telling = start.enter_context(_telling(directory))
            services = held.enter_context(_services(directory, address, chosen, telling))
        except Interrupted as interrupted:
            from launch.server.storage.migrating import to_the_terminal

            to_the_terminal(f"{interrupted} before the server of {directory} answered")
            return
        listener = held.enter_context(_listening(address))
        gc.freeze()  # what is loaded by now stays: no later look for garbage goes through it
        _run(services, listener, address, directory, on_ready, start.close)


@contextlib.contextmanager
def _telling(directory: Path) -> Iterator[starting.Telling]:
    with contextlib.ExitStack() as held:
        try:
            tell = held.enter_context(starting.telling(directory, serves=True))
        except OSError as error:
            raise Unusable(os_words(error, directory)) from error
        yield tell


@contextlib.contextmanager
def _services(
    directory: Path, address: Address, options: ServeOptions, telling: starting.Telling
) -> Iterator["Services"]:
    """The open state of a folder, if it may be served at this address."""
    from launch.server.request import Services

    try:
        key, secret = private_text(directory / KEY_FILE), private_text(directory / SECRET_FILE)
        services = Services.open(directory, key, secret.encode(), options, telling)
    except OSError as error:
        raise Unusable(os_words(error, directory)) from error
    try:
        if not (address.is_loopback and address.public is None) and not _has_users(services):
            raise NotForOthers(
                f"{address.public or address.host} is for others too, and this server has no users yet: add one"
                f" with `sashiko serve --dir {directory} user add NAME`, which prints the key to give away"
            )
        yield services
    finally:
        services.close()


def _run(
    services: "Services",
    listener: socket.socket,
    address: Address,
    directory: Path,
    on_ready: Callable[[ServerInfo], None] | None,
    started: Callable[[], None],
) -> None:
    import uvicorn

    from launch.server import sending
    from launch.server.app import make_app

    key = private_text(directory / KEY_FILE)
    port = listener.getsockname()[1]
    info = ServerInfo(address.url(port), key, os.getpid(), directory, port)
    state_file = directory / STATE_FILE
    state = {"url": info.url, "socket": address.socket_url(port), "port": port, "pid": info.pid}

    def answers() -> None:
        _write(directory / PORT_FILE, f"{port}\n")
        _write(state_file, json.dumps(state) + "\n")
        started()
        if on_ready is not None:
            on_ready(info)
        notifying.tell(notifying.READY)

    config = uvicorn.Config(
        make_app(services),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        http=sending.Protocol,
        ws="none",
        ssl_certfile=address.certificate,
        ssl_keyfile=address.private_key,
    )
    over = threading.Event()
    server = _server(config, services, answers, over)
    try:
        with _signals_end(server):
            server.run(sockets=[listener])
    finally:
        over.set()
        state_file.unlink(missing_ok=True)


def _server(
    config: "uvicorn.Config", services: "Services", answers: Callable[[], None], over: threading.Event
) -> "uvicorn.Server":
    """A server that tells when it answers; `over` is set once it has ended."""
    import uvicorn

    drained = threading.Event()

    class Server(uvicorn.Server):
        """Ends in time, and at once at a second signal."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                answers()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            notifying.tell(notifying.STOPPING)
            services.leaving.set()
            threading.Thread(target=_hurry, args=(services, drained, over), daemon=True).start()
            await super().shutdown(sockets)
            drained.set()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:
                self.force_exit = True
                drained.set()
            super().handle_exit(sig, frame)

    return Server(config)


def _hurry(services: "Services", drained: threading.Event, over: threading.Event) -> None:
    """Once the time for requests that are under way is over, cut off what they still do in the database."""
    drained.wait(DRAIN_SECONDS)
    while not over.wait(HURRY_SECONDS):
        services.store.interrupt()


@contextlib.contextmanager
def _signals_end(server: "uvicorn.Server") -> Iterator[None]:
    """SIGINT and SIGTERM end the server, and nothing more.

    uvicorn raises the signal again once it has shut down; the default handlers would then kill the process
    before the database is closed.
    """

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def private_text(path: Path) -> str:
    """The secret in a file that only the owner may read; made, random, if it is new: 40 hexadecimal digits.

    Hexadecimal, because the client takes what stands before a `-` in a key for a prefix.
    """
    if not path.exists():
        descriptor, beside = tempfile.mkstemp(dir=path.parent)  # readable by the owner only
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(20) + "\n")
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile: that one counts
            os.link(beside, path)
        Path(beside).unlink()
    path.chmod(0o600)
    return path.read_text().strip()


def last_port(directory: Path) -> int | None:
    """The port at which a folder was served last; None if it never was."""
    try:
        port = int((Path(directory) / PORT_FILE).read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port < PORTS_END else None


def _when_it_answers(directory: Path) -> ServerInfo | None:
    """The server that holds a folder; one that has just been started is waited for."""
    end = time.monotonic() + ANSWERS_S
    while (found := find_server(directory)) is None and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _at_work(directory: Path) -> str:
    """What a process that holds the folder and does not answer is doing."""
    other = starting.find_starting(directory)
    return "" if other is None else f" (pid {other.pid}, which {other.told}, and does not answer yet)"


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the folder. The lock goes with the process, however it ends, so a stale one cannot be."""
    with _opened(directory / LOCK_FILE) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            other = _when_it_answers(directory)
            where = f" at {other.url} (pid {other.pid})" if other is not None else _at_work(directory)
            raise ServerBusy(f"another server already serves {directory}{where}") from error
        yield


def _opened(lock: Path) -> IO[str]:
    try:
        return lock.open("w")
    except OSError as error:
        raise Unusable(os_words(error, lock)) from error


def _has_users(services: "Services") -> bool:
    with services.store.read() as tables:
        return tables.users.any_keys()


@contextlib.contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # asyncio sets this only on sockets that name their protocol; without it each answer waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address.host, address.port))
            listener.listen(256)
        except (OSError, OverflowError) as error:
            raise ServerBusy(
                f"cannot listen on {address.host}:{address.port} ({error}): choose another port with --port,"
                " 0 takes a free one"
            ) from error
        yield listener


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_healthy(url: str) -> bool:
    # Nothing secret is asked: a certificate that this machine does not know is no reason to think it dead.
    trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
    try:
        with opener.open(f"{url}/healthz", timeout=HEALTH_SECONDS) as reply:
            return bool(json.loads(reply.read(1000)).get("server") == "sashiko")
    except (OSError, ValueError, AttributeError, urllib.error.URLError):
        return False


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)
