"""Where to compute: devices by name, and which of them this machine has."""

import torch

from framework.errors import InvalidInput, Problem


def kinds_here() -> list[str]:
    """The kinds of devices that this machine has, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [kind for kind, is_there in there.items() if is_there]


def device_here(device: torch.device | str, name: str = "device") -> torch.device:
    """The torch device that is meant.

    Raises:
        InvalidInput: there is no such device, or this machine lacks it; `name` is the key.
    """
    here = ", ".join(kinds_here())
    if not isinstance(device, torch.device | str):
        message = f"is {device!r}; allowed: the name of a device, or a torch.device; here: {here}"
        raise InvalidInput([Problem(name, message)])
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise InvalidInput([Problem(name, f"is {device!r}, which is no device; here: {here}")]) from error
    if not _is_here(wanted):
        raise InvalidInput([Problem(name, f"is {str(device)!r}, which this machine lacks; here: {here}")])
    return wanted


def _is_here(device: torch.device) -> bool:
    if device.type == "cuda":  # asked without starting it: a process that has may not fork
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    try:
        made = torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        return False
    return not (made.is_meta and type(made) is torch.Tensor)  # which has no numbers
