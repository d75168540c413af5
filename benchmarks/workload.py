"""What a workload is: something that every framework can be asked to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial


@dataclass(frozen=True)
class Workload:
    """One thing to time. make(torch) prepares it and returns the function of no arguments that is timed,
    where torch is the framework under PyTorch's names; tensorflow(tf) does the same in TensorFlow. Who writes
    that in TensorFlow puts it into a tf.function where compiled is true, so it is timed both ways. bytes and
    flops are what a call must move and compute at least: they tell how far a time is from the machine's
    limit; reads: it writes next to nothing.
    """

    group: str
    name: str
    make: Callable = field(repr=False)
    tensorflow: Callable | None = field(default=None, repr=False)
    bytes: float = 0
    flops: float = 0
    reads: bool = False
    compiled: bool = False

    @property
    def title(self):
        return f"{self.group}: {self.name}"

    def maker(self, framework):
        """What prepares it for a framework: taper, torch, tensorflow or tensorflow_graph; None where nothing
        does."""
        if framework == "tensorflow":
            return self.tensorflow
        if framework != "tensorflow_graph":
            return self.make
        if self.tensorflow is None or not self.compiled:
            return None
        return lambda tf: tf.function(self.tensorflow(tf))


@dataclass(frozen=True)
class Normal:
    """An array of normal numbers."""

    shape: tuple

    def torch(self, torch):
        return torch.randn(*self.shape)

    def tensorflow(self, tf):
        return tf.random.normal(self.shape)


@dataclass(frozen=True)
class Uniform:
    """An array of numbers in [0.5, 1.5): what sqrt and log take."""

    shape: tuple

    def torch(self, torch):
        return torch.rand(*self.shape) + 0.5

    def tensorflow(self, tf):
        return tf.random.uniform(self.shape, 0.5, 1.5)


@dataclass(frozen=True)
class Integers:
    """An array of integers in [0, high)."""

    high: int
    shape: tuple

    def torch(self, torch):
        return torch.randint(0, self.high, self.shape)

    def tensorflow(self, tf):
        return tf.random.uniform(self.shape, 0, self.high, dtype=tf.int64)


@dataclass(frozen=True)
class Truth:
    """An array of booleans, half of them true."""

    shape: tuple

    def torch(self, torch):
        return torch.rand(*self.shape) > 0.5

    def tensorflow(self, tf):
        return tf.random.uniform(self.shape) > 0.5


def operation(group, name, inputs, torch, tensorflow=None, gradients=0, images=None, **limits):
    """A workload that calls torch(framework, *inputs), in TensorFlow tensorflow(framework, *inputs). With
    gradients it also takes those of the first so many inputs. images: the inputs in TensorFlow, where its
    layout differs."""

    def make(module):
        arrays = [array.torch(module) for array in inputs]
        if not gradients:
            return partial(torch, module, *arrays)
        wanted = [array.requires_grad_() for array in arrays[:gradients]]
        dy = module.ones_like(torch(module, *arrays).detach())
        return lambda: module.autograd.grad(torch(module, *arrays), wanted, dy)

    def make_in_tensorflow(tf):
        arrays = [array.tensorflow(tf) for array in images or inputs]
        if not gradients:
            return partial(tensorflow, tf, *arrays)
        wanted = arrays[:gradients]

        def forward_and_backward():
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                y = tensorflow(tf, *arrays)
            return tape.gradient(y, wanted)

        return forward_and_backward

    return Workload(
        group,
        f"{name}, forward + backward" if gradients else name,
        make,
        make_in_tensorflow if tensorflow else None,
        compiled=gradients > 0,
        **limits,
    )
