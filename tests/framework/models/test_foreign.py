import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from framework.errors import ArtifactError, InvalidInput
from framework.models.foreign import load_foreign


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("form", ["pt", "safetensors", "checkpoint", "parallel"])
def test_the_usual_forms_are_read(form, tmp_path):
    made, empty = network(), network()
    state = made.state_dict()
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        torch.save({f"module.{name}": t for name, t in state.items()} if form == "parallel" else state, path)
    load_foreign(path, empty)
    assert all(torch.equal(tensor, state[name]) for name, tensor in empty.state_dict().items())


class Harmful:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_file_that_holds_code_is_not_loaded(tmp_path, capsys):
    torch.save({"0.weight": Harmful()}, tmp_path / "weights.pt")
    with pytest.raises(ArtifactError, match="holds more than tensors"):
        load_foreign(tmp_path / "weights.pt", network())
    assert capsys.readouterr().out == ""


GARBAGE = [b"", b"no weights at all", b"junk\n", b"PK\x03\x04", b"\x80\x02c", b"q" * 99, bytes(range(256))]


@pytest.mark.parametrize("content", GARBAGE)
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_broken_file_is_told(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as weights"):
        load_foreign(tmp_path / name, network())


def test_what_is_no_state_dict_is_told(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    with pytest.raises(ArtifactError, match="holds no state dict"):
        load_foreign(tmp_path / "list.pt", network())
    with pytest.raises(ArtifactError, match="does not exist"):
        load_foreign(tmp_path / "none.pt", network())


def test_all_that_does_not_fit_is_named_at_once_and_the_model_stays(tmp_path):
    made, empty = network(), network()
    state = made.state_dict()
    state["2.wait"] = state.pop("2.weight")
    state["0.bias"] = torch.zeros(7)
    state["2.bias"][0] = float("inf")
    torch.save(state, tmp_path / "weights.pt")
    before = [parameter.clone() for parameter in empty.parameters()]
    with pytest.raises(InvalidInput) as caught:
        load_foreign(tmp_path / "weights.pt", empty)
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"2.weight", "2.wait", "0.bias", "2.bias"}
    assert all(map(torch.equal, before, empty.parameters()))
