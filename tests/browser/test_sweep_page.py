"""The pages of sweeps and projects: what is best, table, drawings, addresses; small, empty, hostile, huge."""

import statistics
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from scipy import stats  # type: ignore[import-untyped]

from tests.browser.conftest import PHONE, Shoot
from tests.browser.filled import HOSTILE, KINDS, RIDGES, SEEDS, fill, mse
from tests.browser.test_modules import run
from tests.protocol.conftest import Server

SMALL, BIG = "/local/demo/sweeps/small", "/local/large/sweeps/big"
PLAIN = "/local/plain/sweeps/small"
COUNTING_MS = 20_000  # the server imports what counts when it is first asked


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sweep") / "server"
    fill(folder)
    made = Server(folder, {"SASHIKO_LEASE_SECONDS": "100000"}).start()
    yield made
    made.end()


def see(page: Page, server: Server, address: str) -> Page:
    page.goto(server.info.url + address)
    expect(page.locator(".counted")).not_to_be_empty()
    expect(page.locator("#best")).not_to_be_empty()  # from then on nothing moves what stands below
    return page


def column(page: Page, name: str) -> list[str]:
    """The cells in view of a column of the table."""
    heads = [text.strip(" ↑↓") for text in page.locator(".grid thead th").all_inner_texts()]
    place = heads.index(name) + 1
    return page.locator(f".grid tbody tr:not(.gap) td:nth-child({place})").all_inner_texts()


def test_the_best_is_the_best_mean_over_seeds(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, SMALL)
    first = page.locator("#best tbody tr").first.locator("td").all_inner_texts()
    values = [mse("linear", 0.001, seed) for seed in SEEDS]
    half = stats.t.ppf(0.975, 2) * statistics.stdev(values) / 3**0.5
    assert first[0] == f"{statistics.mean(values):.4g} ± {half:.2g}"
    assert first[1:] == ["3", "linear", "0.001"]
    assert "12 groups" in page.inner_text("#best")
    assert page.locator("#running li").count() == 2
    assert "34 of 36 points ended" in page.inner_text("#progress")
    assert "2 failed" in page.inner_text("#progress")
    shoot(page, "sweep")
    page.emulate_media(color_scheme="dark")
    shoot(page, "sweep-dark")


