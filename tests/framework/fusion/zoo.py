"""Small modules with every way in which hidden units can be connected."""

import torch
import torch.nn.functional as F
from torch import nn

from framework.models.config import AE, MLP, PCKTAE, VAE, VGG, CIFARResNet, MLPAutoencoder, ViT
from framework.models.registry import build


class Residual(nn.Module):
    """A stream that three layers write to, one of them through a shortcut."""

    def __init__(self, norm=True):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.inner = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(5) if norm else nn.Identity()
        self.outer = nn.Conv2d(5, 6, 3, padding=1)
        self.down = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(6, 8, 1, stride=2)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        stream = torch.relu(self.stem(images))
        stream = torch.relu(stream + self.outer(F.relu(self.norm(self.inner(stream)))))
        stream = self.down(stream) + self.shortcut(stream)
        return self.head(F.adaptive_avg_pool2d(stream, 1).flatten(1))


class Dense(nn.Module):
    """Concatenation, flattening between convolution and linear layer, and a slice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(7)
        self.flat = nn.Linear(7 * 4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, images):
        first = torch.relu(self.first(images))
        both = self.norm(torch.cat([first, torch.relu(self.second(first))], dim=1))
        pooled = F.max_pool2d(both, 4).reshape(images.size(0), -1)
        return self.head(torch.tanh(self.flat(pooled)))[:, :3]


class Grouped(nn.Module):
    """Depthwise and grouped convolutions, group normalisation, squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze, self.excite = nn.Conv2d(8, 3, 1), nn.Conv2d(3, 8, 1)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.norm = nn.GroupNorm(2, 6)
        self.point = nn.Conv2d(12, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, images):
        maps = torch.relu(self.depthwise(torch.relu(self.stem(images))))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(maps.mean((2, 3), keepdim=True)))))
        maps = torch.relu(self.grouped(maps * gate))
        return self.head(torch.relu(self.norm(self.point(maps))).mean((2, 3)))


class HandAttention(nn.Module):
    """Attention written by hand: heads by reshaping, a class token, positions, layer normalisation."""

    def __init__(self, fused=True):
        super().__init__()
        self.fused, self.heads = fused, 2
        self.embed = nn.Conv2d(1, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm = nn.LayerNorm(8)
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.out = nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 10), nn.GELU(), nn.Linear(10, 8))
        self.head = nn.Linear(8, 3)

    def split(self, tokens):
        return tokens.reshape(tokens.shape[0], -1, self.heads, 4).transpose(1, 2)

    def forward(self, images):
        patches = self.embed(images).flatten(2).transpose(1, 2)
        stream = torch.cat([self.token.expand(images.shape[0], -1, -1), patches], 1) + self.positions
        seen = self.norm(stream)
        query, key, value = (self.split(part(seen)) for part in (self.query, self.key, self.value))
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = torch.softmax(query @ key.transpose(-2, -1) / 2, dim=-1) @ value
        stream = stream + self.out(mixed.transpose(1, 2).flatten(2))
        return self.head((stream + self.mlp(stream))[:, 0])


class Multihead(nn.Module):
    """torch's attention, between tokens that are rows of the image."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

    def forward(self, images):
        stream = self.embed(images.squeeze(1))
        seen = self.norm(stream)
        return self.head((stream + self.attention(seen, seen, seen)[0]).mean(1))


class Functional(nn.Module):
    """Parameters used by functions: abc-like products and F.linear."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(64, 5))
        self.second, self.bias = nn.Parameter(torch.randn(6, 5)), nn.Parameter(torch.randn(6))
        self.scale = nn.Parameter(torch.rand(6) + 0.5)
        self.head = nn.Linear(6, 3)

    def forward(self, images):
        hidden = torch.tanh(images.flatten(1) @ self.first * 0.1)
        return self.head(torch.tanh(F.linear(hidden, self.second, self.bias) * self.scale))


SHAPE = (1, 8, 8)
OWN = {
    "residual": Residual,
    "residual without norm": lambda: Residual(norm=False),
    "dense": Dense,
    "grouped": Grouped,
    "attention": HandAttention,
    "attention by hand": lambda: HandAttention(fused=False),
    "functional": Functional,
    "multihead": Multihead,
    "plain": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.PReLU(7), nn.Linear(7, 3)),
}
PROJECT = {
    "pcktae": PCKTAE(latent_dim=4),
    "mlp_autoencoder": MLPAutoencoder(latent_dim=4, hidden=(9, 7)),
    "vae": VAE(latent_dim=4, hidden=(9, 7)),
    "ae": AE(latent_dim=4, channels=(3, 4), hidden=6),
    "mlp": MLP(hidden=(9, 8, 7)),
    "mlp with bias": MLP(hidden=(9, 8, 7), bias=True),
    "vgg11": VGG(width=0.0625, batch_norm=False, bias=False),
    "vgg11 with bias and norm": VGG(width=0.0625),
    "resnet18": CIFARResNet(width=0.0625, batch_norm=False, bias=False),
    "resnet18 with norm": CIFARResNet(width=0.0625),
    "resnet50": CIFARResNet(depth=50, width=0.0625),
    "vit": ViT(hidden_dim=8, num_layers=2, num_heads=2, mlp_dim=12),
}
NAMES = (*OWN, *PROJECT)


def module(name, seed=0):
    """One of them, in eval mode, with statistics and gains that are not all the same."""
    torch.manual_seed(seed)
    made = OWN[name]() if name in OWN else build(PROJECT[name], SHAPE, 3)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
        elif isinstance(part, nn.LayerNorm | nn.GroupNorm):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
    if name == "vit":
        nn.init.normal_(made.head.weight if hasattr(made, "head") else made.heads[-1].weight)
    return made.eval()


def images(number=16, seed=0):
    """Images (N, 1, 8, 8)."""
    return torch.rand(number, *SHAPE, generator=torch.Generator().manual_seed(seed))


def difference(first, second, inputs=None):
    """The largest difference of outputs, relative to the largest output."""
    inputs = images() if inputs is None else inputs
    with torch.no_grad():
        expected = first(inputs)
        return float((second(inputs) - expected).abs().max() / expected.abs().max())
