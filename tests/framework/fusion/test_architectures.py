"""Layers beyond plain image networks: permuted by their derived bases, and found again in each precision."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from framework.errors import InvalidInput
from framework.fusion import align, fuse
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.models.batch import call, in_precision


class ChannelNorm(nn.LayerNorm):
    """A LayerNorm by `isinstance`, over another axis."""

    def forward(self, maps):
        return F.layer_norm(maps.movedim(1, -1), self.normalized_shape, self.weight, self.bias).movedim(-1, 1)


class OverChannels(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.next = nn.Conv2d(3, 8, 3), ChannelNorm(8), nn.Conv2d(8, 6, 3)
        self.scale, self.head = nn.Parameter(torch.rand(6, 1, 1) + 0.5), nn.Linear(6, 3)

    def forward(self, images):
        maps = F.gelu(self.next(F.gelu(self.norm(self.stem(images)))) * self.scale)
        return self.head(maps.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.steps = kind(8, 6, batch_first=True, **options)
        self.head = nn.Linear(6 * (1 + self.steps.bidirectional), 3)

    def forward(self, ids):
        return self.head(self.steps(self.words(ids))[0][:, -1])


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps, self.head = nn.LSTM(8, 6, num_layers=2), nn.Linear(12, 3)

    def forward(self, values):
        _, (hidden, cell) = self.steps(values.transpose(0, 1))
        return self.head(torch.cat([hidden[-1], cell[0]], dim=1))


class Tokens(nn.Module):
    """Token ids, learned positions of which not all are used, and torch's encoder."""

    def __init__(self, **options):
        super().__init__()
        self.words, self.positions = nn.Embedding(11, 8), nn.Parameter(torch.randn(9, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8), enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, ids, mask=None):
        stream = self.words(ids) + self.positions[: ids.shape[1]]
        return self.head(self.encoder(stream, src_key_padding_mask=mask).mean(1))


class Translates(nn.Module):
    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Linear(8, 8), nn.Linear(5, 8)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, batch_first=True), 1)
        self.head = nn.Linear(8, 3)

    def forward(self, source, target):
        return self.head(self.decoder(self.target(target), self.source(source)))


