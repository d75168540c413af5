"""A model on paper of training a GPT on many accelerators: python -m benchmarks.scaling [--check].

It predicts the time of a step and the efficiency from bandwidths, latencies and the model's size;
docs/scaling.md says how. --check compares it with steps of a small GPT in 2 processes of this machine.
"""

import argparse
import math
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Net:
    """latency: seconds of a message; bandwidth: bytes per second of one rank in each direction."""

    latency: float
    bandwidth: float

    def send(self, size):
        """Seconds to send so many bytes."""
        return self.latency + size / self.bandwidth

    def gather(self, size, ranks):
        """All-gather or reduce-scatter of size bytes in all: each rank sends and receives all parts but its
        own, in a ring or by doubling (Thakur, Rabenseifner and Gropp 2005)."""
        return math.ceil(math.log2(ranks)) * self.latency + (ranks - 1) / ranks * size / self.bandwidth

    def reduce(self, size, ranks):
        """All-reduce: a reduce-scatter, then an all-gather."""
        return 2 * self.gather(size, ranks)


@dataclass(frozen=True)
class Machine:
    """flops: floating point operations per second that a matrix product reaches on one accelerator."""

    flops: float
    inside: Net
    outside: Net
    per_node: int
    memory: float

    def between(self, ranks, stride=1):
        """The network of a group whose neighbours are stride accelerators apart."""
        return self.inside if ranks * stride <= self.per_node else self.outside


@dataclass(frozen=True)
class Gpt:
    """Sizes of a decoder of pre-norm blocks."""

    layers: int
    width: int
    context: int
    vocabulary: int = 50257

    @property
    def parameters(self):
        return 12 * self.layers * self.width**2 + (self.vocabulary + self.context) * self.width

    @property
    def flops(self):
        """Of forward and backward, of a sequence: two for each parameter and token in forward, and the
        products with half of the context in attention; backward is twice forward."""
        per_token = 6 * self.parameters + 6 * self.layers * self.width * self.context
        return per_token * self.context


@dataclass(frozen=True)
class Layout:
    """data x tensor x pipeline ranks; each data parallel replica computes parts batches of batch sequences in
    a step. sharded: parameters are divided among the data parallel ranks (FSDP), not only tensors.
    recomputes: backward computes the activations of each block again."""

    data: int
    tensor: int = 1
    pipeline: int = 1
    batch: int = 1
    parts: int = 1
    sharded: bool = False
    recomputes: bool = False


ELEMENT = 2  # bytes of bfloat16


def predict(model, machine, layout):
    """(seconds of a step, share of it that is computation of the model alone, bytes of memory needed)."""
    cut = layout.tensor * layout.pipeline
    useful = layout.batch * model.flops / cut / machine.flops
    compute = useful * (4 / 3 if layout.recomputes else 1)
    activation = layout.batch * model.context * model.width * ELEMENT
    # Two all-reduces in forward and two in backward of each block; nothing to hide them behind.
    inside = machine.between(layout.tensor)
    tensor = (
        4 * model.layers / layout.pipeline * inside.reduce(activation, layout.tensor)
        if layout.tensor > 1
        else 0
    )
    between = machine.between(layout.pipeline, layout.tensor)
    pipeline = 2 * between.send(activation / layout.tensor) if layout.pipeline > 1 else 0
    part = compute + tensor + pipeline
    step = (layout.parts + layout.pipeline - 1) * part + exposed(model, machine, layout, compute)
    return step, layout.parts * useful / step, memory(model, layout)


