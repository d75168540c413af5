"""Data loading and checkpoints."""

import os
import shutil
import tempfile
import weakref

from .. import nets
from ..workload import Workload


def batches(torch, samples=4096, size=64):
    """An epoch of samples in batches, shuffled, in this process."""
    data = torch.utils.data
    dataset = data.TensorDataset(torch.randn(samples, 1, 28, 28), torch.randint(0, 10, (samples,)))
    loader = data.DataLoader(dataset, batch_size=size, shuffle=True)

    def epoch():
        for _ in loader:
            pass

    return epoch


def batches_in_tensorflow(tf, samples=4096, size=64):
    pixels, labels = tf.random.normal((samples, 28, 28, 1)), tf.zeros((samples,), tf.int64)
    dataset = tf.data.Dataset.from_tensor_slices((pixels, labels)).shuffle(samples).batch(size)

    def epoch():
        for _ in dataset:
            pass

    return epoch


def temporary_path(owner):
    """A path that lasts as long as the owner, in memory where the system has a folder there."""
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return os.path.join(folder, "checkpoint.pt")


class Checkpoint:
    """The state of an MLP that is written to a file or read from it."""

    def __init__(self, torch, sizes):
        self.torch, self.path = torch, temporary_path(self)
        self.state = nets.mlp(torch, *sizes).state_dict()
        self.save()

    def save(self):
        self.torch.save(self.state, self.path)

    def load(self):
        return self.torch.load(self.path)


class CheckpointInTensorFlow:
    def __init__(self, tf, sizes):
        self.path = temporary_path(self)
        self.checkpoint = tf.train.Checkpoint(model=nets.mlp_in_tensorflow(tf, *sizes))
        self.save()

    def save(self):
        self.checkpoint.write(self.path)

    def load(self):
        return self.checkpoint.read(self.path)


def workloads():
    yield Workload("inputs", "DataLoader, 64 batches of 64", batches, batches_in_tensorflow)
    for label, sizes in {"642 weights": (16, 32, 2), "1.2 M weights": (784, 1024, 400, 10)}.items():
        for way in ("save", "load"):
            yield Workload(
                "inputs",
                f"{way}, {label}",
                lambda torch, sizes=sizes, way=way: getattr(Checkpoint(torch, sizes), way),
                lambda tf, sizes=sizes, way=way: getattr(CheckpointInTensorFlow(tf, sizes), way),
            )