class Einsums(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(4))
        self.out = nn.Parameter(torch.randn(8, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        stream = self.embed(tokens)
        query, key, value = (part(stream).unflatten(-1, (2, 4)) for part in (self.query, self.key, self.value))
        weights = torch.softmax(torch.einsum("bihd,bjhd->bhij", query, key), -1)
        mixed = torch.einsum("bhij,bjhd->bihd", weights, value).flatten(2)
        return self.head((stream + torch.einsum("bti,io->bto", mixed, self.out)).mean(1))


class HeadScales(nn.Module):
    """A number for each head: it moves with the head."""

    def __init__(self):
        super().__init__()
        self.embed, self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(4))
        self.scale, self.out = nn.Parameter(torch.rand(2, 1, 1) + 0.5), nn.Linear(8, 3)

    def forward(self, tokens):
        stream = self.embed(tokens)
        query, key, value = (
            part(stream).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = torch.softmax(query @ key.transpose(-2, -1) * self.scale, -1) @ value
        return self.out(mixed.transpose(1, 2).flatten(2).mean(1))


class OtherWidths(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 6), nn.Linear(8, 4)
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        return self.head(self.attention(self.query(tokens), self.key(tokens), self.value(tokens))[0].mean(1))


class FromParts(nn.Module):
    """Several inputs, by name or in a row, of several types."""

    def __init__(self):
        super().__init__()
        self.words, self.numbers, self.head = nn.Embedding(11, 7), nn.Linear(4, 7), nn.Linear(7, 3)

    def forward(self, ids, numbers, kept):
        return self.head(torch.relu((self.words(ids) * kept[..., None]).mean(1) + self.numbers(numbers)))


def normed(transpose=False):
    norm = parametrizations.weight_norm
    first = norm(nn.ConvTranspose2d(3, 8, 3)) if transpose else norm(nn.Conv2d(3, 8, 3))
    return nn.Sequential(
        first, nn.ReLU(), norm(nn.Conv2d(8, 6, 3), dim=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        norm(nn.Linear(6, 3)),
    )  # fmt: skip


def windows(second=False):
    from torchvision.models import swin_transformer as swin

    options = {"patch_size": [4, 4], "embed_dim": 12, "depths": [2, 1], "num_heads": [2, 4], "window_size": [2, 2]}
    if second:
        options |= {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2}
    return swin.SwinTransformer(num_classes=3, **options)


def ids(number=5):
    return torch.randint(0, 11, (number, 6), generator=torch.Generator().manual_seed(0))


def values(*shape):
    return torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))


CASES = {
    "layer norm over channels": (OverChannels, lambda: values(3, 12, 12)),
    "lstm": (lambda: Recurrent(nn.LSTM), ids),
    "lstm of two directions": (lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), ids),
    "gru": (lambda: Recurrent(nn.GRU, num_layers=2), ids),
    "rnn": (lambda: Recurrent(nn.RNN, nonlinearity="relu"), ids),
    "states of an lstm": (LastState, lambda: values(6, 8)),
    "encoder": (Tokens, ids),
    "encoder with norms first": (lambda: Tokens(norm_first=True, activation="gelu"), ids),
    "encoder with a mask": (Tokens, lambda: {"ids": ids(), "mask": ids() > 8}),
    "decoder": (Translates, lambda: (values(6, 8), values(4, 5))),
    "einsum": (Einsums, lambda: values(6, 8)),
    "scales of heads": (HeadScales, lambda: values(6, 8)),
    "keys of other sizes": (OtherWidths, lambda: values(6, 8)),
    "several inputs": (FromParts, lambda: (ids(), values(4), ids() > 3)),
    "several inputs by name": (FromParts, lambda: {"kept": ids() > 3, "ids": ids(), "numbers": values(4)}),
    "weight norm": (normed, lambda: values(3, 12, 12)),
    "weight norm, transposed": (lambda: normed(transpose=True), lambda: values(3, 12, 12)),
    "shifted windows": (windows, lambda: values(3, 32, 32)),
    "shifted windows, second version": (lambda: windows(second=True), lambda: values(3, 32, 32)),
}


