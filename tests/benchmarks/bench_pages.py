"""The page of a sweep with 10,000 runs in Chromium: first view, sort, filter, and the bytes of a live tick."""

import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from launch.server.storage import open_store
from launch.server.storage.users import OWNER
from tests.benchmarks.servers import ours
from tests.browser.conftest import CHROMIUM, WIDE
from tests.browser.filled import fill

RUNS, TRIES, CHANGED = 10_000, 5, 40
TARGET_VIEW_S, TARGET_TURN_MS, TARGET_TICK_KB = 1.0, 200.0, 20.0
ADDRESS, ROW = "/local/large/sweeps/big", "table.grid tbody a"
TURN = """([find, act]) => new Promise((done) => {
  const node = document.querySelector(find);
  const start = performance.now();
  if (act === "press") node.click();
  else { node.value = act; node.dispatchEvent(new Event("input")); }
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""
"""The milliseconds from what somebody does to the frame in which it is shown."""
TICKS = """(address) => new Promise((done) => {
  const sizes = [];
  const source = new EventSource(address);
  source.onmessage = (event) => sizes.push(new Blob([event.data]).size);
  setTimeout(() => { source.close(); done(sizes); }, 5000);
})"""


def measure() -> list[dict[str, Any]]:
    """Seconds to the first rows, milliseconds to sort and to filter, the largest tick while 40 runs change."""
    if CHROMIUM is None:
        raise RuntimeError("no Chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        fill(state, count=RUNS)
        with ours(state) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            _first_view(browser, server.url + "/")
            cold = _first_view(browser, server.url + ADDRESS)
            views = [_first_view(browser, server.url + ADDRESS, state) for _ in range(TRIES)]
            page = _opened(browser, server.url + ADDRESS)
            heads = "table.grid thead th:nth-child({}) button"
            sorts = [_turned(page, heads.format(place), "press") for place in (2, 4, 5, 6, 8)]
            filters = [
                _turned(page, ".filter", text) for text in ("ridge>0.01", "kind=mlp", "run-09", "mse<0.5", "")
            ]
            sizes = _ticks(page, state)
            browser.close()
    return [
        _row(f"first rows of a sweep's page with {RUNS:,} runs", statistics.median(views), "s", TARGET_VIEW_S)
        | {"note": f"median of {TRIES}, a run logs before each; the first since the start: {cold:.2f} s"},
        _row(f"a sort of {RUNS:,} runs, to the frame that shows it", max(sorts), "ms", TARGET_TURN_MS),
        _row(f"a filter over {RUNS:,} runs, to the frame that shows it", max(filters), "ms", TARGET_TURN_MS),
        _row(
            f"the largest live tick while {CHANGED} of {RUNS:,} runs log", max(sizes) / 1e3, "kB", TARGET_TICK_KB
        ),
    ]


def _row(name: str, found: float, unit: str, target: float) -> dict[str, Any]:
    return {
        "name": name,
        "measured": f"{found:.3g} {unit}",
        "target": f"≤ {target:g} {unit}",
        "reached": found <= target,
    }


def _opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
    page.goto(address)
    page.locator(ROW).nth(10).wait_for()
    page.wait_for_timeout(1500)
    return page


def _first_view(browser: Browser, address: str, state: Path | None = None) -> float:
    """Seconds from the request of the page to the rows of its table; the browser has nothing from before.

    With a `state` folder one of its runs logs before.
    """
    if state is not None:
        _log(state, 1)
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(ROW).nth(10).wait_for() if address.endswith(ADDRESS) else page.wait_for_load_state()
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def _turned(page: Page, find: str, act: str) -> float:
    milliseconds = float(page.evaluate(TURN, [find, act]))
    page.wait_for_timeout(300)
    return milliseconds


def _ticks(page: Page, state: Path) -> list[int]:
    """The bytes of the events while runs change, all of them between two ticks, again and again."""
    page.evaluate("window.sizes = null")
    page.evaluate(f"({TICKS})('/view{ADDRESS}/live').then((sizes) => {{ window.sizes = sizes; }}) && 0")
    for _ in range(8):
        _log(state, CHANGED)
        page.wait_for_timeout(500)
    while not (sizes := page.evaluate("window.sizes")):
        page.wait_for_timeout(200)
    return [int(size) for size in sizes]


def _log(state: Path, count: int) -> None:
    """The first runs of the sweep log."""
    store = open_store(state / "server.db")
    with store.write() as tables:
        project = tables.projects.by_name("large", OWNER)
        [found] = tables.sweeps.listed(0 if project is None else project["id"])
        for run in [row["id"] for row in tables.runs.changed("sweep_id", found["id"], 0, count)]:
            summary = {"mse": random.random(), **{f"s{key}": random.random() for key in range(14)}}
            tables.runs.set(run, summary=json.dumps(summary))
    store.close()
