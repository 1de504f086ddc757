"""What pages load: whole, of the right type, kept by the browser while it is the same, and nothing else."""

from pathlib import Path

import pytest

from launch.server import assets
from tests.launch.server.asgi import Client

MOST_LINES = 150
MODULES = sorted(assets.FOLDER.glob("*.js"))


@pytest.mark.parametrize(
    ("name", "kind"), [("style.css", "text/css"), ("uplot/uPlot.iife.min.js", "text/javascript")]
)
def test_an_asset_is_sent_and_kept(client: Client, name: str, kind: str) -> None:
    reply = client.get(f"/static/{name}")
    assert (reply.status_code, reply.content) == (200, (assets.FOLDER / name).read_bytes())
    assert reply.headers["content-type"].startswith(kind)
    again = client.get(f"/static/{name}", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["../pages.py", "..%2fpages.py", "uplot", "", "//etc/passwd", "gone.js"])
def test_nothing_else_is_opened(client: Client, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_uplot_comes_with_its_licence() -> None:
    assert "MIT License" in (assets.FOLDER / "uplot" / "LICENSE").read_text()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_can_be_seen_whole_and_asks_nobody_else(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("// @ts-check\n/**\n")
    assert len(text.splitlines()) <= MOST_LINES
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"):
        assert word not in text, word
