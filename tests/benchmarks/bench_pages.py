"""The page of a sweep with 10,000 runs in Chromium: first view, sort, filter, and the bytes of a live tick."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from launch.server.storage import open_store
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
            views = [_first_view(browser, server.url + ADDRESS) for _ in range(TRIES + 1)][1:]
            page = _opened(browser, server.url + ADDRESS)
            heads = "table.grid thead th:nth-child({}) button"
            sorts = [_turned(page, heads.format(place), "press") for place in (2, 4, 5, 6, 8)]
            filters = [
                _turned(page, ".filter", text) for text in ("ridge>0.01", "kind=mlp", "run-09", "mse<0.5", "")
            ]
            sizes = _ticks(page, state)
            browser.close()
    return [
        _row(f"first rows of a sweep's page with {RUNS:,} runs", statistics.median(views), "s", TARGET_VIEW_S),
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


def _first_view(browser: Browser, address: str) -> float:
    """Seconds from the request of the page to the rows of its table; nothing is kept from before."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(ROW).nth(10).wait_for()
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def _turned(page: Page, find: str, act: str) -> float:
    milliseconds = float(page.evaluate(TURN, [find, act]))
    page.wait_for_timeout(300)
    return milliseconds


def _ticks(page: Page, state: Path) -> list[int]:
    """The bytes of the events while runs change, all of them between two ticks, again and again."""
    store = open_store(state / "server.db")
    with store.read() as tables:
        [sweep] = [row for row in tables.sweeps.listed(_project(tables.projects)) if row["name"] == "big"]
        runs = [row["id"] for row in tables.runs.told("sweep_id", sweep["id"])][:CHANGED]
    page.evaluate("window.sizes = null")
    page.evaluate(f"({TICKS})('/view{ADDRESS}/live').then((sizes) => {{ window.sizes = sizes; }}) && 0")
    for turn in range(8):
        with store.write() as tables:
            for run in runs:
                summary = {
                    "mse": 0.1 + turn + run * 1e-9,
                    **{f"s{key}": run / (key + turn + 1.7) for key in range(14)},
                }
                tables.runs.set(run, summary=json.dumps(summary))
        page.wait_for_timeout(500)
    store.close()
    while not (sizes := page.evaluate("window.sizes")):
        page.wait_for_timeout(200)
    return [int(size) for size in sizes]


def _project(projects: Any) -> int:
    owner: Callable[..., Any] = projects.by_name
    return int(owner("large", 1)["id"])
