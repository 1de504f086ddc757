import copy
import itertools

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import reset_statistics, zipit
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.fusion.unit_groups import grouped, matrices
from framework.fusion.zipped import Cut, Zipped
from framework.fusion.zipping import zipped
from tests.framework.fusion.zoo import difference, images, module

NAMES = [
    "mlp", "mlp with bias", "residual", "dense", "vgg11", "vgg11 with bias and norm", "resnet18",
    "resnet18 with norm", "plain", "ae",
]  # fmt: skip


def settled(name, seed=0):
    """With the statistics of the inputs: a unit that is dead by statistics of chance is alive with others."""
    return reset_statistics(module(name, seed), images(64))


def shuffled(made, seed=1):
    bases = structure_of(made, images()).bases
    return permuted(made, bases, random_plans(bases, seed))


def net(seed, widths):
    torch.manual_seed(seed)
    layers = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).eval()


def features(seed, number=200, n=6):
    return torch.randn(2 * n, number, generator=torch.Generator().manual_seed(seed)).relu().double()


@pytest.mark.parametrize("name", NAMES)
def test_a_network_zipped_with_itself_in_any_order_is_itself(name):
    made = settled(name)
    for other in (copy.deepcopy(made), shuffled(made)):
        both = zipit(made, other, images(64))
        assert type(both) is type(made)
        assert difference(made, both, images(64)) < 1e-5


@pytest.mark.parametrize("name", ["mlp", "residual without norm", "plain"])
def test_a_network_zipped_with_itself_has_its_own_weights(name):
    """Where no unit is dead: those are merged with one another, whichever, and the function is the same."""
    made = settled(name)
    for other in (copy.deepcopy(made), shuffled(made)):
        both = zipit(made, other, images(64)).state_dict()
        assert all(torch.allclose(tensor, both[key], atol=1e-6) for key, tensor in made.state_dict().items())


@pytest.mark.parametrize(
    ("name", "until"),
    [("mlp", "encoder.3"), ("residual", "outer"), ("residual", "down"), ("dense", "second"), ("dense", "norm"),
     ("resnet18 with norm", "layer2.0"), ("vgg11 with bias and norm", "features.9")],
)  # fmt: skip
def test_both_go_on_as_they_did_behind_the_layer_where_they_part(name, until):
    made = settled(name).requires_grad_(False)
    both = zipit(made, shuffled(made), images(64), until=until)
    for head in both.heads(images(64)):
        assert torch.allclose(head, made(images(64)), atol=1e-4 * float(made(images(64)).abs().max()))
    assert torch.equal(both(images(64)), torch.cat(both.heads(images(64)), dim=1))
    assert not {part.data_ptr() for part in both.parameters()} & {part.data_ptr() for part in made.parameters()}
    again = zipit(module(name, seed=3), module(name, seed=4), images(64), until=until)
    again.load_state_dict(both.state_dict())
    assert torch.allclose(again(images(64)), both(images(64)))


def with_copies(made):
    """Every hidden unit twice, with two unequal parts of what it sends on: the same function, twice as wide."""
    linear = [part for part in made if isinstance(part, nn.Linear)]
    wide = net(
        99, [linear[0].in_features, *(2 * part.out_features for part in linear[:-1]), linear[-1].out_features]
    )
    with torch.no_grad():
        for number, (old, new) in enumerate(
            zip(linear, [p for p in wide if isinstance(p, nn.Linear)], strict=True)
        ):
            weight, bias = old.weight, old.bias
            if number:
                weight = torch.stack([0.3 * weight, 0.7 * weight], dim=2).flatten(1)
            if old is not linear[-1]:
                weight, bias = weight.repeat_interleave(2, 0), bias.repeat_interleave(2)
            new.weight.copy_(weight)
            new.bias.copy_(bias)
    return wide


