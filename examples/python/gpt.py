"""A small GPT learns English text, by bytes, in one process or many.

    python examples/python/gpt.py
    python -m taper.distributed.run --nproc-per-node 2 examples/python/gpt.py --parallel ddp

--parallel says how the processes share the work: ddp (each has the model and a part of the batch), fsdp (each
has a part of the parameters as well), tp (each has a part of every layer), pp (each has some of the layers,
which --schedule says in which order to compute).
The batch is the same whatever the number of processes, so the losses are the same, to rounding.

The text is that of Python's own reference manual, which comes with Python (its licence:
docs.python.org/license), or that of the files named by --text.
"""

import argparse
import math
import time
from pydoc_data.topics import topics

import taper
import taper.distributed as dist
from taper import nn
from taper.nn import functional as F


class Attention(nn.Module):
    """Causal self-attention; n_heads is of this process."""

    def __init__(self, width, n_heads):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out, self.n_heads = nn.Linear(width, width), n_heads

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, n_heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, n_heads)
        self.norm2, self.up, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Embedding(nn.Module):
    def __init__(self, width, context):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(256, width), nn.Embedding(context, width)

    def forward(self, x):
        return self.tokens(x) + self.positions(taper.arange(x.shape[1]))


def gpt(options):
    """The network as a row of layers: embedding, blocks, and what gives the next byte."""
    taper.manual_seed(options.seed)
    width = options.width
    layers = [
        Embedding(width, options.context),
        *(Block(width, options.heads) for _ in range(options.layers)),
    ]
    model = nn.Sequential(*layers, nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 256)))
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
    return model


def read_text(files):
    """Bytes of the training text, and of the last tenth of it for validation."""
    text = (
        "".join(open(file, encoding="utf-8").read() for file in files) if files else "".join(topics.values())
    )
    data = taper.frombuffer(bytearray(text.encode()), dtype=taper.uint8).long()
    cut = len(data) * 9 // 10
    return data[:cut], data[cut:]


def batch(data, step, options):
    """[batch, context] bytes and those that follow each; the same in all processes."""
    generator = taper.Generator().manual_seed(1000 + step)
    starts = taper.randint(0, len(data) - options.context - 1, (options.batch,), generator=generator)
    rows = taper.stack([data[start : start + options.context + 1] for start in starts.tolist()])
    return rows[:, :-1], rows[:, 1:]


def loss_of(output, target):
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def mine(tensor):
    """This process's part of a batch."""
    return tensor.chunk(dist.get_world_size())[dist.get_rank()]


def average(loss):
    """The mean over the processes."""
    total = loss.detach().clone()
    dist.all_reduce(total, dist.ReduceOp.AVG)
    return float(total)


class Whole:
    """Every process computes with all of the batch: one process, or divided layers."""

    def __init__(self, model):
        self.model = model

    def step(self, x, target):
        loss = loss_of(self.model(x), target)
        loss.backward()
        return float(loss)

    def parameters(self):
        return self.model.parameters()


class DataParallel(Whole):
    """Every process computes with a part of the batch: ddp and fsdp."""

    def step(self, x, target):
        loss = loss_of(self.model(mine(x)), mine(target))
        loss.backward()
        return average(loss)


