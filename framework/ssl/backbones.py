"""Backbones: a network of torchvision or timm by its name, or one of the project's own, without its classifier.

    images (B, C, H, W)  →  features (B, D)

The last layer with weights of a torchvision network is its classifier; it is taken out together with the dropout
right before it, and what is left flattened: 512 features of a resnet18, the 4096 of the last hidden layer of a
vgg. Grey images are repeated to three channels for networks of libraries, so that pretrained weights fit. Vision
transformers are built for the size of the images.

Small stem: Chen, Kornblith, Norouzi and Hinton, "A simple framework for contrastive learning of visual
representations", 2020, appendix B.9: for CIFAR the first 7x7 convolution of a ResNet with stride 2 becomes one of
3x3 with stride 1, and its first maximum is left out.

Shapes: B images, C channels, H x W pixels, D features.
"""

from typing import Any

import torch
from torch import Tensor, nn

from framework.errors import ConfigError, InvalidInput, Problem, WeightsUnavailable
from framework.fields import nearest
from framework.models.base import Shape
from framework.models.config import MLP, CIFARResNet
from framework.ssl.parts import BackboneConfig, Dense, SmallResNet, Timm, Torchvision
from framework.ssl.splitting import split_batch_norms
from framework.values import is_number

SMALL_SIDE = 64
"""The largest side, in pixels, for which `stem: auto` takes the small stem."""
OWN: dict[str, BackboneConfig] = {
    **{f"cifar_resnet{depth}": SmallResNet(depth=depth) for depth in (18, 34, 50)},
    "cifar_resnet": SmallResNet(),
    "mlp": Dense(),
}
SHORT = {"resnet": "resnet18"}


