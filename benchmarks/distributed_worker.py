"""One rank of a distributed measurement: python -m benchmarks.distributed_worker FRAMEWORK. Each line on
standard input is a task, as JSON, the same for all ranks; rank 0 answers each with the seconds of a call."""

import importlib
import json
import os
import sys
import time

from . import nets


def quickest(call, dist, batch, repeats):
    """Seconds of a call: the quickest of so many batches, which the ranks begin together."""
    times = []
    for _ in range(repeats):
        dist.barrier()
        start = time.perf_counter()
        for _ in range(batch):
            call()
        times.append((time.perf_counter() - start) / batch)
    return min(times)


def network(torch, name):
    """(module, inputs, target) of 128 samples, or of 8 x 128 bytes for the GPT."""
    if name == "gpt":
        index = torch.randint(0, 256, (8, 129))
        return nets.gpt(torch), index[:, :-1], index[:, 1:].reshape(-1)
    if name == "lenet":
        return nets.lenet(torch), torch.randn(128, 1, 28, 28), torch.randint(0, 10, (128,))
    return nets.mlp(torch, 784, 512, 512, 10), torch.randn(128, 784), torch.randint(0, 10, (128,))


def trainer(torch, model, inputs, target):
    """A function that does one step of training."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()

    return step


class Tasks:
    """What a rank can be asked to call, made when it is first asked for."""

    def __init__(self, torch, dist):
        self.torch, self.dist, self.calls = torch, dist, {}

    def call(self, kind, *arguments):
        """The function of a task."""
        key = (kind, *arguments)
        if key not in self.calls:
            self.calls.update(getattr(self, "make_" + kind)(*arguments))
        return self.calls[key]

    def make_all_reduce(self, size):
        """An all_reduce of so many bytes. Only one tensor is kept."""
        for key in [key for key in self.calls if key[0] == "all_reduce"]:
            del self.calls[key]
        x = self.torch.zeros(size // 4)
        return {("all_reduce", size): lambda: self.dist.all_reduce(x)}

    def make_step(self, name):
        """Of a network: a step with DistributedDataParallel, the same without reduction, the reduction
        alone."""
        self.torch.manual_seed(1)
        module, inputs, target = network(self.torch, name)
        wrapped = self.torch.nn.parallel.DistributedDataParallel(module, gradient_as_bucket_view=True)
        step = trainer(self.torch, wrapped, inputs, target)

        def alone():
            with wrapped.no_sync():
                step()

        for _ in range(3):
            step()
        gradients = self.torch.zeros(sum(p.numel() for p in module.parameters()))
        return {
            ("step", name): step,
            ("compute", name): alone,
            ("reduce", name): lambda: self.dist.all_reduce(gradients),
        }

    make_compute = make_reduce = make_step

    def make_divided(self, way):
        """A step of the GPT of examples/python/gpt.py, divided in one of its ways."""
        from .divided import trained

        return {("divided", way): trained(way)}


def main():
    framework = sys.argv[1]
    torch = importlib.import_module(framework)
    dist = importlib.import_module(framework + ".distributed")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    tasks, first = Tasks(torch, dist), os.environ["RANK"] == "0"
    for line in sys.stdin:
        task = json.loads(line)
        call = tasks.call(*task["task"])
        seconds = quickest(call, dist, task["batch"], task["repeats"])
        if first:
            print(json.dumps({"seconds": seconds}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
