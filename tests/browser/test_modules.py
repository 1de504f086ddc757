"""The modules that pages share: elements from data, state in the address, values as a person reads them, keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.protocol.conftest import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("modules") / "server").start()
    yield made
    made.end()


@pytest.fixture
def on(server: Server, page: Page) -> Page:
    page.goto(server.info.url)
    return page


def run(page: Page, module: str, code: str) -> Any:
    """The value of an expression in which `m` is a module."""
    return page.evaluate(f"import('/static/{module}.js').then((m) => ({code}))")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.123456", "0.1235"), ("1234567", "1.235e6"), ("12345", "12345"), ("-0.5", "−0.5"), ("0", "0"),
        ("1e-5", "1e−5"), ("-1.5e-7", "−1.5e−7"), ("NaN", "NaN"), ("-Infinity", "−∞"), ("99999.96", "100000"),
        ("0.00012", "0.00012"), ("2e6", "2e6"),
    ],
)  # fmt: skip
def test_numbers_have_four_significant_digits(on: Page, value: str, shown: str) -> None:
    assert run(on, "format", f"m.number({value})") == shown


def test_durations_and_sizes(on: Page) -> None:
    found = run(on, "format", "[0, 4.2, 59.9, 200, 18720, 190000].map(m.duration)")
    assert found == ["0 s", "4.2 s", "60 s", "3 min 20 s", "5 h 12 min", "2 d 4 h"]
    assert run(on, "format", "[0, 999, 1500, 2e9].map(m.size)") == ["0 B", "999 B", "1.5 kB", "2.0 GB"]


def test_names_are_cut_in_the_middle_and_paths_to_their_ends(on: Page) -> None:
    assert run(on, "format", "m.short('abcdefghij', 5)") == "ab…ij"
    assert run(on, "format", "m.short('𝕏𝕏𝕏', 3)") == "𝕏𝕏𝕏"
    paths = "['config.source.seed', 'config.target.seed', 'config.mapping.ridge', 'seed', 'a']"
    assert run(on, "format", f"Object.fromEntries(m.leaves({paths}))") == {
        "config.source.seed": "source.seed",
        "config.target.seed": "target.seed",
        "config.mapping.ridge": "ridge",
        "seed": "seed",
        "a": "a",
    }


def test_text_stays_text_and_links_stay_here(on: Page) -> None:
    found = run(on, "dom", "m.el('p', {title: '\"><b>', class: 'x'}, '<img src=x onerror=alert(1)>').outerHTML")
    assert found == '<p title="&quot;&gt;&lt;b&gt;" class="x">&lt;img src=x onerror=alert(1)&gt;</p>'
    for address in ("javascript:alert(1)", "https://elsewhere.example", "//elsewhere.example", "data:text/html,x"):
        with pytest.raises(Exception, match="is no address of this server"):
            run(on, "dom", f"m.el('a', {{href: {address!r}}})")
    assert run(on, "dom", "m.el('a', {href: '/p?x=1', hidden: false, 'data-a': null}).outerHTML") == (
        '<a href="/p?x=1"></a>'
    )


def test_the_address_keeps_the_state_and_the_back_button_undoes(on: Page) -> None:
    run(on, "state", "m.write({sort: '-loss', column: ['a', 'b&c=d']})")
    assert on.url.endswith("/?sort=-loss&column=a&column=b%26c%3Dd")
    assert run(on, "state", "[m.read('sort'), m.readAll('column'), m.readAll('gone'), m.read('gone', 'x')]") == [
        "-loss",
        ["a", "b&c=d"],
        None,
        "x",
    ]
    run(on, "state", "m.write({sort: null, column: []})")
    assert run(on, "state", "m.readAll('column')") == []
    on.go_back()
    assert run(on, "state", "m.read('sort')") == "-loss"
    run(on, "state", "m.write({sort: 'x'}, {back: false})")
    on.go_back()
    assert run(on, "state", "m.readAll('column')") is None


def test_keys_have_a_list_and_none_works_while_somebody_types(on: Page) -> None:
    run(on, "keys", "(m.key('g', 'count', () => { window.n = (window.n ?? 0) + 1; }), 0)")
    on.keyboard.press("g")
    run(on, "dom", "(document.querySelector('main').append(m.el('input', {id: 'typed', 'aria-label': 't'})), 0)")
    on.focus("#typed")
    on.keyboard.type("g?")
    assert on.input_value("#typed") == "g?"
    assert on.evaluate("window.n") == 1
    on.evaluate("document.activeElement.blur()")
    on.keyboard.press("?")
    assert on.locator("dialog.keys dd").all_inner_texts() == ["count", "this list"]
    on.keyboard.press("g")
    assert on.evaluate("window.n") == 1
    on.keyboard.press("Escape")
    assert on.locator("dialog.keys[open]").count() == 0


def test_a_refusal_is_thrown_with_the_words_of_the_server(server: Server, browser: Any) -> None:
    page = browser.new_page()  # the browser itself complains of a 404: `page` would fail
    page.goto(server.info.url)
    with pytest.raises(Exception, match=r"/view/local/gone"):
        run(page, "ask", "m.ask('/view/local/gone/runs/x')")
    page.close()


def test_colours_follow_the_theme(on: Page) -> None:
    light = run(on, "colours", "[m.nth(0), m.nth(8), m.scale(0), m.scale(1, 0.5)]")
    assert light[0] == light[1]
    assert light[2:] == ["rgb(68 1 84 / 1)", "rgb(173 217 66 / 0.5)"]
    on.emulate_media(color_scheme="dark")
    assert run(on, "colours", "m.nth(0)") != light[0]