class Pipeline(Whole):
    """Every process has some of the layers, one stage or two; the batch goes through them in parts."""

    def __init__(self, model, options):
        from taper.distributed.pipelining import PipelineStage
        from taper.distributed.pipelining.schedules import PipelineScheduleSingle, get_schedule_class

        rank, world = dist.get_rank(), dist.get_world_size()
        schedule = get_schedule_class(options.schedule)
        single = issubclass(schedule, PipelineScheduleSingle)
        count = world if single else 2 * world
        in_v = options.schedule in ("ZBVZeroBubble", "DualPipeV")
        own = [rank] if single else [rank, 2 * world - 1 - rank if in_v else world + rank]
        layers = list(model)
        if count > len(layers):
            raise SystemExit(f"--parallel pp: {len(layers)} layers cannot be cut into {count} stages")
        cut = [i * len(layers) // count for i in range(count + 1)]
        modules = [nn.Sequential(*layers[cut[i] : cut[i + 1]]) for i in own]
        super().__init__(nn.ModuleList(modules))
        stages = [PipelineStage(module, i, count) for module, i in zip(modules, own)]
        self.has_first, self.last_rank = 0 in own, 0 if in_v else world - 1
        self.schedule = schedule(
            stages[0] if single else stages, n_microbatches=min(2 * world, options.batch), loss_fn=loss_of
        )

    def step(self, x, target):
        losses = []
        self.schedule.step(*([x] if self.has_first else []), target=target, losses=losses)
        loss = taper.stack(losses).detach().mean() if losses else taper.zeros(())
        dist.broadcast(loss, self.last_rank)
        return float(loss)


def divide_layers(model):
    """Tensor parallel, with the activations between the divided layers cut along the sequence."""
    from taper.distributed.tensor import Replicate, Shard, init_device_mesh
    from taper.distributed.tensor.parallel import (
        ColwiseParallel,
        PrepareModuleInput,
        PrepareModuleOutput,
        RowwiseParallel,
        SequenceParallel,
        parallelize_module,
    )

    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for block in list(model)[1:-1]:
        block.attention.n_heads //= mesh.size()
    return parallelize_module(
        model,
        mesh,
        {
            "0": PrepareModuleOutput(output_layouts=Replicate(), desired_output_layouts=Shard(1)),
            "*.norm?": SequenceParallel(),
            "*.attention": PrepareModuleInput(input_layouts=Shard(1), desired_input_layouts=Replicate()),
            "*.attention.[qkv]": ColwiseParallel(),
            "*.attention.out": RowwiseParallel(output_layouts=Shard(1)),
            "*.up": ColwiseParallel(input_layouts=Shard(1)),
            "*.down": RowwiseParallel(output_layouts=Shard(1)),
            f"{len(model) - 1}.0": SequenceParallel(),
            f"{len(model) - 1}.1": ColwiseParallel(input_layouts=Shard(1), output_layouts=Replicate()),
        },
    )


def distribute(model, options):
    if options.parallel == "ddp":
        return DataParallel(nn.parallel.DistributedDataParallel(model))
    if options.parallel == "fsdp":
        from taper.distributed.fsdp import fully_shard

        for block in list(model)[1:-1]:
            fully_shard(block)
        return DataParallel(fully_shard(model))
    if options.parallel == "tp":
        return Whole(divide_layers(model))
    if options.parallel == "pp":
        return Pipeline(model, options)
    return Whole(model)


def arguments():
    parser = argparse.ArgumentParser(description="A small GPT learns English text, by bytes.")
    parser.add_argument("--parallel", choices=["none", "ddp", "fsdp", "tp", "pp"], default="none")
    schedules = "GPipe 1F1B Interleaved1F1B LoopedBFS InterleavedZeroBubble ZBVZeroBubble DualPipeV".split()
    parser.add_argument("--schedule", choices=schedules, default="1F1B", help="of pp: who computes what when")
    parser.add_argument("--text", nargs="*", default=[], help="files to learn from")
    sizes = {"steps": 300, "batch": 16, "context": 64, "width": 128, "layers": 4, "heads": 4}
    for name, value in {**sizes, "seed": 1, "every": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--lr", type=float, default=1e-3)
    return parser.parse_args()


def main():
    options = arguments()
    if options.parallel != "none":
        dist.init_process_group("gloo")
    leads = options.parallel == "none" or dist.get_rank() == 0
    training, _ = read_text(options.text)
    trainer = distribute(gpt(options), options)
    optimizer = taper.optim.AdamW(trainer.parameters(), lr=options.lr)
    begin, losses = time.perf_counter(), []
    for step in range(options.steps):
        optimizer.zero_grad()
        losses.append(trainer.step(*batch(training, step, options)))
        optimizer.step()
        if leads and ((step + 1) % options.every == 0 or step + 1 == options.steps):
            recent = sum(losses[-options.every :]) / len(losses[-options.every :])
            speed = options.batch * options.context * (step + 1) / (time.perf_counter() - begin)
            print(f"step {step + 1}: loss {recent:.4f} nats, {recent / math.log(2):.2f} bits a byte, "
                  f"{speed:,.0f} bytes/s", flush=True)  # fmt: skip
    if options.parallel != "none":
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
