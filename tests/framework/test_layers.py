"""Layers: precedence, origins, file formats, and what is refused."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from framework.config import Config
from framework.errors import ConfigError
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


class Study(Config):
    batch_size: int = 64
    rate: float = 0.5
    name: str | None = None
    flag: bool = False
    mode: Literal["fast", "slow"] = "slow"
    options: dict[str, int] = {}
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Linear()


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
        ("parents", '["A.pt", "my B.pt"]'),
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