def test_copies_within_a_network_make_room_for_all_that_both_compute():
    """Two networks that have nothing in common: each is merged with its own copies, and neither loses anything."""
    inputs = torch.randn(300, 8)
    first, second = net(0, (8, 7, 6, 3)), net(1, (8, 7, 6, 4))
    both = zipit(with_copies(first), with_copies(second), inputs, until="2")
    for head, made in zip(both.heads(inputs), (first, second), strict=True):
        assert torch.allclose(head, made(inputs), atol=1e-5)
    across = zipit(with_copies(first), with_copies(second), inputs, until="2", beta=0)
    assert not torch.allclose(across.heads(inputs)[0], first(inputs), atol=1e-2)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("beta", [0.0, 0.29, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_groups_partition_and_their_matrices_satisfy_the_identities(alpha, beta, seed):
    group = grouped(torch.corrcoef(features(seed)), alpha, beta)
    merge, unmerge = matrices(group)
    n = len(group) // 2
    assert sorted(group.unique().tolist()) == list(range(n))
    assert torch.allclose(merge @ unmerge, torch.eye(n).double())
    projection = unmerge @ merge
    assert torch.allclose(projection @ projection, projection)
    assert torch.allclose(projection, projection.T)
    assert torch.allclose(projection @ unmerge, unmerge)
    assert torch.equal(merge > 0, unmerge.T > 0)
    means = torch.stack([features(seed)[group == number].mean(0) for number in range(n)])
    assert torch.allclose(merge @ features(seed), means)
    within = [len(own) - len(own.unique()) for own in (group[:n], group[n:])]
    if beta == 0:
        assert all((group[:n] == number).any() and (group[n:] == number).any() for number in range(n))
    if alpha == 0 and beta == 0:
        assert within == [0, 0]
        assert torch.allclose(unmerge, 2 * merge.T)


def greedy(correlation, alpha):
    """The paper's loop as it reads, over lists of groups, with every merger allowed."""
    groups = [[unit] for unit in range(len(correlation))]
    likeness = {(i, j): float(correlation[i, j]) for i in range(len(groups)) for j in range(len(groups)) if i != j}
    alive = set(range(len(groups)))
    for _ in range(len(correlation) // 2):
        i, j = max(((i, j) for i in alive for j in alive if i < j), key=lambda pair: likeness[pair])
        groups[i] += groups[j]
        alive.remove(j)
        for other in alive - {i}:
            worse = min(likeness[i, other], likeness[j, other])
            likeness[i, other] = likeness[other, i] = worse * (alpha if worse > 0 else 1)
    return sorted(sorted(groups[number]) for number in alive)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_the_plain_loop(alpha, seed):
    correlation = torch.corrcoef(features(seed))
    group = grouped(correlation, alpha, 1.0)
    mine = sorted(torch.nonzero(group == number).squeeze(1).tolist() for number in group.unique().tolist())
    assert mine == greedy(correlation, alpha)


def test_weights_are_the_formula_with_its_matrices_written_out():
    first, second = net(0, (5, 6, 4, 3)), net(1, (5, 6, 4, 3))
    bases = structure_of(first).bases
    groups = {basis.name: grouped(torch.corrcoef(features(3, n=basis.size)), 0.3, 0.5) for basis in bases}
    states = [first.state_dict(), second.state_dict()]
    (in_merge, in_unmerge), (merge, unmerge) = (matrices(groups[name]) for name in ("0", "2"))
    a, b = ({key: tensor.double() for key, tensor in state.items()} for state in states)
    expected = {
        "0.weight": in_merge @ torch.cat([a["0.weight"], b["0.weight"]]),
        "0.bias": in_merge @ torch.cat([a["0.bias"], b["0.bias"]]),
        "2.weight": merge @ torch.block_diag(a["2.weight"], b["2.weight"]) @ in_unmerge,
        "4.weight": torch.cat([a["4.weight"], b["4.weight"]], dim=1) / 2 @ unmerge,
        "4.bias": (a["4.bias"] + b["4.bias"]) / 2,
    }
    for key, tensor in expected.items():
        assert torch.allclose(zipped(key, states, bases, groups).double(), tensor, atol=1e-6)


def test_units_that_never_vary_are_merged_with_one_another_alone():
    made = net(0, (8, 6, 3))
    with torch.no_grad():
        made[0].bias[[1, 4]] = -100.0
    inputs = torch.randn(100, 8)
    both = zipit(made, shuffled_plain(made), inputs)
    assert torch.allclose(both(inputs), made(inputs), atol=1e-5)


def shuffled_plain(made):
    bases = structure_of(made).bases
    return permuted(made, bases, random_plans(bases, 2))


@pytest.mark.parametrize("name", ["mlp with bias", "residual"])
def test_half_precision_comes_back(name):
    made = settled(name).to(torch.float16)
    assert {p.dtype for p in zipit(made, made, images(64)).parameters()} == {torch.float16}
    until = "encoder.3" if name == "mlp with bias" else "outer"
    assert {p.dtype for p in zipit(made, made, images(64), until=until).parameters()} == {torch.float16}


@pytest.mark.parametrize(
    ("name", "told"),
    [("vit", "LayerNorm.*meet one another"), ("attention", "scaled_dot_product_attention"),
     ("grouped", "GroupNorm"), ("functional", "matmul")],
)  # fmt: skip
def test_units_that_meet_one_another_are_refused_in_words(name, told):
    with pytest.raises(InvalidInput, match=told):
        zipit(module(name), module(name, seed=1), images(64))


@pytest.mark.parametrize(
    ("options", "told"),
    [({"until": "layer3"}, "until.*is 'layer3'"), ({"until": "4"}, "no parameters behind it"),
     ({"alpha": 2}, "alpha: is 2"), ({"beta": -1}, "beta: is -1")],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options, told):
    made = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 6), nn.Identity(), nn.Linear(6, 3))
    with pytest.raises(InvalidInput, match=told):
        zipit(made, made, torch.randn(10, 8), **options)


def test_other_widths_and_too_few_inputs_are_refused():
    with pytest.raises(InvalidInput, match="zipping needs equal widths"):
        zipit(net(0, (8, 6, 3)), net(0, (8, 7, 3)), torch.randn(10, 8))
    with pytest.raises(InvalidInput, match="correlations need 2"):
        zipit(net(0, (8, 6, 3)), net(1, (8, 6, 3)), torch.randn(1, 8))
    with pytest.raises(InvalidInput, match="zipping needs equal widths"):
        zipit(net(0, (8, 6, 3)), net(1, (8, 6, 4)), torch.randn(10, 8))


def of_classes(seed, wanted, pixels, labels):
    made = net(seed, (64, 64, 64, 5))
    mine = (labels >= wanted[0]) & (labels <= wanted[-1])
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(pixels[mine]), labels[mine] - wanted[0]).backward()
        optimizer.step()
    return made.eval()


