"""Layers: precedence, origins, file formats, and what is refused."""

import itertools
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, JsonValue

from framework.config import Config
from framework.errors import ConfigError, InvalidInput, Problem
from framework.layers import resolve, split_overrides

SAME = {
    "study.toml": 'batch_size = 8\nname = "1e-3"\n[mapping]\nkind = "mlp"\nhidden = [8, 16]\n',
    "study.yaml": "batch_size: 8\nname: '1e-3'\nmapping:\n  kind: mlp\n  hidden: [8, 16]\n",
    "study.json": '{"batch_size": 8, "name": "1e-3", "mapping": {"kind": "mlp", "hidden": [8, 16]}}',
}


class Linear(Config):
    kind: Literal["linear"] = "linear"
    ridge: float = 0.0


class Mlp(Config):
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (8,)
    ridge: float = 1.0


class Inner(Config):
    seed: int = 0
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Mlp(hidden=(3,))


class Study(Config):
    batch_size: int = 64
    rate: float = 0.5
    name: str | None = None
    flag: bool = False
    mode: Literal["fast", "slow"] = "slow"
    options: dict[str, int] = {}
    anything: dict[str, JsonValue] = {}
    rates: float | dict[str, float] = 0.5
    counts: tuple[int, ...] | None = (1, 2)
    names: tuple[str, ...] = ()
    clip: tuple[float, str] | None = None
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Linear()
    second: Annotated[Linear | Mlp, Field(discriminator="kind")] | None = None
    inner: Inner = Inner()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_below_files_below_command_line(tmp_path: Path):
    first = write(tmp_path, "global.toml", "batch_size = 8\nrate = 0.1\n")
    second = write(tmp_path, "local.yaml", "rate: 0.2\n")
    resolved = resolve(Study, [first, second], [("rate", "0.3")])
    assert (resolved.config.batch_size, resolved.config.rate, resolved.config.flag) == (8, 0.3, False)
    assert resolved.origins["batch_size"] == str(first)
    assert resolved.origins["rate"] == "command line"
    assert resolved.origins["flag"] == "default"
    assert resolve(Study, [first, second]).origins["rate"] == str(second)


def test_an_explicit_value_wins_also_where_it_equals_the_default(tmp_path: Path):
    path = write(tmp_path, "c.toml", "batch_size = 8\n")
    resolved = resolve(Study, [path], [("batch_size", "64")])
    assert resolved.config.batch_size == 64
    assert resolved.origins["batch_size"] == "command line"


def test_three_formats_give_equal_configs(tmp_path: Path):
    configs = [resolve(Study, [write(tmp_path, name, text)]).config for name, text in SAME.items()]
    assert configs[0] == configs[1] == configs[2]
    assert configs[0].name == "1e-3"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "rate = 1\nrate = 2\n"),
        ("a.yaml", "rate: 1\nrate: 2\n"),
        ("a.yml", "mapping:\n  kind: mlp\n  kind: linear\n"),
        ("a.json", '{"rate": 1, "rate": 2}'),
    ],
)
def test_a_key_that_stands_twice_in_a_file_is_refused(tmp_path: Path, name: str, text: str):
    with pytest.raises(ConfigError, match=r"stands twice|Cannot overwrite"):
        resolve(Study, [write(tmp_path, name, text)])


def test_another_branch_on_the_command_line_drops_the_files_branch(tmp_path: Path):
    path = write(tmp_path, "c.toml", "[mapping]\nkind = 'mlp'\nhidden = [4]\n")
    assert resolve(Study, [path], [("mapping.kind", "linear")]).config.mapping == Linear()
    assert resolve(Study, [path], [("mapping.ridge", "3")]).config.mapping == Mlp(hidden=(4,), ridge=3.0)


def test_problems_of_all_layers_come_together_and_name_their_layer(tmp_path: Path):
    path = write(tmp_path, "c.toml", "batch = 8\n")
    words = [("rate", "fast"), ("mode", "medium"), ("flag", "1"), ("flag", "2")]
    with pytest.raises(ConfigError) as caught:
        resolve(Study, [path, tmp_path / "absent.toml", write(tmp_path, "c.ini", "")], words)
    text = str(caught.value)
    assert "batch: unknown key; did you mean `batch_size`?" in text
    assert str(path) in text
    assert "rate: is 'fast' (str); allowed: a number (command line)" in text
    assert "mode: is 'medium'; allowed: 'fast' or 'slow'" in text
    assert "flag: is given twice" in text
    assert "absent.toml" in text
    assert "allowed: .toml, .json, .yaml, .yml" in text


