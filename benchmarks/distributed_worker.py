"""One rank of a distributed measurement: python -m benchmarks.distributed_worker FRAMEWORK TASK. Rank 0 prints
JSON."""

import importlib
import json
import sys
import time

from . import nets

SIZES = [1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20]  # bytes of an all_reduce
LONG = 256 << 20
LEAST = 0.4  # seconds that a task measures


def best(call, dist, least=LEAST, fewest=3):
    """Seconds of the quickest call; ranks begin together and make equally many."""
    times, begin = [], time.perf_counter()
    while True:
        dist.barrier()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        done = [len(times) >= fewest and time.perf_counter() - begin > least]
        dist.broadcast_object_list(done, 0)
        if done[0]:
            return min(times[1:] or times)


def all_reduce(torch, dist, sizes=SIZES):
    """Seconds by size."""
    found = {}
    for size in sizes:
        x = torch.zeros(size // 4)

        def batch():
            for _ in range(calls):
                dist.all_reduce(x)

        calls = max(1, min(50, (1 << 20) // size))
        found[size] = best(batch, dist) / calls
    return found


def network(torch, name):
    """(module, inputs, target) of 128 samples, or of 8 x 128 bytes for the GPT."""
    if name == "gpt":
        index = torch.randint(0, 256, (8, 129))
        return nets.gpt(torch), index[:, :-1], index[:, 1:].reshape(-1)
    if name == "lenet":
        return nets.lenet(torch), torch.randn(128, 1, 28, 28), torch.randint(0, 10, (128,))
    return nets.mlp(torch, 784, 512, 512, 10), torch.randn(128, 784), torch.randint(0, 10, (128,))


def trainer(torch, model, inputs, target):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()

    return step


def data_parallel(torch, dist, name):
    """Seconds of a step with DistributedDataParallel, of the same without reduction, and of reduction alone."""
    torch.manual_seed(1)
    module, inputs, target = network(torch, name)
    wrapped = torch.nn.parallel.DistributedDataParallel(module, gradient_as_bucket_view=True)
    step = trainer(torch, wrapped, inputs, target)
    for _ in range(3):
        step()
    whole = best(step, dist)

    def alone():
        with wrapped.no_sync():
            step()

    gradients = torch.zeros(sum(p.numel() for p in module.parameters()))
    return {
        "step": whole,
        "compute": best(alone, dist),
        "reduce": best(lambda: dist.all_reduce(gradients), dist),
        "bytes": gradients.numel() * 4,
    }


def main():
    framework, task, *rest = sys.argv[1:]
    torch = importlib.import_module(framework)
    dist = importlib.import_module(framework + ".distributed")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    if task == "all_reduce":
        result = all_reduce(torch, dist, SIZES + ([LONG] if "long" in rest else []))
    elif task == "data_parallel":
        result = {name: data_parallel(torch, dist, name) for name in rest}
    else:
        from .divided import measure

        result = measure(task)
    if dist.get_rank() == 0:
        print(json.dumps(result), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
