"""Small networks and batches that the tests of metrics share."""

import torch
from torch import Tensor, nn

CLASSES = 4


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches_of(
    shape: tuple[int, ...],
    sizes: tuple[int, ...] = (7, 5),
    classes: int = CLASSES,
    dtype: torch.dtype = torch.float64,
) -> list[tuple[Tensor, Tensor]]:
    """Batches of these sizes, of random images and labels."""
    return [
        (
            torch.randn(size, *shape, generator=numbers(i), dtype=dtype),
            torch.randint(0, classes, (size,), generator=numbers(10 + i)),
        )
        for i, size in enumerate(sizes)
    ]


def dense(activation: type[nn.Module] = nn.ReLU, bias: bool = True) -> nn.Sequential:
    """6 → 5 → 4."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5, bias=bias), activation(), nn.Linear(5, CLASSES, bias=bias)
    ).double()


def convolutional() -> nn.Sequential:
    """8 x 8 pixels → two convolutions, one with batch normalisation and a stride → 4; with ReLU in place."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, stride=2),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, CLASSES),
    ).double()
    model[1].running_mean.uniform_(-0.5, 0.5)
    model[1].running_var.uniform_(0.5, 2)
    return model


def fitted(model: nn.Module, batches: list[tuple[Tensor, Tensor]], steps: int = 60) -> nn.Module:
    """The model after gradient descent on the batches, in eval mode."""
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    model.train()
    for step in range(steps):
        images, labels = batches[step % len(batches)]
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    optimiser.zero_grad()
    return model.eval()


def snapshot(model: nn.Module) -> tuple[object, ...]:
    """All that a measure must leave as it was, to be compared."""
    state = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    parameters = [(p.requires_grad, p.grad is None) for p in model.parameters()]
    hooks = [len(part._forward_hooks) for part in model.modules()]
    return state, [part.training for part in model.modules()], parameters, hooks
