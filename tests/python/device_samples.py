# A program, not a test: runs every operation's samples on "cuda" and on the CPU and prints what differs. Started by
# test_host_device.py with TAPER_CUDA_LIBRARY set; a crash ends this process only.
import faulthandler
import json
import sys

import numpy as np
import samples

import taper


def name_of(entry):
    return entry["signature"].split("(")[0]


def callables(entry):
    name = name_of(entry)
    for home in entry["homes"].split():
        yield getattr(taper.Tensor, name) if home == "Tensor" else taper._C._homes[home][name]


def change(value, function):
    if isinstance(value, taper.Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(change(item, function) for item in value)
    if isinstance(value, dict):
        return {key: change(item, function) for key, item in value.items()}
    return value


def tensors(value):
    found = []
    change(value, lambda x: (found.append(x), x)[1])
    return found


def leaf(x, device):
    return x.detach().to(device).requires_grad_(x.requires_grad)


def run(entry, args, kwargs):
    """Results and gradients of the inputs, as arrays; and where they are."""
    inputs = [x for x in tensors((args, kwargs)) if x.requires_grad]
    outputs = tensors(next(callables(entry))(*args, **kwargs))
    wanted = [y for y in outputs if y.requires_grad]
    if wanted:
        total = sum((y.abs() ** 2).sum() for y in wanted)
        if total.isfinite().item():
            try:
                total.backward()
            except NotImplementedError:
                pass
    gradients = [x.grad for x in inputs if x.grad is not None]
    places = {str(x.device.type) for x in outputs + gradients if x.numel()}
    return [np.array(x.detach().cpu().numpy()) for x in outputs + gradients], places


def main():
    faulthandler.enable()
    report = {"equal": 0, "refused": {}, "differing": []}
    for entry in taper._C._registry():
        for text in samples.split(entry["samples"]):
            case = f"{name_of(entry)}({text})"
            print(case, file=sys.stderr, flush=True)
            args, kwargs = samples.arguments(text)
            if not tensors((args, kwargs)):
                continue
            here, _ = run(entry, *change((args, kwargs), lambda x: leaf(x, "cpu")))
            try:
                there, places = run(entry, *change((args, kwargs), lambda x: leaf(x, "cuda")))
            except taper.DeviceError as error:
                report["refused"][name_of(entry)] = str(error)
                continue
            except Exception as error:
                report["differing"].append(f"{case}: {type(error).__name__}: {error}")
                continue
            same = len(here) == len(there) and all(
                a.shape == b.shape
                and a.dtype == b.dtype
                and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
                for a, b in zip(here, there)
            )
            if same and places <= {"cuda"}:
                report["equal"] += 1
            else:
                report["differing"].append(f"{case}: on {places}, {'equal' if same else 'different'}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