@torch.no_grad()
def test_networks_of_other_classes_become_one_that_tells_all_apart():
    """The digits 0 to 4 and 5 to 9; what is measured over many seeds stands in experiments/fusion/README.md."""
    pixels, classes = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    pixels, labels = torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(classes)[order]
    learned, test = pixels[:1297], pixels[1297:]
    with torch.enable_grad():
        pair = [
            of_classes(seed, wanted, learned, labels[:1297]) for seed, wanted in ((0, range(5)), (1, range(5, 10)))
        ]

    def accuracy(logits):
        return float((logits.argmax(1) == labels[1297:]).double().mean())

    bases = structure_of(pair[0]).bases
    alike = {basis.name: torch.arange(basis.size).repeat(2) for basis in bases}
    states = [made.state_dict() for made in pair]
    mean = copy.deepcopy(pair[0])
    mean.load_state_dict({key: (states[0][key] + states[1][key]) / 2 for key in states[0]})
    average = Zipped(Cut.of(pair[0], torch.zeros(2, 64), "2"), mean, pair, bases, alike)
    both = zipit(*pair, learned, until="2")
    apart = torch.cat([made(test) for made in pair], dim=1)
    assert both(test).shape == apart.shape
    assert accuracy(both(test)) > accuracy(average(test)) + 0.1


@pytest.mark.parametrize("given", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_any_precision_of_models_takes_inputs_of_any(dtype, given):
    made = [net(seed, (8, 6, 6, 3)).to(dtype) for seed in (0, 1)]
    inputs = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)).to(given)
    assert {p.dtype for p in zipit(*made, inputs).parameters()} == {dtype}


class Bag(nn.Module):
    """Of token ids (N, T)."""

    def __init__(self):
        super().__init__()
        self.words, self.hidden, self.head = nn.Embedding(11, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, ids):
        return self.head(torch.relu(self.hidden(self.words(ids).mean(1))))


class Two(nn.Module):
    """Of two inputs, (N, 4) and (N, 5)."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 6), nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, x, y):
        return self.head(torch.relu(self.a(x) + self.b(y)))


@pytest.mark.parametrize(
    ("made", "inputs", "until"),
    [
        (Bag, torch.randint(0, 11, (64, 5)), "hidden"),
        (Two, (torch.randn(64, 4), torch.randn(64, 5)), "b"),
        (Two, {"x": torch.randn(64, 4), "y": torch.randn(64, 5)}, "b"),
    ],
    ids=["ids", "two", "by name"],
)
def test_whatever_the_networks_take_is_what_they_are_zipped_on(made, inputs, until):
    torch.manual_seed(0)
    first, words = made().eval(), inputs if isinstance(inputs, dict) else {}
    arguments = () if words else inputs if isinstance(inputs, tuple) else (inputs,)
    bases = structure_of(first, inputs).bases
    second = permuted(first, bases, random_plans(bases, 1))
    expected = first(*arguments, **words)
    torch.testing.assert_close(zipit(first, second, inputs)(*arguments, **words), expected)
    both = zipit(first, second, inputs, until=until)(*arguments, **words)
    torch.testing.assert_close(both, torch.cat([expected, expected], dim=1))