class Backbone(nn.Module):
    """Features (B, `num_features`) of images (B, C, H, W); `splits` are the groups of its batch normalisation.

    `config` is what it was built of, where `build_backbone` did; `one_size` tells that it takes images of
    `image_shape` alone.
    """

    def __init__(self, body: nn.Module, image_shape: Shape, channels: int, splits: int = 1) -> None:
        super().__init__()
        self.body = body
        self.image_shape = image_shape
        self.splits = splits
        self.config: BackboneConfig | None = None
        self.one_size = False
        self._repeated = channels // image_shape[0]
        self.num_features = self._count(image_shape)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Features (B, D)."""
        if self._repeated > 1:
            images_BCHW = images_BCHW.repeat(1, self._repeated, 1, 1)
        features_BD: Tensor = self.body(images_BCHW).flatten(1)
        return features_BD

    @torch.no_grad()
    def _count(self, shape: Shape) -> int:
        training = self.training
        self.eval()
        try:
            return int(self(torch.zeros(1, *shape)).shape[1])
        finally:
            self.train(training)


def build_backbone(config: BackboneConfig, image_shape: Shape) -> Backbone:
    """The backbone of `config` for images (C, H, W), its random weights drawn from torch's seed.

    Raises:
        ConfigError: there is no network of this name (the nearest is told), it does not take images of this shape,
            or it has not what the config asks for; no config, or no shape.
        WeightsUnavailable: pretrained weights are not on this machine and cannot be fetched, or there are none.
    """
    _refuse_no_backbone(config, image_shape)
    if isinstance(config, SmallResNet | Dense):
        body = _own(config, image_shape)
        channels = image_shape[0]
    else:
        refuse_unknown(config)
        _refuse_channels(image_shape)
        channels = 3
        try:
            body = (
                _from_timm(config, image_shape) if isinstance(config, Timm) else _torchvision(config, image_shape)
            )
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            raise _misfit(config.name, image_shape, error) from error
        _fit_stem(body, config, image_shape)
    splits = 1 if isinstance(config, Dense) else config.splits
    split_batch_norms(body, splits)
    try:
        backbone = Backbone(body, image_shape, channels, splits)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _misfit(getattr(config, "name", config.kind), image_shape, error) from error
    backbone.config, backbone.one_size = config, _takes_one_size(config)
    return backbone


def refuse_unknown(config: BackboneConfig) -> None:
    """Refuse the name of a network that its library has not, and a library that is not installed.

    Raises:
        ConfigError: with the nearest name; keys are those of what holds the backbone.
    """
    if isinstance(config, Torchvision) and config.name not in _names_of_torchvision():
        _refuse_name(config.name, "torchvision", _names_of_torchvision(), "timm", _names_of_timm())
    if isinstance(config, Timm) and not _timm().is_model(config.name):
        _refuse_name(config.name, "timm", _names_of_timm(), "torchvision", _names_of_torchvision())


def named(name: str) -> BackboneConfig:
    """The backbone that a single name tells: of torchvision, of the project (`cifar_resnet18`, `mlp`), or of timm.

    `ResNet` is a resnet18. A name of both libraries is torchvision's.

    Raises:
        ConfigError: it is none of them; the nearest is told.
    """
    key = SHORT.get(name.lower(), name)
    known = _names_of_torchvision()
    for spelt in (key, key.lower()):
        if spelt in known:
            return Torchvision(name=spelt)
        if spelt in OWN:
            return OWN[spelt]
    if key in _names_of_timm():
        return Timm(name=key)
    raise ConfigError(
        [Problem("backbone", f"is {name!r}; {nearest(key.lower(), [*SHORT, *known, *OWN, *_names_of_timm()])}")]
    )


def _refuse_no_backbone(config: Any, image_shape: Any) -> None:
    problems = []
    if not isinstance(config, Torchvision | Timm | SmallResNet | Dense):
        message = f"is {config!r}; allowed: the name of a network (resnet18, cifar_resnet18, mlp), or its config"
        problems.append(Problem("backbone", message))
    sizes = image_shape if isinstance(image_shape, tuple | list) else ()
    if len(sizes) != 3 or not all(is_number(size, whole=True) and size >= 1 for size in sizes):
        message = f"is {image_shape!r}; allowed: (channels, height, width), whole numbers from 1 on"
        problems.append(Problem("image_shape", message))
    if problems:
        raise ConfigError(problems)


def _takes_one_size(config: BackboneConfig) -> bool:
    """Whether a network is made for one size of images, as dense layers and vision transformers are."""
    if isinstance(config, Timm):
        defaults = _timm().get_pretrained_cfg(config.name)
        return defaults is not None and bool(defaults.fixed_input_size)
    return isinstance(config, Dense) or (isinstance(config, Torchvision) and bool(_sizes(config.name, (3, 1, 1))))


def _own(config: SmallResNet | Dense, image_shape: Shape) -> nn.Module:
    from framework.models.registry import build

    if isinstance(config, Dense):
        body: nn.Module = build(MLP(hidden=config.hidden, bias=True), image_shape, 1).encoder  # type: ignore[assignment]
        return body
    model = build(CIFARResNet(depth=config.depth, width=config.width), image_shape, 1)
    model.linear = nn.Identity()
    return model


def _torchvision(config: Torchvision, image_shape: Shape) -> nn.Module:
    from torchvision import models  # type: ignore[import-untyped]

    pretrained = config.weights == "pretrained"
    options = _sizes(config.name, image_shape)
    if config.name in ("googlenet", "inception_v3") and not pretrained:
        options |= {"aux_logits": False, "init_weights": True}
    try:
        weights = "DEFAULT" if pretrained else None
        body: nn.Module = models.get_model(config.name, weights=weights, progress=False, **options)
    except OSError as error:  # what urllib raises without a network is one
        file = models.get_model_weights(config.name).DEFAULT.url.rpartition("/")[2]
        place = f"{torch.hub.get_dir()}/checkpoints/{file}"
        raise _unavailable(config.name, f"put {file} to {place}", error) from error
    _drop_auxiliary(body)
    _drop_classifier(body)
    return body


def _sizes(name: str, image_shape: Shape) -> dict[str, Any]:
    """What a network of torchvision has to be told of the size of the images."""
    _, height, width = image_shape
    if name.startswith("vit_"):
        if height != width:
            raise ValueError("a vision transformer takes squares")
        return {"image_size": height}
    return {"input_size": (height, width)} if name == "maxvit_t" else {}


def _drop_auxiliary(body: nn.Module) -> None:
    """Take out the classifiers that hang on inner layers while a network is trained."""
    if getattr(body, "aux_logits", False):
        body.aux_logits = False  # type: ignore[assignment]
        for name in ("aux1", "aux2", "AuxLogits"):
            if hasattr(body, name):
                setattr(body, name, None)


def _drop_classifier(body: nn.Module) -> None:
    """Put identities in the place of the last layer with weights, and of the dropout right before it."""
    layers = [(name, layer) for name, layer in body.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    place = layers[-1][0]
    _replace(body, place)
    parent, _, last = place.rpartition(".")
    siblings = [name for name, _ in body.get_submodule(parent).named_children()]
    for before in siblings[: siblings.index(last)][-1:]:
        path = f"{parent}.{before}" if parent else before
        if isinstance(body.get_submodule(path), nn.Dropout):
            _replace(body, path)


def _replace(body: nn.Module, place: str) -> None:
    parent, _, name = place.rpartition(".")
    setattr(body.get_submodule(parent), name, nn.Identity())


def _timm() -> Any:
    try:
        import timm  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        message = (
            "is timm, which is not installed here; pip install 'sashiko[timm]', or set backbone.kind=torchvision"
        )
        raise ConfigError([Problem("backbone.kind", message)]) from error
    return timm


def _from_timm(config: Timm, image_shape: Shape) -> nn.Module:
    timm = _timm()
    defaults = timm.get_pretrained_cfg(config.name)
    fixed = defaults is not None and defaults.fixed_input_size
    options: dict[str, Any] = {"img_size": image_shape[1:]} if fixed else {}
    if config.weights == "random":
        body: nn.Module = timm.create_model(config.name, pretrained=False, num_classes=0, **options)
        return body
    try:
        body = timm.create_model(config.name, pretrained=True, num_classes=0, **options)
    except OSError as error:  # what huggingface_hub raises, with or without a network, is one
        raise _unavailable(
            config.name, "put them into Hugging Face's cache ($HF_HOME; HF_HUB_OFFLINE=1 asks no network)", error
        ) from error
    return body


def _fit_stem(body: nn.Module, config: Torchvision | Timm, image_shape: Shape) -> None:
    """Put the small stem in place where it is asked for."""
    first = getattr(body, "conv1", None)
    resnet_like = isinstance(first, nn.Conv2d) and hasattr(body, "maxpool")
    small = max(image_shape[1:]) <= SMALL_SIDE and config.weights == "random" and resnet_like
    if config.stem == "standard" or (config.stem == "auto" and not small):
        return
    if not isinstance(first, nn.Conv2d) or not resnet_like:
        message = f"is small, which {config.name} has not: it does not begin as a ResNet does; set it to auto"
        raise ConfigError([Problem("backbone.stem", message)])
    body.conv1 = nn.Conv2d(3, first.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
    body.maxpool = nn.Identity()


def _names_of_torchvision() -> list[str]:
    from torchvision import models

    found: list[str] = models.list_models(module=models)
    return found


def _names_of_timm() -> list[str]:
    try:
        import timm  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return []
    found: list[str] = timm.list_models()
    return found


def _refuse_name(name: str, here: str, names: list[str], other: str, others: list[str]) -> None:
    told = f"is a network of {other}; set backbone.kind={other}" if name in others else nearest(name, names)
    raise ConfigError([Problem("backbone.name", f"is {name!r}, which {here} has not: {told}")])


def _refuse_channels(image_shape: Shape) -> None:
    if image_shape[0] not in (1, 3):
        message = f"takes images with 1 or 3 channels, not {image_shape}; backbone.kind=cifar_resnet takes any"
        raise ConfigError([Problem("backbone", message)])


def _misfit(name: str, image_shape: Shape, error: Exception) -> InvalidInput:
    message = f"{name} cannot be built for images of the shape {image_shape}: {error}"
    return ConfigError([Problem("backbone", message)])


def _unavailable(name: str, remedy: str, error: Exception) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"the pretrained weights of {name} are not on this machine and cannot be fetched ({error}); {remedy}, "
        "or set backbone.weights=random"
    )