def test_several_words_after_a_key_are_a_list():
    assert split_overrides(["--parents", "A.pt", "my B.pt", "--x", "1"]) == [
        ("parents", ("A.pt", "my B.pt")),
        ("x", "1"),
    ]


def test_command_line_words():
    assert split_overrides(["--a.b", "1", "--c=x=y", "--d-e", "-3"]) == [("a.b", "1"), ("c", "x=y"), ("d_e", "-3")]
    with pytest.raises(ConfigError) as caught:
        split_overrides(["loose", "--empty"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [("name", "1e-3", "1e-3"), ("name", "null", None), ("rate", "1e-3", 1e-3), ("flag", "true", True)],
)
def test_words_are_typed_by_the_field(key: str, text: str, expected: object):
    assert getattr(resolve(Study, [], [(key, text)]).config, key) == expected


def test_plain_mappings_are_values_and_replaced_whole(tmp_path: Path):
    path = write(tmp_path, "c.toml", "[options]\na = 1\n")
    other = write(tmp_path, "d.toml", "[options]\nb = 2\n")
    resolved = resolve(Study, [path, other])
    assert resolved.config.options == {"b": 2}
    assert resolved.origins["options"] == str(other)


def given(*options: str, files: tuple[Path, ...] = ()) -> Study:
    return resolve(Study, files, split_overrides(options)).config


@pytest.mark.parametrize("key", ["mapping", "second", "inner.mapping"])
@pytest.mark.parametrize(
    "form", ["{key}=mlp", "{key}.kind=mlp", "{key}={{kind: mlp}}", "{key}={{ridge: 5, kind: mlp}}"]
)
def test_a_branch_and_its_fields_on_one_line_mean_the_same_in_every_order(key: str, form: str):
    options = [form.format(key=key), f"{key}.hidden=[16, 4]", f"{key}.ridge=5"]
    expected = Mlp(hidden=(16, 4), ridge=5.0)
    for order in itertools.permutations(options):
        config = given(*(f"--{option}" for option in order))
        assert (config.inner if "." in key else config).__dict__[key.removeprefix("inner.")] == expected, order


def test_short_forms_stand_in_every_layer(tmp_path: Path):
    short = write(tmp_path, "short.yaml", "mapping: mlp\ninner: {mapping: linear}\n")
    part = write(
        tmp_path, "part.toml", "[mapping]\nhidden = [4]\n[second]\nridge = 7\n[inner.mapping]\nridge = 2\n"
    )
    for files in ((short, part), (part, short)):
        config = given("--second", "linear", files=files)
        assert config.mapping == Mlp(hidden=(4,))
        assert config.second == Linear(ridge=7.0)
        assert config.inner == Inner(mapping=Linear(ridge=2.0))
    whole = write(tmp_path, "whole.json", '{"inner": {"mapping": "mlp"}, "second": "mlp"}')
    assert given(files=(whole,)).inner.mapping == Mlp(hidden=(3,)), "the default of the field goes on"
    assert given("--second.hidden", "5", files=(whole,)).second == Mlp(hidden=(5,))
    assert Study.parse({"mapping": "mlp", "second": "linear"}).mapping == Mlp()


def test_a_layer_that_names_another_branch_than_one_below_drops_that_ones_fields(tmp_path: Path):
    path = write(tmp_path, "c.yaml", "mapping: {kind: mlp, hidden: [4], ridge: 9}\n")
    resolved = resolve(Study, [path], [("mapping", "linear")])
    assert resolved.config.mapping == Linear()
    assert (resolved.origins["mapping.kind"], resolved.origins["mapping.ridge"]) == ("command line", "default")


def test_the_fields_of_no_named_branch_are_refused_where_they_do_not_fit(tmp_path: Path):
    path = write(tmp_path, "c.yaml", "mapping: {hidden: [4]}\n")
    with pytest.raises(ConfigError, match=r"mapping\.hidden: unknown key.*c\.yaml"):
        given("--mapping", "linear", files=(path,))
    assert given("--mapping", "mlp", files=(path,)).mapping == Mlp(hidden=(4,))


def test_origins_of_short_forms_and_their_fields(tmp_path: Path):
    path = write(tmp_path, "c.yaml", "mapping: {hidden: [4]}\n")
    origins = resolve(Study, [path], split_overrides(["--mapping", "mlp"])).origins
    assert origins["mapping.kind"] == "command line"
    assert origins["mapping.hidden"] == str(path)
    assert origins["mapping.ridge"] == "default"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["--inner=7", "--inner.seed=3"], "inner"),
        (["--mapping=mlp", "--mapping.kind=linear"], "mapping.kind"),
        (["--inner={mapping: mlp}", "--inner.mapping=linear"], "inner.mapping.kind"),
        (["--second=null", "--second.ridge=3"], "second"),
        (["--inner={seed: 1}", "--inner.seed=2"], "inner.seed"),
        (["--options={a: 1}", "--options.a=2"], "options.a"),
        (["--options.a=1", "--options.a.b=2"], "options.a"),
    ],
)
def test_what_contradicts_itself_on_the_command_line_is_refused_in_both_orders(options: list[str], key: str):
    for order in (options, options[::-1]):
        with pytest.raises(ConfigError) as caught:
            given(*order)
        named = " and ".join(f"`{option.replace('=', ' ', 1)}`" for option in order)
        assert f"{key}: cannot be all of {named}; keep what you mean" in str(caught.value)