def exposed(model, machine, layout, compute):
    """Seconds of data parallel communication that computation does not hide."""
    if layout.data == 1:
        return 0
    size = model.parameters * ELEMENT / layout.tensor / layout.pipeline
    net = machine.between(layout.data, layout.tensor * layout.pipeline)
    layer = size * layout.pipeline / model.layers
    if not layout.sharded:
        whole = net.reduce(size, layout.data)
        return max(whole - compute * 2 / 3, net.reduce(layer, layout.data))
    messages = max(1, model.layers // layout.pipeline)
    gather = messages * net.gather(size / messages, layout.data)
    forward = max(gather - compute / 3, net.gather(layer, layout.data))
    backward = max(2 * gather - compute * 2 / 3, net.gather(layer, layout.data))
    return layout.parts * (forward + backward)


def memory(model, layout):
    """Bytes. Parameters and gradients in 2 each, 12 for Adam's state and the parameters in float32;
    activations after Korthikanti et al. 2022, eq. 4, without what attention recomputes."""
    states = 16 * model.parameters / layout.tensor / layout.pipeline
    if layout.sharded:
        states = states / layout.data + 2 * ELEMENT * model.parameters / model.layers
    in_flight = min(layout.parts, layout.pipeline)
    positions = layout.batch * model.context * model.width / layout.tensor
    blocks = model.layers / layout.pipeline
    return states + in_flight * positions * ((2 * blocks + 34) if layout.recomputes else 34 * blocks)


XL = Gpt(48, 1600, 1024)  # Radford et al. 2019
GPT3 = Gpt(96, 12288, 2048)  # Brown et al. 2020
# NVIDIA H100 SXM, 8 in a node: 989 TFLOP/s dense in bfloat16, of which a large product reaches 60 %; NVLink
# 450 GB/s and 400 Gbit/s of network for each, 80 % of which a collective reaches. Data sheets, and
# assumptions.
CLUSTER = Machine(0.6 * 989e12, Net(3e-6, 360e9), Net(10e-6, 40e9), 8, 80e9)


def layouts():
    """(model's name, model, way, layout by number of accelerators)."""
    sizes = [8 * 2**i for i in range(12)]
    yield "GPT-2 XL", XL, "DDP", {n: Layout(n, batch=16) for n in sizes}
    yield "GPT-2 XL", XL, "FSDP", {n: Layout(n, batch=16, sharded=True) for n in sizes}
    yield "GPT-3 175B", GPT3, "FSDP", {n: Layout(n, batch=4, sharded=True, recomputes=True) for n in sizes}
    yield (
        "GPT-3 175B",
        GPT3,
        "FSDP x TP 8",
        {n: Layout(n // 8, 8, batch=8, sharded=True, recomputes=True) for n in sizes},
    )
    pipelines = {n: Layout(n // 64, 8, 8, batch=1, parts=64) for n in sizes if n >= 64}
    yield "GPT-3 175B", GPT3, "DDP x TP 8 x PP 8", pipelines


def table():
    print("| model | way | GPUs | step, s | efficiency | memory, GB | sequences/s |\n" + "|---" * 7 + "|")
    for name, model, way, by_size in layouts():
        for count, layout in by_size.items():
            step, share, needed = predict(model, CLUSTER, layout)
            fits = "" if needed <= CLUSTER.memory else " (does not fit)"
            rate = layout.data * layout.batch * layout.parts / step
            print(
                f"| {name} | {way} | {count:,} | {step:.3f} | {100 * share:.0f} % | "
                f"{needed / 1e9:.0f}{fits} | {rate:,.0f} |"
            )


def fitted(times):
    """latency and bandwidth of a network from all-reduces of two ranks by size."""
    points = sorted((int(size), seconds) for size, seconds in times.items())
    (_, small), (large, long) = points[0], points[-1]
    return Net(small / 2, large / max(long - small, 1e-9))


def check(rounds):
    """Steps of a small GPT in 2 processes, each of one thread, beside what the model says."""
    from .distributed import Job, Loopback
    from .divided import SIZES, parameters

    options = dict(zip(SIZES[::2], map(int, SIZES[1::2])))
    layers, width = options["--layers"], options["--width"]
    found, sizes = {}, (1 << 10, 256 << 10, 4 << 20)
    with (
        Job(Loopback(), sys.executable, "taper", 1) as alone,
        Job(Loopback(), sys.executable, "taper") as pair,
    ):
        for _ in range(rounds):
            for way in ("whole", "half", "ddp", "fsdp", "tp", "pp"):
                job = alone if way in ("whole", "half") else pair
                seconds = job.seconds("divided", way, repeats=3)
                found[way] = min(seconds, found.get(way, seconds))
            for size in sizes:
                seconds = pair.seconds("all_reduce", size, batch=5, repeats=5)
                found[size] = min(seconds, found.get(size, seconds))
    net = fitted({size: found[size] for size in sizes})
    size, half, whole = 4 * parameters(), found["half"], found["whole"]
    activation = 4 * options["--batch"] * options["--context"] * width
    parts = 4
    predicted = {
        "ddp": half + net.reduce(size, 2),
        "fsdp": half + 3 * net.gather(size, 2),
        # In a block seven gathers or scatters, and three all-reduces of the gradients of q, k and v.
        "tp": whole / 2 + layers * (7 * net.gather(activation, 2) + 3 * net.reduce(activation, 2)),
        "pp": (parts + 1) / parts * whole / 2 + 2 * net.send(activation / parts),
    }
    print(f"latency {1e6 * net.latency:.0f} us, bandwidth {net.bandwidth / 1e9:.2f} GB/s; one process: "
          f"{1e3 * whole:.1f} ms a step, {1e3 * half:.1f} ms with half of the batch")  # fmt: skip
    for way, seconds in predicted.items():
        measured = found[way]
        print(
            f"{way:5} measured {1e3 * measured:7.1f} ms, predicted {1e3 * seconds:7.1f} ms, "
            f"{seconds / measured:.2f}x"
        )


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with 2 processes of this machine")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    check(options.rounds) if options.check else table()


if __name__ == "__main__":
    main()
