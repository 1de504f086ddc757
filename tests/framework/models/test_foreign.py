import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import save_file
from torch import nn

from framework.errors import ArtifactError, InvalidInput
from framework.models.foreign import load_foreign


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def behind(prefix):
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


FORMS = {
    "plain": lambda state: state,
    "half precision": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
    "data-parallel": behind("module."),
    "compiled": behind("_orig_mod."),
    "compiled inside data-parallel": behind("module._orig_mod."),
    "data-parallel inside compiled": behind("_orig_mod.module."),
    "one part of it compiled": lambda state: {
        (f"0._orig_mod.{n[2:]}" if n.startswith("0.") else n): t for n, t in state.items()
    },
    "checkpoint": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"step": 3}}}},
    "net": lambda state: {"net": behind("module.")(state), "acc": 95.1, "epoch": 199},
    "language model": lambda state: {"model": behind("_orig_mod.")(state), "iter_num": 3},
    "module held by a module": lambda state: {"state_dict": behind("model.backbone.")(state)},
    "beside a loss with weights": lambda state: {**behind("model.")(state), "loss.weight": torch.ones(2)},
    "under an unusual key": lambda state: {"payload": {"student": state}},
    "beside its moving average": lambda state: {
        "ema": {n: torch.zeros_like(t) for n, t in state.items()},
        "state_dict": state,
    },
    "without counters": lambda state: {n: t for n, t in state.items() if "num_batches" not in n},
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_read_as_people_save_them(form, tmp_path):
    made, empty = network(), network()
    state = made.state_dict()
    path = tmp_path / "weights.pt"
    torch.save(FORMS[form](state), path)
    load_foreign(path, empty)
    tolerance = 1e-3 if form == "half precision" else 0
    for name, tensor in empty.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(tensor, state[name], rtol=tolerance, atol=tolerance)
        assert tensor.dtype == state[name].dtype


def test_weights_of_a_bare_network_fit_one_that_is_held_by_a_module(tmp_path):
    made = network()
    torch.save(made.state_dict(), tmp_path / "weights.pt")
    holder = nn.ModuleDict({"backbone": nn.ModuleDict({"inner": network()})})
    load_foreign(tmp_path / "weights.pt", holder)
    assert torch.equal(holder["backbone"]["inner"][0].weight, made[0].weight)


def test_a_word_that_the_model_has_itself_is_no_wrapper(tmp_path):
    made, empty = (nn.ModuleDict({"module": network(), "head": nn.Linear(2, 1)}) for _ in range(2))
    torch.save(behind("module.")(made.state_dict()), tmp_path / "weights.pt")
    load_foreign(tmp_path / "weights.pt", empty)
    assert torch.equal(empty["module"][0].weight, made["module"][0].weight)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("given", ["index", "shard"])
def test_shards_are_read_together(kind, given, tmp_path):
    made, empty = network(), network()
    state, files = made.state_dict(), {}
    stem = "model" if kind == "safetensors" else "pytorch_model"
    for number, names in enumerate((list(state)[:2], list(state)[2:]), start=1):
        path = tmp_path / f"{stem}-0000{number}-of-00002.{kind}"
        part = {name: state[name] for name in names}
        save_file(part, path) if kind == "safetensors" else torch.save(part, path)
        files |= dict.fromkeys(names, path.name)
    index = tmp_path / f"{stem}.{kind}.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    load_foreign(index if given == "index" else path, empty)
    assert all(torch.equal(tensor, state[name]) for name, tensor in empty.state_dict().items())
    path.unlink()
    with pytest.raises(ArtifactError, match=r"lacks its shards|does not exist"):
        load_foreign(index if given == "index" else path, empty)
    index.write_text(json.dumps({"weight_map": {"0.weight": "../elsewhere.bin"}}))
    with pytest.raises(ArtifactError, match="in other folders"):
        load_foreign(index, empty)
    index.write_text("[]")
    with pytest.raises(ArtifactError, match="needs `weight_map`"):
        load_foreign(index, empty)


def test_a_checkpoint_that_lightning_wrote_is_read(tmp_path):
    class Module(pl.LightningModule):
        def __init__(self, width, about):
            super().__init__()
            self.save_hyperparameters()
            self.model = network()

        def training_step(self, batch, _):
            return self.model(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    module = Module(3, SimpleNamespace(rate=Path("odd")))
    trainer = pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
        enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8, 3)), 4))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    empty = network()
    load_foreign(tmp_path / "last.ckpt", empty)
    assert torch.equal(empty[0].weight, module.model[0].weight)