def made_of(name, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    module = CASES[name][0]().eval()
    with torch.no_grad():
        for parameter in module.parameters():  # biases of zeros and gains of ones would hide what they do
            if parameter.numel() > 1 and bool(parameter.min() == parameter.max()):
                parameter.add_(0.5 * torch.rand(parameter.shape))
    module = module.to(dtype)
    inputs = in_precision(CASES[name][1](), next(module.parameters()))
    return module, inputs


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_a_model_in_another_order_is_found_again_to_the_last_bit(name, dtype):
    module, inputs = made_of(name, dtype)
    structure = structure_of(module.double(), in_precision(inputs, torch.empty(0, dtype=torch.float64)))
    module = module.to(dtype)
    assert structure.bases
    other = permuted(module, structure.bases, random_plans(structure.bases, 1))
    moved = [
        name for name, tensor in module.state_dict().items() if not torch.equal(tensor, other.state_dict()[name])
    ]
    assert moved
    aligned = align(module, other, inputs=inputs)
    for key, tensor in module.state_dict().items():
        assert torch.equal(aligned.state_dict()[key], tensor), key


@pytest.mark.parametrize("name", CASES)
def test_an_aligned_model_computes_what_it_did_and_all_can_be_fused(name):
    (reference, inputs), (other, _) = made_of(name, torch.float64), made_of(name, torch.float64, seed=7)
    for method in ("ot", "weight_matching"):
        aligned = align(reference, other, method, inputs=inputs)
        with torch.no_grad():
            assert torch.allclose(call(aligned, inputs), call(other, inputs), atol=1e-9)
    fused = fuse([reference, other], source="activations", num_samples=5, inputs=inputs)
    assert call(fused, inputs).isfinite().all()


def test_the_gates_of_an_lstm_move_together():
    module, inputs = made_of("lstm")
    bases = {basis.name: basis for basis in structure_of(module, inputs).bases}
    of_steps = next(basis for basis in bases.values() if any("weight_hh" in place.name for place in basis.places))
    rows = next(p for p in of_steps.places if p.name == "steps.weight_hh_l0" and p.axis == 0)
    assert rows.positions.tolist() == [[unit, unit + 6, unit + 12, unit + 18] for unit in range(6)]
    order = torch.randperm(6, generator=torch.Generator().manual_seed(3))  # by hand, gate by gate
    other = copy.deepcopy(module)
    gates = torch.cat([order + 6 * gate for gate in range(4)])
    with torch.no_grad():
        for word in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(other.steps, word).copy_(getattr(module.steps, word)[gates])
        other.steps.weight_hh_l0.copy_(other.steps.weight_hh_l0[:, order])
        other.head.weight.copy_(module.head.weight[:, order])
    assert torch.allclose(other(inputs), module(inputs), atol=1e-6)
    aligned = align(module, other, inputs=inputs)
    assert all(torch.equal(t, aligned.state_dict()[key]) for key, t in module.state_dict().items())


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.cell, self.head = nn.Linear(4, 6), nn.LSTMCell(6, 6), nn.Linear(6, 3)

    def forward(self, values):
        return self.head(self.cell(self.first(values))[0])


class Sorts(nn.Linear):
    def forward(self, values):
        return super().forward(values).sort(dim=1).values if bool(values.sum() > 0) else values


class Crosses(nn.Module):
    """Units meet by the numbers of a buffer."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("order", torch.arange(5, -1, -1))

    def forward(self, values):
        hidden = torch.relu(self.first(values))
        return self.head(hidden + hidden[:, self.order])


def test_units_that_meet_by_the_numbers_of_a_buffer_are_followed():
    (basis,) = structure_of(Crosses().eval(), torch.rand(5, 4)).bases
    rows = next(place for place in basis.places if place.name == "first.weight")
    assert rows.positions.tolist() == [[0, 5], [1, 4], [2, 3]]


class ByPlace(nn.Module):
    """Units are taken for places, and neighbours are mixed."""

    def forward(self, values):
        return F.avg_pool1d(values, 3, 1, 1)


class Weighs(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.weighs, self.head = nn.Linear(4, 6), ByPlace(), nn.Linear(6, 3)

    def forward(self, values):
        return self.head(self.weighs(self.first(values)))


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Cell, r"node cell: \(module cell, LSTMCell\) is a layer with no rule"),
        (lambda: nn.Sequential(Sorts(4, 6), nn.Linear(6, 3)), r"\(module 0, Sorts\) is a Linear with a for"),
        (lambda: nn.Sequential(nn.LSTM(4, 6, proj_size=2)), r"\(module 0, LSTM\) projects its states"),
        (lambda: nn.Sequential(nn.Bilinear(4, 4, 3)), r"\(module 0, Bilinear\) is a layer with no rule"),
        (Weighs, r"first: its units cannot be told[\s\S]*node avg_pool1d \(\w+ in module weighs\)"),
    ],
)  # fmt: skip
def test_what_has_no_rule_is_refused_with_its_node_and_what_helps(module, says):
    torch.manual_seed(0)
    with pytest.raises(InvalidInput, match=says):
        structure_of(module().eval(), torch.rand(5, 4))


def test_inputs_that_are_none_are_told():
    module, _ = made_of("encoder")
    with pytest.raises(InvalidInput, match=r"inputs: a batch of inputs is needed[\s\S]*Embedding"):
        align(module, module)
    with pytest.raises(InvalidInput, match=r"inputs: is a str; allowed: a tensor"):
        align(module, module, inputs="words")
    with pytest.raises(InvalidInput, match=r"inputs: is a tuple of int"):
        align(module, module, inputs=(1, 2))
    with pytest.raises(InvalidInput, match=r"inputs: has shape \(0, 5\); at least one"):
        align(module, module, inputs=torch.empty(0, 5, dtype=torch.int64))
    with pytest.raises(InvalidInput, match=r"Tokens: does not run on inputs of float32 \(2, 6\)"):
        align(module, module, inputs=torch.rand(2, 6))
