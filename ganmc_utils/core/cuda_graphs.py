"""A training step as one CUDA graph. Small networks wait for Python to launch their kernels one by one; a graph is one launch."""

import torch

WARM_UP_CALLS = 3  # calls before the recording, in which libraries choose their kernels


def can_record(device):
    return device.type == "cuda"


def run_beside(f, given):
    """f(*given) beside the stream of the caller, as a later recording asks for."""
    here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
    beside.wait_stream(here)
    with torch.cuda.stream(beside):
        out = f(*given)
    here.wait_stream(beside)
    return out


def record_graph(f, given, pool):
    """(f(*given), again): again() repeats it on what `given` then hold, into the same output. pool: the graphs' memory."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):  # runs nothing
        out = f(*given)
    graph.replay()
    return out, graph.replay


def shared_pool(device):
    """Memory for graphs that are replayed one after another, always in the order of their recording."""
    return torch.cuda.graph_pool_handle() if can_record(device) else None


def recordable_adam(net, **more):
    """torch's Adam, on CUDA such that its step can be recorded."""
    return torch.optim.Adam(
        net.parameters(), fused=True, capturable=can_record(next(net.parameters()).device), **more
    )


class RecordedStep:
    """f(*tensors), which must have the same shapes at every call and leave the device alone to work: no look at a value.

    The first WARM calls run as they are, the next one is recorded, the rest replay the recording; every call is one step.
    What it returns is overwritten by the next call. Without CUDA: f itself."""

    def __init__(self, f, device, pool=None):
        self.f, self.usable, self.pool, self.calls, self.again = (
            f,
            can_record(device),
            pool,
            0,
            None,
        )

    def __call__(self, *given):
        if not self.usable:
            return self.f(*given)
        self.calls += 1
        if self.calls <= WARM_UP_CALLS:
            return run_beside(self.f, given)
        if self.again is None:
            self.given = [t if t is None else t.clone() for t in given]
            self.out, self.again = record_graph(self.f, self.given, self.pool)
            return self.out
        for mine, theirs in zip(self.given, given):
            if mine is not None:
                mine.copy_(theirs)
        self.again()
        return self.out
