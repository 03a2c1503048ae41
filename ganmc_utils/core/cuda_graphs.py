"""A training step as one CUDA graph.

Small networks wait for Python to launch their kernels one by one; a graph is one launch.
"""

from collections.abc import Callable

import torch
from torch import nn

WARM_UP_CALLS = 3  # calls before the recording, in which libraries choose their kernels


def can_record(device: torch.device) -> bool:
    """Whether the device has graphs."""
    return device.type == "cuda"


def run_beside(f: Callable, arguments: tuple):
    """f(*arguments) on a stream beside the caller's, as a later recording asks for."""
    current = torch.cuda.current_stream()
    beside = torch.cuda.Stream()
    beside.wait_stream(current)
    with torch.cuda.stream(beside):
        output = f(*arguments)
    current.wait_stream(beside)
    return output


def record_graph(f: Callable, arguments: list, pool) -> tuple[object, Callable[[], None]]:
    """Record f(*arguments) and run it once.

    Args:
        f: the step.
        arguments: its tensors, which the recording reads at every replay.
        pool: the memory that graphs share.

    Returns:
        The output of f.
        A function that repeats f on what `arguments` then hold, into the same output.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):  # runs nothing
        output = f(*arguments)
    graph.replay()
    return output, graph.replay


def shared_pool(device: torch.device):
    """Memory for graphs that are replayed one after another, always in the order of recording."""
    return torch.cuda.graph_pool_handle() if can_record(device) else None


def recordable_adam(net: nn.Module, **settings) -> torch.optim.Adam:
    """Adam for the parameters of net, on CUDA such that its step can be recorded."""
    device = next(net.parameters()).device
    return torch.optim.Adam(net.parameters(), fused=True, capturable=can_record(device), **settings)


class RecordedStep:
    """f(*tensors), recorded: every call is one step.

    The first WARM_UP_CALLS calls run as they are, the next one is recorded, the rest replay the
    recording. What a call returns is overwritten by the next. Without CUDA it is f itself.

    Args:
        f: a function of tensors (or None), which have the same shapes at every call. It must leave
            the device alone to work: no look at a value.
        device: where the tensors are.
        pool: memory to share with other steps; None: its own.
    """

    def __init__(self, f: Callable, device: torch.device, pool=None):
        self.f = f
        self.usable = can_record(device)
        self.pool = pool
        self.calls = 0
        self.replay = None

    def __call__(self, *tensors: torch.Tensor | None):
        """One step on tensors; the output of f."""
        if not self.usable:
            return self.f(*tensors)
        self.calls += 1
        if self.calls <= WARM_UP_CALLS:
            return run_beside(self.f, tensors)
        if self.replay is None:
            self.inputs = [None if tensor is None else tensor.clone() for tensor in tensors]
            self.output, self.replay = record_graph(self.f, self.inputs, self.pool)
            return self.output
        for recorded_input, tensor in zip(self.inputs, tensors):
            if recorded_input is not None:
                recorded_input.copy_(tensor)
        self.replay()
        return self.output