def test_another_metric_is_chosen_and_stands_in_the_address(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    assert page.locator("#metric select").first.input_value() == "mse"
    page.get_by_label("best is").select_option("max")
    expect(page.locator("#best")).to_contain_text("Largest mean of 12 groups")
    assert page.url.endswith("?metric=mse&goal=max")
    first = page.locator("#best tbody tr").first.locator("td").all_inner_texts()
    assert first == [f"{mse('mlp', 1.0, 0):.4g}", "1", "mlp", "1"], "of its three runs two are not over"
    page.get_by_label("metric", exact=True).select_option("acc")
    expect(page.locator("#best")).to_contain_text("acc")
    page.get_by_role("tab", name="Importance").click()
    expect(page.locator("#drawing")).to_contain_text("acc", timeout=COUNTING_MS)
    page.go_back()
    page.go_back()
    expect(page.locator("#best thead")).to_contain_text("mse")
    page.get_by_role("button", name="as defined").click()
    expect(page.locator("#best")).to_contain_text("Smallest mean of 12 groups")
    assert "metric=" not in page.url


def test_what_comes_late_is_not_drawn_over_another_tab(server: Server, page: Page) -> None:
    page.route("**/importance*", lambda route: (page.wait_for_timeout(800), route.continue_()))
    see(page, server, SMALL)
    page.keyboard.press("3")
    page.keyboard.press("2")
    page.wait_for_timeout(2500)
    expect(page.locator("#drawing .bars")).to_have_count(0)
    expect(page.locator("#drawing canvas")).to_have_count(1)


def test_a_sweep_without_a_metric_asks_for_one(server: Server, page: Page) -> None:
    see(page, server, PLAIN)
    expect(page.locator("#best")).to_contain_text("choose one above")
    page.get_by_label("metric", exact=True).select_option("mse")
    expect(page.locator("#best")).to_contain_text("Smallest mean of 12 groups")
    page.get_by_role("tab", name="Importance").click()
    expect(page.locator("#drawing")).to_contain_text("Shares of the variance of mse", timeout=COUNTING_MS)
    page.reload()
    expect(page.locator("#best")).to_contain_text("Smallest mean of 12 groups")


def test_at_1280_px_what_matters_lies_in_the_window(server: Server, page: Page) -> None:
    for address in (SMALL, BIG):
        see(page, server, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        box = page.locator(".grid thead th.mark").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1280
    see(page, server, SMALL)
    heads = [text.strip(" ↑↓") for text in page.locator(".grid thead th").all_inner_texts()]
    assert heads[1:7] == ["Run", "state", "mse", "kind", "ridge", "seed"]


def test_names_are_short_and_whole_on_hover(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    link = page.locator(".grid tbody a").first
    title = link.get_attribute("title")
    assert title is not None
    assert title.startswith("stitching-linear-ridge=0.001-seed=0")
    assert len(link.inner_text()) <= 24
    link.click()
    assert page.url.endswith("/local/demo/runs/r00")


def test_a_table_is_sorted_and_the_back_button_undoes(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    values = [float(text) for text in column(page, "mse")]
    assert values == sorted(values)
    page.get_by_role("button", name="mse", exact=False).first.click()
    values = [float(text) for text in column(page, "mse")]
    assert values == sorted(values, reverse=True)
    assert "sort=-summary.mse" in page.url
    head = page.locator(".grid thead th.mark")
    assert head.get_attribute("aria-sort") == "descending"
    page.go_back()
    expect(head).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ridge>0.01", 18), ("ridge>=0.01 kind=mlp", 9), ("state=failed", 2), ("kind=mlp|affine seed!=0", 16),
        ("kind~LIN", 12), ("mse<0.101", 1), ("number-07", 1), ('"ridge=0.1-seed"', 9), ("config.ridge=1", 9),
        ("mapping.kind=linear state=finished", 10), ("ridge<=0.001 ridge>=0.001", 9), ("nothing-of-it", 0),
        ("mse>0 state=failed", 0), ("mse=", 2),
    ],
)  # fmt: skip
def test_a_filter_shows_what_meets_it(server: Server, page: Page, text: str, count: int) -> None:
    see(page, server, SMALL)
    page.fill(".filter", text)
    expect(page.locator(".counted")).to_have_text(f"{count} of 36 runs")
    shared = page.url
    page.goto("about:blank")
    page.goto(shared)
    expect(page.locator(".counted")).to_have_text(f"{count} of 36 runs")
    assert page.input_value(".filter") == text


@pytest.mark.parametrize(
    ("text", "problem"), [("rigde>1", "there is no column rigde"), ("ridge>a", "ridge>a needs a number")]
)
def test_a_filter_that_is_not_understood_says_so(server: Server, page: Page, text: str, problem: str) -> None:
    see(page, server, SMALL)
    page.fill(".filter", text)
    expect(page.locator("#filter-problems")).to_have_text(problem)


def test_groups_have_the_mean_and_its_interval(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    page.get_by_role("button", name="Show groups").click()
    expect(page.locator(".counted")).to_have_text("12 groups of 36 runs")
    assert column(page, "n")[0] == "3"
    page.get_by_text("Group by").click()
    page.get_by_role("checkbox", name="ridge").uncheck()
    expect(page.locator(".counted")).to_have_text("3 groups of 36 runs")
    assert "group=config.mapping.kind" in page.url
    values = [mse("mlp", ridge, seed) for ridge in RIDGES for seed in SEEDS]
    half = stats.t.ppf(0.975, 11) * statistics.stdev(values) / 12**0.5
    place = column(page, "kind").index("mlp")
    assert column(page, "mse")[place] == f"{statistics.mean(values):.4g} ± {half:.2g}"
    page.locator(".grid tbody tr").nth(place).get_by_role("button").click()
    expect(page.locator(".counted")).to_have_text("12 of 36 runs")
    assert page.input_value(".filter") == "kind=mlp"


def test_the_interval_is_students(server: Server, page: Page) -> None:
    page.goto(server.info.url)
    found = run(page, "stats", "Array.from({length: 200}, (_, n) => m.t(n + 1))")
    assert found == pytest.approx([stats.t.ppf(0.975, n + 1) for n in range(200)], abs=6e-5)
    values = [0.1, 0.7, 0.35, 12.0]
    got = run(
        page, "stats", f"m.summary({{values: [{','.join(map(str, values))}, null, 'nan']}}, [0, 1, 2, 3, 4, 5])"
    )
    half = stats.t.ppf(0.975, 3) * statistics.stdev(values) / 2
    assert (got["n"], got["mean"], got["half"]) == (4, pytest.approx(3.2875), pytest.approx(half, rel=1e-4))


def test_columns_are_chosen(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    page.get_by_text("Columns").click()
    page.get_by_role("button", name="None").click()
    page.get_by_role("checkbox", name="acc").check()
    heads = [text.strip(" ↑↓") for text in page.locator(".grid thead th").all_inner_texts()]
    assert heads[1:] == ["Run", "state", "acc"]
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".grid thead th")).to_have_count(4)


def test_runs_are_ticked_and_compared(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    boxes = page.locator(".grid tbody input[type=checkbox]")
    boxes.nth(0).check()
    assert page.inner_text(".compare") == "tick another to compare"
    boxes.nth(1).check()
    link = page.get_by_role("link", name="Compare 2")
    assert link.get_attribute("href") == "/local/demo/compare?run=r00&run=r01"


def test_keys_work(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    page.keyboard.press("g")
    expect(page.locator(".counted")).to_have_text("12 groups of 36 runs")
    page.keyboard.press("/")
    page.keyboard.type("kind=mlp g 1")
    assert page.input_value(".filter") == "kind=mlp g 1"
    page.keyboard.press("Tab")
    page.keyboard.press("x")
    expect(page.locator(".counted")).to_have_text("12 groups of 36 runs")
    page.keyboard.press("3")
    expect(page.get_by_role("tab", name="Importance")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("?")
    assert "filter the runs" in page.locator("dialog").inner_text()


def test_a_brush_on_an_axis_narrows_table_and_drawing(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, SMALL)
    axis = page.locator(".catch").nth(1)  # ridge, log: 0.001 at the bottom, 1 at the top
    box = axis.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 14, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 14, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    expect(page.locator(".counted")).to_have_text("18 of 36 runs")
    assert page.input_value(".filter").startswith("ridge>=0.0")
    shoot(page, "parallel-brushed")
    kinds = page.locator(".catch").nth(0)
    box = kinds.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 14, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + 14, box["y"] + box["height"] * 0.4, steps=4)
    page.mouse.up()
    expect(page.locator(".counted")).to_have_text("6 of 36 runs")
    assert page.input_value(".filter").endswith("kind=mlp")
    page.locator(".catch").nth(1).click()
    expect(page.locator(".counted")).to_have_text("12 of 36 runs")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".counted")).to_have_text("36 runs")


def test_runs_without_a_value_pass_below_the_axis(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    missing = page.locator(".drawing svg .mark-text", has_text="–")
    expect(missing).to_have_count(1)  # two failed runs have no metric
    page.fill(".filter", "state=finished")
    expect(page.locator(".counted")).to_have_text("32 of 36 runs")
    expect(missing).to_have_count(0)


def test_axes_are_turned_from_log_to_linear_and_the_address_keeps_it(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    page.locator(".drawing .title", has_text="ridge").click()
    assert "turn=config.ridge" in page.url
    assert page.locator(".drawing svg text", has_text="log").count() == 0


def test_the_largest_value_of_the_metric_is_an_axis(server: Server, page: Page) -> None:
    see(page, server, SMALL)
    page.get_by_label("colour by its").select_option("max")
    assert "end=max" in page.url
    expect(page.locator(".drawing .title").last).to_have_text("max of msemax of mse")
    page.fill(".filter", '"max of mse">0.6')
    large = [1 for kind in KINDS for ridge in RIDGES for seed in SEEDS if 4 * mse(kind, ridge, seed) > 0.6]
    expect(page.locator(".counted")).to_have_text(f"{len(large)} of 36 runs")


def test_any_column_is_drawn_over_any_other(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, SMALL + "?chart=scatter")
    assert page.locator("#drawing canvas").get_attribute("aria-label") == "mse over ridge of 36 runs"
    assert page.locator("#drawing .legend span").all_inner_texts() == sorted(KINDS)
    shoot(page, "scatter")
    page.get_by_label("y", exact=True).select_option("run.runtime")
    page.get_by_label("x", exact=True).select_option("config.mapping.kind")
    expect(page.locator("#drawing canvas")).to_have_attribute("aria-label", "runtime over mapping.kind of 36 runs")
    assert "x=config.mapping.kind" in page.url
    page.get_by_label("colour").select_option("none")
    expect(page.locator("#drawing .legend")).to_be_empty()


def test_a_dot_tells_its_run_and_leads_to_it(server: Server, page: Page) -> None:
    see(page, server, SMALL + "?chart=scatter&means=no&filter=number-20")
    page.locator("#drawing canvas").scroll_into_view_if_needed()
    box = page.locator("#drawing canvas").bounding_box()
    assert box is not None
    for step in range(20, int(box["height"]), 8):  # the one dot is at ridge 0.1: two thirds across
        page.mouse.move(box["x"] + 78 + (box["width"] - 96) * 2 / 3, box["y"] + step)
        if page.locator(".tip").is_visible():
            break
    assert "affine" in page.locator(".tip").inner_text()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/local/demo/runs/r20")


def test_importance_is_that_of_the_framework(server: Server, page: Page, shoot: Shoot) -> None:
    from framework.importance import importance

    see(page, server, SMALL + "?chart=importance")
    expect(page.locator(".bars .name")).not_to_have_count(0, timeout=COUNTING_MS)
    cases = [(kind, ridge, seed) for kind in KINDS for ridge in RIDGES for seed in SEEDS]
    done = [case for index, case in enumerate(cases) if index not in (4, 5, 34, 35)]
    wanted = importance(
        "grid", {"mapping.kind": [c[0] for c in done], "ridge": [c[1] for c in done]}, [mse(*c) for c in done]
    )
    for place, effect in enumerate(wanted.effects[:2]):
        expect(page.locator(".bars .name").nth(place)).to_have_text(" × ".join(effect.factors))
    shown = float(page.locator(".bars .number").first.inner_text().removesuffix(" %"))
    assert shown == pytest.approx(100 * wanted.effects[0].share, rel=1e-2)
    shoot(page, "importance")


def test_a_sweep_without_runs_says_so(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, "/local/empty/sweeps/none")
    assert "No runs yet." in page.inner_text("#table")
    assert "No run has told mse yet." in page.inner_text("#best")
    assert "Nothing runs now." in page.inner_text("#running")
    for chart in ("1", "2", "3"):
        page.keyboard.press(chart)
        expect(page.locator("#drawing .empty").first).to_be_visible()
    shoot(page, "sweep-empty")


def test_hostile_names_are_text(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, "/local/hostile/sweeps/bad")
    assert page.title().startswith(HOSTILE)
    for key in ("1", "2", "3", "g", "g"):
        page.keyboard.press(key)
        page.wait_for_timeout(150)
    assert page.locator("main img").count() == 0
    assert page.locator(".grid tbody a").first.get_attribute("title") == HOSTILE * 3
    for address in ("/local/hostile", "/local/hostile/runs"):
        page.goto(server.info.url + address)
        page.wait_for_timeout(300)
        assert page.locator("main img").count() == 0
    shoot(page, "hostile")


def test_ten_thousand_runs_are_a_list_of_some(server: Server, page: Page, shoot: Shoot) -> None:
    see(page, server, BIG)
    expect(page.locator(".counted")).to_have_text("10000 runs")
    assert page.locator(".grid tbody tr").count() < 80
    page.get_by_role("button", name="Run", exact=False).first.click()
    page.evaluate("document.querySelector('.scroll').scrollTop = 1e9")
    expect(page.locator(".grid tbody a").last).to_have_attribute("title", "run-09999")
    assert page.locator(".grid tbody tr").count() < 80
    page.fill(".filter", "kind=mlp mse<0.01")
    expect(page.locator(".counted")).to_contain_text("of 10000 runs")
    assert 0 < int(page.inner_text(".counted").split()[0]) < 100
    shoot(page, "sweep-big")


def test_on_a_phone_nothing_is_wider_than_the_screen(server: Server, page: Page, shoot: Shoot) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for name, address in {
        "sweep": SMALL,
        "runs": "/local/demo/runs",
        "project": "/local/demo",
        "index": "/",
    }.items():
        page.goto(server.info.url + address)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        shoot(page, f"phone-{name}")
    see(page, server, SMALL)
    page.get_by_text("Columns").click()
    box = page.locator(".options").last.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def problems(page: Page) -> list[Any]:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = Axe().run(page).response["violations"]
    return [(item["id"], [node["html"][:160] for node in item["nodes"][:3]]) for item in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(server: Server, page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    pages = ["/", "/local", "/local/demo", "/local/nothing", "/local/demo/runs", SMALL, SMALL + "?rows=groups",
             SMALL + "?chart=scatter", SMALL + "?chart=importance", "/local/empty/sweeps/none",
             "/local/hostile/sweeps/bad", "/login"]  # fmt: skip
    for address in pages:
        page.goto(server.info.url + address)
        page.wait_for_timeout(700)
        assert problems(page) == [], address
    see(page, server, SMALL)
    page.get_by_text("Columns").click()
    assert problems(page) == [], "the list of columns"
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    assert problems(page) == [], "the list of keys"


def test_projects_and_a_project(server: Server, page: Page, shoot: Shoot) -> None:
    page.goto(server.info.url)
    assert "demo" in page.inner_text("main")
    shoot(page, "projects")
    page.goto(server.info.url + "/local/demo")
    row = page.locator("#sweeps tbody tr").first
    expect(row.locator(".best b")).to_have_text("0.102")
    assert row.locator("progress").get_attribute("value") == "34"
    expect(page.locator("#live")).to_have_text("live")
    shoot(page, "project")
    page.get_by_role("link", name="All of them in a table").click()
    expect(page.locator(".counted")).to_have_text("36 runs")
    page.goto(server.info.url + "/local/nothing")
    for words in ("No sweeps.", "No runs.", "No artifacts."):
        assert words in page.inner_text("main")
