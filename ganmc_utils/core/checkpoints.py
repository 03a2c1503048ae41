"""The state of a training run in one safetensors file.

It is written whole, and read back only by the run that it belongs to.
"""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.paths import number_of, write_atomically


class OutOfTime(GanmcError):
    """The run has used its time; what it did so far is in its checkpoint."""


def out_of_time() -> bool:
    """True once $GANMC_DEADLINE (seconds since 1970; unset: never) has passed.

    Training loops then save their state and stop with OutOfTime.
    """
    deadline = number_of("GANMC_DEADLINE", float, float("inf"))
    return time.time() > deadline


def save_on_sigterm() -> None:
    """From now on SIGTERM means that the time is over; only in a run that has a deadline."""

    def end_now(*_):
        os.environ["GANMC_DEADLINE"] = "0"

    if "GANMC_DEADLINE" in os.environ:
        signal.signal(signal.SIGTERM, end_now)


def flatten(tree: dict, prefix: str = "") -> dict[str, torch.Tensor]:
    """{"a": {0: tensor}} -> {"a/0": tensor}; None (an optimizer's unused entry) is left out."""
    tensors = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            tensors |= flatten(value, f"{name}/")
        elif value is not None:
            tensors[name] = value.detach().contiguous()
    return tensors


def unflatten(tensors: dict[str, torch.Tensor], device: str | torch.device) -> dict:
    """{"a/0": tensor} -> {"a": {"0": tensor on device}}."""
    tree = {}
    for name, tensor in tensors.items():
        *branches, leaf = name.split("/")
        branch = tree
        for key in branches:
            branch = branch.setdefault(key, {})
        branch[leaf] = tensor.to(device)
    return tree


def save(path: Path, fingerprint: str, tree: dict, note: object = None) -> None:
    """Write a state to path, whole or not at all.

    Args:
        path: the file.
        fingerprint: names the run: its data and settings.
        tree: nested dict of tensors; keys without "/".
        note: anything JSON can hold.
    """
    tensors = flatten(tree)
    header = {"fingerprint": fingerprint, "note": json.dumps(note)}
    header["sha256"] = sha256_of(save_tensors(tensors, header))
    write_atomically(path, save_tensors(tensors, header))


def sha256_of(content: bytes) -> str:
    """Sha256 of all that a safetensors file says, but for the sha256 in its header."""
    body = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:body])
    header["__metadata__"].pop("sha256", None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(memoryview(content)[body:])
    return digest.hexdigest()


def load(
    path: Path, fingerprint: str, device: str | torch.device = "cpu"
) -> tuple[dict, object] | None:
    """(tree, note) as saved, the tensors on device, all keys strings.

    None if the file is absent, broken or another run's.
    """
    try:
        content = path.read_bytes()
        header_length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + header_length])["__metadata__"]
        if header["fingerprint"] != fingerprint:
            return None
        if "sha256" in header and header["sha256"] != sha256_of(content):  # older files have none
            return None
        tensors = load_tensors(content)
        note = json.loads(header["note"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return unflatten(tensors, device), note


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Put back the state part of an optimizer's state_dict; its settings stay those of the run."""
    state_of_parameters = {int(index): values for index, values in state.items()}
    settings = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state_of_parameters, "param_groups": settings})
