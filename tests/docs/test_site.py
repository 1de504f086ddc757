"""The site is built, strict, and stands by itself: each link and figure is there, no page asks another host."""

import functools
import importlib.util
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.docs.pages import NAV, ROOT

BUILD_S = 240
LOOKED_AT = ("", "docs/quick-start.html", "docs/commands.html", "docs/api/mappings.html", "experiments/multitask/")
NO_FILES = ("http://", "https://", "//", "mailto:", "data:")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("zensical") is None or importlib.util.find_spec("mkdocstrings") is None,
        reason="zensical and mkdocstrings are not installed: pip install 'sashiko[docs]'",
    ),
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and does not tell whom."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Page(HTMLParser):
    """What a page links to (`links`), loads (`loads`), and can be jumped to (`places`)."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name in ("href", "src", "data", "action", "poster") and value:
                (self.links if tag == "a" else self.loads).append(value)


@functools.cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a copy of what it is made of."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", "framework", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.md"), ROOT / "zensical.toml"):
        shutil.copy(path, folder)
    done = subprocess.run(
        [sys.executable, "docs/build.py"], cwd=folder, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "griffe:" not in done.stdout + done.stderr, "a docstring names what its function does not have"
    return folder / "build" / "site"


def test_every_page_is_built(site: Path):
    for page in NAV:
        path = Path(page)
        place = path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")
        assert (site / place).is_file(), page


def test_every_link_and_figure_is_there(site: Path):
    """Zensical looks at links between pages; here are figures, scripts, styles and places within pages, too."""
    for path in site.rglob("*.html"):
        page = read(path)
        for link in [*page.links, *page.loads]:
            name, place = urldefrag(link)
            if link.startswith(NO_FILES):
                continue
            start = site if name.startswith("/") else path.parent
            target = (start / unquote(name).lstrip("/")).resolve() if name else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if place and target.suffix == ".html" and not place.startswith("__"):
                assert unquote(place) in read(target).places, f"{path.relative_to(site)}: {link}"


def test_no_page_loads_anything_from_elsewhere(site: Path):
    for path in site.rglob("*.html"):
        foreign = [link for link in read(path).loads if link.startswith(("http:", "https:", "//"))]
        assert not foreign, f"{path.relative_to(site)}: {foreign}"
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text, path.name
        assert "url(http" not in text.replace('"', "").replace("'", ""), path.name


def test_the_library_is_told_with_its_docstrings(site: Path):
    page = read(site / "docs" / "api" / "mappings.html")
    assert {"framework.mappings.load_mapping", "framework.mappings.affine.Affine"} <= page.places
    assert "framework.config.Config" in read(site / "docs" / "api" / "spine.html").places


def test_a_browser_asks_nobody_else(site: Path):
    """The theme's scripts could load more where a page has what they look for; this is what a browser asks."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    handler = functools.partial(Quiet, directory=str(site))
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for place in LOOKED_AT:
            page.goto(f"http://127.0.0.1:{server.server_port}/{place}", wait_until="load")
            page.wait_for_function("document.querySelector('h1') !== null")
        page.get_by_role("button", name="Search").first.click()
        page.locator("input:focus").fill("quota")
        page.get_by_text(re.compile(r"^\d+ results?$")).wait_for()
        browser.close()
        server.shutdown()
    own = (f"http://127.0.0.1:{server.server_port}/", "data:", "blob:")
    assert len(asked) > len(LOOKED_AT)
    assert not [url for url in asked if not url.startswith(own)]
