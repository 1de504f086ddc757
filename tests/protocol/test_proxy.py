"""A server behind a proxy that ends TLS, as nginx does; with the real client."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme

from tests.protocol.conftest import LabFor, newest_only, served, shown

pytestmark = [pytest.mark.slow, newest_only]  # what is new here is the way there, not what the client asks


@dataclass
class Proxy:
    """A reverse proxy on loopback, in a thread. One connection carries one request.

    `tells`: whether it passes on which host was asked for, and that it was by https.
    """

    context: ssl.SSLContext
    tells: bool
    port: int = 0
    behind: int = 0
    asked: list[str] = field(default_factory=list)

    def run(self, ready: threading.Event, ended: threading.Event) -> None:
        async def serve() -> None:
            listening = await asyncio.start_server(self.pass_on, "127.0.0.1", 0, ssl=self.context)
            self.port = listening.sockets[0].getsockname()[1]
            ready.set()
            await asyncio.to_thread(ended.wait)
            listening.close()

        asyncio.run(serve())

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
            self.asked.append(first.decode().partition("?")[0])
            dropped = (b"connection:",) if self.tells else (b"connection:", b"host:")
            head = [line for line in head if not line.lower().startswith(dropped)] + [b"Connection: close"]
            head.append(b"X-Forwarded-Proto: https" if self.tells else b"Host: 127.0.0.1:%d" % self.behind)
            answers, asks = await asyncio.open_connection("127.0.0.1", self.behind)
            asks.write(b"\r\n".join([first, *head, b"", b""]))
            up = asyncio.create_task(self.copy(reader, asks))
            await self.copy(answers, writer)
            up.cancel()
            asks.close()
        except (asyncio.IncompleteReadError, OSError):
            pass  # a client that closes a connection which it kept for later
        writer.close()

    async def copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while piece := await source.read(1 << 16):
            to.write(piece)
            await to.drain()


@pytest.fixture(params=[True, False], ids=["told", "not told"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxy]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    running, ready, ended = Proxy(context, request.param), threading.Event(), threading.Event()
    thread = threading.Thread(target=running.run, args=(ready, ended))
    thread.start()
    assert ready.wait(10)
    try:
        yield running
    finally:
        ended.set()
        thread.join(10)


LOG = """
import numpy, pathlib
data = os.urandom(5_000_000)
pathlib.Path("big.bin").write_bytes(data)
with wandb.init(id="r", entity="north") as run:
    run.log({"x": 1, "image": wandb.Image(numpy.zeros((4, 4, 3)))})
    made = wandb.Artifact("set", "data")
    made.add_file("big.bin", skip_cache=True)
    run.log_artifact(made).wait()
api = wandb.Api()
run = api.run(f"north/{project}/r")
[image] = run.files(pattern="media/images/%")
[listed] = api.artifact(f"north/{project}/set:v0").files()
down = pathlib.Path(api.artifact(f"north/{project}/set:v0").download("down")) / "big.bin"
picture = open(image.download("media").name, "rb").read()
tell([run.state, run.summary["x"], down.read_bytes() == data, picture[1:4].decode(), image.url, listed.direct_url])
"""


def test_every_address_leads_through_the_proxy(proxy: Proxy, lab_for: LabFor, tmp_path: Path) -> None:
    url = f"https://localhost:{proxy.port}"
    with served(tmp_path / "state", "--url", url) as (server, key):
        proxy.behind = server.port
        lab = replace(lab_for(server), url=url, key=key)
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(tmp_path / "authority.pem"))
        *told, image, listed = shown(lab.python(LOG, **trust))
    assert told == ["finished", 1, True, "PNG"]
    assert image.startswith(f"{url}/storage/run/")
    assert listed.startswith(f"{url}/storage/artifact/")
    for start in ("POST /graphql", "POST /files/north", "PUT /storage/run/", "PUT /storage/artifact/",
                  "PUT /storage/manifest/", "GET /storage/run/", "GET /storage/artifact/"):  # fmt: skip
        assert any(line.startswith(start) for line in proxy.asked), (start, proxy.asked)