def test_what_is_said_twice_and_agrees_is_no_contradiction():
    assert given("--mapping", "mlp", "--mapping.kind", "mlp").mapping == Mlp()
    assert given("--inner", "{seed: 2}", "--inner.seed", "2").inner.seed == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mapping", "mpl"], "mapping.kind: is 'mpl'; allowed: 'linear', 'mlp'"),
        (["--second", "7"], "second.kind: is '7'; allowed: 'linear', 'mlp'"),
        (["--inner", "mlp"], "inner: is 'mlp' (str); allowed: a mapping of keys"),
        (["--inner", "7"], "inner: is 7 (int); allowed: a mapping of keys"),
        (["--second.ridge", "7"], "second.kind: is not given; allowed: 'linear', 'mlp'"),
        (["--name", "a", "b"], "name: is ['a', 'b'] (list); allowed: a string"),
        (["--batch_size", "1", "2"], "batch_size: is [1, 2] (list); allowed: an integer"),
        (["--counts", "1", "two"], "counts.1: is 'two' (str); allowed: an integer"),
        (["--counts.x", "1"], "counts: is {'x': 1} (dict)"),
    ],
)
def test_what_a_field_does_not_take_is_told_as_it_was_meant(options: list[str], message: str):
    with pytest.raises(ConfigError) as caught:
        given(*options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        (["--counts", "50", "100"], "counts", (50, 100)),
        (["--counts", "[50, 100]"], "counts", (50, 100)),
        (["--counts", "[50,", "100]"], "counts", (50, 100)),
        (["--counts", "50"], "counts", (50,)),
        (["--counts", "010", "-3"], "counts", (10, -3)),
        (["--counts", "null"], "counts", None),
        (["--names", "1", "true", "1e-3"], "names", ("1", "true", "1e-3")),
        (["--names", "1e-3"], "names", ("1e-3",)),
        (["--names", "[a, b]"], "names", ("a", "b")),
        (["--clip", "1e-3", "5"], "clip", (0.001, "5")),
        (["--rates", "1e-3"], "rates", 0.001),
        (["--rates.task_0", "1e-3", "--rates.task_1", "2"], "rates", {"task_0": 0.001, "task_1": 2.0}),
        (["--anything.a", "1", "2", "--anything.b.c", "x"], "anything", {"a": [1, 2], "b": {"c": "x"}}),
        (["--mapping.hidden", "16", "8", "--mapping", "mlp"], "mapping", Mlp(hidden=(16, 8))),
        (["--inner.mapping.hidden", "16"], "inner", Inner(mapping=Mlp(hidden=(16,)))),
        (["--batch_size", "1e3"], "batch_size", 1000),
        (["--counts", "1e1", "20"], "counts", (10, 20)),
        (["--rate", "1e-3"], "rate", 0.001),
        (["--anything.a", "1e-1", "--anything.b", "'1e-1'"], "anything", {"a": 0.1, "b": "1e-1"}),
    ],
)
def test_words_are_typed_once_the_field_is_known(options: list[str], key: str, expected: object):
    assert getattr(given(*options), key) == expected