def test_where_no_name_fits_one_line_says_what_they_share(tmp_path):
    torch.save({f"trunk.layer{k}.weight": torch.zeros(2) for k in range(40)}, tmp_path / "weights.pt")
    with pytest.raises(InvalidInput) as caught:
        load_foreign(tmp_path / "weights.pt", nn.ModuleDict({"features": network()}))
    assert str(tmp_path / "weights.pt") in str(caught.value)
    (problem,) = caught.value.problems
    assert "none of the 40 in the file is one of the model's 9" in problem.message
    assert "`trunk.`" in problem.message
    assert "`features.`" in problem.message


def test_of_many_names_that_do_not_fit_some_are_listed(tmp_path):
    state = network().state_dict() | {f"more.{k}": torch.zeros(1) for k in range(40)}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(InvalidInput, match="28 more are no parameters") as caught:
        load_foreign(tmp_path / "weights.pt", network())
    assert len(caught.value.problems) == 13


class Harmful:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_file_that_holds_code_is_not_loaded(tmp_path, capsys):
    torch.save({"0.weight": Harmful()}, tmp_path / "weights.pt")
    with pytest.raises(ArtifactError, match="holds no state dict"):
        load_foreign(tmp_path / "weights.pt", network())
    torch.save({"state_dict": network().state_dict(), "lr_scheduler": Harmful()}, tmp_path / "weights.pt")
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
    state["3.wait"] = state.pop("3.weight")
    state["0.bias"] = torch.zeros(7)
    state["3.bias"][0] = float("inf")
    torch.save(state, tmp_path / "weights.pt")
    before = [parameter.clone() for parameter in empty.parameters()]
    with pytest.raises(InvalidInput) as caught:
        load_foreign(tmp_path / "weights.pt", empty)
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"3.weight", "3.wait", "0.bias", "3.bias"}
    assert all(map(torch.equal, before, empty.parameters()))


def test_files_of_the_time_before_they_were_zip_files_are_read(tmp_path):
    made, read = network(), network()
    torch.save(made.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    load_foreign(tmp_path / "old.pth", read)
    assert all(torch.equal(read.state_dict()[name], tensor) for name, tensor in made.state_dict().items())


def test_of_two_networks_that_fit_none_is_taken(tmp_path):
    made, other = network(), network()
    both = {
        f"{name}.{key}": t
        for name, of in (("teacher", made), ("student", other))
        for key, t in of.state_dict().items()
    }
    torch.save({"state_dict": both}, tmp_path / "both.pt")
    with pytest.raises(
        InvalidInput, match=r"holds 2 networks that fit, under `teacher\.`, `student\.`; save the one"
    ):
        load_foreign(tmp_path / "both.pt", network())


@pytest.mark.parametrize(
    "names", [("teacher", "student"), ("gen", "disc"), ("epoch_1", "epoch_2"), ("ema", "swa")]
)
def test_of_two_networks_in_dicts_of_their_own_none_is_taken(names, tmp_path):
    torch.save({name: network().state_dict() for name in names}, tmp_path / "both.pt")
    with pytest.raises(InvalidInput, match=rf"holds 2 networks that fit, under `{names[0]}`, `{names[1]}`"):
        load_foreign(tmp_path / "both.pt", network())
    made = network()
    torch.save({names[0]: made.state_dict(), names[1]: {"lr": torch.ones(3)}, "step": 4}, tmp_path / "one.pt")
    read = network()
    load_foreign(tmp_path / "one.pt", read)
    assert all(torch.equal(read.state_dict()[name], tensor) for name, tensor in made.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_weights_that_are_no_real_numbers_are_refused(dtype, tmp_path):
    made = network()
    torch.save({name: tensor.to(dtype) for name, tensor in made.state_dict().items()}, tmp_path / "odd.pt")
    with pytest.raises(
        InvalidInput, match=f"holds {str(dtype).removeprefix('torch.')} numbers; allowed: floating"
    ):
        load_foreign(tmp_path / "odd.pt", network())


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("sparse", "0.weight: is a sparse_coo tensor; allowed: a dense one, as .to_dense() gives it"),
        ("quantised", "0.weight: is quantised (qint8); allowed: floating-point numbers"),
        ("meta", "0.weight: is on the device meta, where a tensor has a shape and no numbers"),
        ("nested", "0.weight: is a nested tensor; allowed: one of a single shape"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch warns of what is in beta
def test_a_tensor_that_is_no_plain_array_is_told_by_its_name(kind, says, tmp_path):
    state = network().state_dict()
    weight = state["0.weight"]
    state["0.weight"] = {
        "sparse": weight.to_sparse,
        "quantised": lambda: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "meta": lambda: weight.to("meta"),
        "nested": lambda: torch.nested.nested_tensor(list(weight)),
    }[kind]()
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": state}, path)
    for model in (network(), nn.Sequential(nn.Linear(3, 4))):  # one that fits, and one that does not
        with pytest.raises(InvalidInput) as caught:
            load_foreign(path, model)
        assert any(str(problem).startswith(says) for problem in caught.value.problems)
