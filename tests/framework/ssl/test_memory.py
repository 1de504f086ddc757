import pytest
import torch
from lightly.loss import NTXentLoss
from torch.nn.functional import normalize

from framework.errors import InvalidInput
from framework.ssl.memory import MemoryBank
from tests.framework.ssl.conftest import tiny, views_of


def keys(count, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def test_it_holds_the_newest_projections_in_a_ring():
    bank, given = MemoryBank(7, 3), keys(50)
    for start in range(0, 50, 5):
        bank.enqueue(given[start : start + 5])
    expected = {tuple(row.tolist()) for row in normalize(given, dim=1)[-7:]}
    assert {tuple(row.tolist()) for row in bank.bank} == expected


def test_it_begins_with_directions_from_torchs_seed():
    banks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        banks.append(MemoryBank(7, 3).bank)
    assert torch.equal(banks[0], banks[1])
    assert not torch.equal(banks[0], banks[2])
    torch.testing.assert_close(banks[0].norm(dim=1), torch.ones(7))


def test_asking_changes_nothing():
    bank = MemoryBank(7, 3)
    before = bank.bank.clone()
    output, negatives = bank(keys(2), update=True)
    assert torch.equal(output, keys(2))
    assert torch.equal(negatives, before.T)
    assert torch.equal(bank.bank, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("moved", [False, True])
def test_other_precisions(dtype, moved):
    bank = MemoryBank(7, 3)
    bank = bank.to(dtype) if moved else bank
    bank.enqueue(keys(4).to(dtype))
    _, negatives = bank(keys(2).to(dtype))
    assert negatives.dtype == dtype
    torch.testing.assert_close(negatives.T[:4].float(), normalize(keys(4), dim=1), atol=1e-2, rtol=1e-2)
    loss = NTXentLoss(0.5)
    loss.memory_bank = bank
    assert loss(keys(2).to(dtype), keys(2, 1).to(dtype)).isfinite()


def test_it_is_part_of_the_state_dict():
    bank, other = MemoryBank(7, 3), MemoryBank(7, 3)
    bank.enqueue(keys(5))
    other.load_state_dict(bank.state_dict())
    for each in (bank, other):
        each.enqueue(keys(4, 1))
    assert torch.equal(bank.bank, other.bank)
    assert int(other.bank_ptr) == 2


def test_a_bank_that_is_too_small():
    with pytest.raises(InvalidInput, match=r"memory_bank_size: is 7, smaller than the 8 projections of one step"):
        MemoryBank(7, 3).enqueue(keys(8))


@pytest.mark.parametrize("kind", ["moco", "simclr"])
def test_a_methods_bank_that_is_too_small(kind):
    method = tiny(kind, memory_bank_size=15)
    with pytest.raises(InvalidInput, match="is 15, smaller than the 16 projections of one step"):
        method.loss(views_of(method))


def test_a_method_fills_it_while_training_only():
    method = tiny("moco")
    bank = method.criterion.memory_bank
    views = views_of(method)
    before = bank.bank.clone()
    with torch.no_grad():
        method.loss(views)
    method.eval().loss(views)
    assert torch.equal(bank.bank, before)
    method.train().loss(views)
    assert int(bank.bank_ptr) == 16
    targets = torch.cat([method._target(view) for view in views])
    torch.testing.assert_close(bank.bank[:16], normalize(targets, dim=1))
    assert torch.equal(bank.bank[16:], before[16:])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["moco", "simclr"])
def test_what_is_not_finite_never_enters(kind, bad):
    method = tiny(kind, memory_bank_size=64)
    before = method.criterion.memory_bank.bank.clone()
    views = views_of(method)
    views[1, 2, 0, 3, 3] = bad
    assert not method.loss(views).total.isfinite()
    assert torch.equal(method.criterion.memory_bank.bank, before)
    assert int(method.criterion.memory_bank.bank_ptr) == 0


def test_its_images_are_not_their_own_negatives():
    method = tiny("moco", momentum=1.0)
    views = views_of(method)
    negatives = method.criterion.memory_bank.bank.clone()
    found = method.loss(views).total
    z = torch.stack([normalize(method._target(view), dim=1) for view in views])
    p = torch.stack([normalize(method.project(method.encode(view)), dim=1) for view in views])
    losses = []
    for key, query in ((z[1], p[0]), (z[0], p[1])):
        positive = (query * key).sum(1, keepdim=True)
        logits = torch.cat([positive, query @ negatives.T], 1) / 0.1
        losses.append(-logits.log_softmax(1)[:, 0].mean())
    torch.testing.assert_close(found, sum(losses) / 2)