def test_entries_of_a_plain_mapping_are_set_one_by_one_and_leave_the_others(tmp_path: Path):
    path = write(tmp_path, "c.toml", "[options]\na = 1\nb = 2\n")
    assert given("--options.b", "3", "--options.c", "4", files=(path,)).options == {"a": 1, "b": 3, "c": 4}
    assert given("--options", "{b: 3}", "--options.c", "4", files=(path,)).options == {"b": 3, "c": 4}
    assert type(given("--options.b", "3").options) is dict


def test_a_field_of_two_branches_has_the_type_of_the_one_that_is_selected():
    class Narrow(Config):
        kind: Literal["narrow"] = "narrow"
        width: tuple[int, ...] = (1,)

    class Wide(Config):
        kind: Literal["wide"] = "wide"
        width: str = "9"

    class Model(Config):
        shape: Annotated[Narrow | Wide, Field(discriminator="kind")] = Narrow()

    assert resolve(Model, [], split_overrides(["--shape.width", "8"])).config.shape == Narrow(width=(8,))
    words = ["--shape.width", "8", "--shape", "wide"]
    assert resolve(Model, [], split_overrides(words)).config.shape == Wide(width="8")


@pytest.mark.parametrize(
    ("below", "options", "key", "shown"),
    [
        ("inner: 7", ["--inner.seed=3"], "inner", "7 (int)"),
        ("inner: [1]", ["--inner={seed: 3}"], "inner", "[1] (list)"),
        ("inner: text", ["--inner.mapping=mlp"], "inner", "'text' (str)"),
        ("inner: null", ["--inner.seed=3"], "inner", "None (NoneType)"),
        ("inner: {mapping: 7}", ["--inner.mapping.ridge=3"], "inner.mapping", "7 (int)"),
        ("mapping: false", ["--mapping=mlp"], "mapping", "False (bool)"),
        ("second: 7", ["--second={kind: mlp}"], "second", "7 (int)"),
        ("options: 7", ["--options.a=3"], "options", "7 (int)"),
    ],
)
def test_what_is_no_section_is_refused_though_a_layer_above_gives_parts_of_it(
    tmp_path: Path, below: str, options: list[str], key: str, shown: str
):
    file = write(tmp_path, "below.yaml", below)
    with pytest.raises(ConfigError) as caught:
        given(*options, files=(file,))
    assert [str(problem) for problem in caught.value.problems] == [
        f"{key}: is {shown}; allowed: a mapping of keys ({file})"
    ]
    with pytest.raises(ConfigError, match=key):
        given(files=(file,))


def test_a_file_may_not_cover_what_is_no_section_either(tmp_path: Path):
    below, above = write(tmp_path, "a.yaml", "inner: 7"), write(tmp_path, "b.yaml", "inner: {seed: 3}")
    with pytest.raises(ConfigError, match=r"inner: is 7 \(int\); allowed: a mapping of keys \(.*a\.yaml\)"):
        given("--inner.seed", "4", files=(below, above))


@pytest.mark.parametrize("below", ["second: null", "second: {ridge: 2}", "second: linear", "options: {}"])
def test_nothing_is_covered_where_null_or_a_section_lies_below(tmp_path: Path, below: str):
    file = write(tmp_path, "below.yaml", below)
    assert given("--second", "mlp", "--options", "{a: 1}", files=(file,)).options == {"a": 1}


def test_a_check_refuses_what_the_config_names_beside_all_other_problems(tmp_path: Path):
    asked = []

    def check(study: Study) -> None:
        asked.append(study.names)
        raise InvalidInput([Problem("names", f"{name} is not there") for name in study.names])

    file = write(tmp_path, "c.yaml", "names: [a, b]\nrate: 0.25")
    with pytest.raises(ConfigError) as caught:
        resolve(Study, [file], split_overrides(["--names", "c", "d", "--flag", "true", "--flag", "false"]), check)
    assert [str(problem) for problem in caught.value.problems] == [
        "flag: is given twice on the command line; keep one of them",
        "names: c is not there (command line)",
        "names: d is not there (command line)",
    ]
    assert asked == [("c", "d")]
    with pytest.raises(ConfigError, match="rate"):
        resolve(Study, [file], split_overrides(["--rate", "x"]), check)
    assert len(asked) == 1, "a config that is none is not asked about"
    assert resolve(Study, [file], (), lambda study: None).config.rate == 0.25
