"""The state of a training run in one safetensors file: written whole, read back only by the run it belongs to."""

import json
import os
import time

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.paths import write_atomically


class OutOfTime(GanmcError):
    """The run has used its time; what it did so far is in its checkpoint."""


def out_of_time():
    """True once $GANMC_DEADLINE (seconds since 1970; unset: never) has passed: training loops save and stop with OutOfTime."""
    return time.time() > float(os.environ.get("GANMC_DEADLINE") or "inf")


def flatten(tree, prefix=""):
    """{"a": {0: tensor}} -> {"a/0": tensor}; None (an optimizer's unused entry) is left out."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flatten(value, f"{prefix}{key}/")
        elif value is not None:
            found[f"{prefix}{key}"] = value.detach().contiguous()
    return found


def save(path, fingerprint, tree, note=None):
    """tree: nested dict of tensors, keys without "/"; note: anything JSON can hold. The fingerprint names the run."""
    header = {"fingerprint": fingerprint, "note": json.dumps(note)}
    write_atomically(path, save_tensors(flatten(tree), header))


def load(path, fingerprint, device="cpu"):
    """(tree, note) as saved, the tensors on device, all keys strings; None if the file is absent, broken or another run's."""
    try:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        if header["fingerprint"] != fingerprint:
            return None
        tensors = load_tensors(content)
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    tree = {}
    for name, tensor in tensors.items():
        *folders, leaf = name.split("/")
        here = tree
        for folder in folders:
            here = here.setdefault(folder, {})
        here[leaf] = tensor.to(device)
    return tree, json.loads(header["note"])


def restore_optimizer(optimizer, state):
    """Put back the state part of an optimizer's state_dict; its settings stay those of the run."""
    state = {int(i): values for i, values in state.items()}
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
