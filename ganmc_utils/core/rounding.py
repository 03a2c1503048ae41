"""Network weights rounded to float16, in which trained networks are kept.

Rounding decides values: a network is used with its rounded weights whether it was trained a
moment ago or read from its file, so that both give the same numbers.
"""

import torch

StateDict = dict[str, torch.Tensor]


def to_float16(state: StateDict) -> StateDict:
    """A copy of a state_dict with its float32 tensors as float16, all others as they are."""
    rounded = {}
    for name, tensor in state.items():
        tensor = tensor.detach()
        rounded[name] = tensor.half() if tensor.dtype == torch.float32 else tensor.clone()
    return rounded


def to_float32(state: StateDict) -> StateDict:
    """A state_dict of to_float16 with its float16 tensors as float32 again."""
    restored = {}
    for name, tensor in state.items():
        restored[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
    return restored
