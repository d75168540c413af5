"""Data loading and checkpoints."""

import os
import tempfile

from .. import nets
from ..workload import Workload


def loader(torch):
    """An epoch of 4,096 samples in batches of 64, in this process."""
    data = torch.utils.data
    dataset = data.TensorDataset(torch.randn(4096, 1, 28, 28), torch.randint(0, 10, (4096,)))
    batches = data.DataLoader(dataset, batch_size=64, shuffle=True)

    def epoch():
        for _ in batches:
            pass

    return epoch


def checkpoint(load):
    """State of a network of 1.2 M weights, to or from a file in memory where there is one."""

    def make(torch):
        state = nets.mlp(torch, 784, 1024, 400, 10).state_dict()
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
        handle, path = tempfile.mkstemp(dir=folder, suffix=".pt")
        os.close(handle)
        torch.save(state, path)
        if load:
            return lambda: torch.load(path)
        return lambda: torch.save(state, path)

    return make


def workloads():
    yield Workload("inputs", "DataLoader, 64 batches of 64", loader)
    yield Workload("inputs", "save, 1.2 M weights", checkpoint(False))
    yield Workload("inputs", "load, 1.2 M weights", checkpoint(True))
