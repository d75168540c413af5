"""Every operation with arguments that no one should pass: a result or an error, never the end of the process.

Each block of operations is called in a child with bounded memory and time, which says what it calls next.
"""

import os
import random
import re
import resource
import signal
import warnings

import numpy as np
import pytest
import samples

import taper

ENTRIES = taper._C._registry()
BLOCK, CALLS = 28, 6

WHOLE = [
    0,
    1,
    2,
    3,
    -1,
    -2,
    -4,
    7,
    100,
    2**24 + 1,
    2**31 - 1,
    -(2**31),
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
]
REAL = [0.0, -0.0, 0.5, -1.0, 3.0, np.nan, np.inf, -np.inf, 1e308, 1e-320, 2.0**63]
SHAPES = [
    (),
    (0,),
    (1,),
    (3,),
    (5,),
    (0, 3),
    (3, 0),
    (2, 3),
    (3, 3),
    (4, 1),
    (2, 3, 4),
    (1, 0, 2),
    (1, 2, 5, 5),
]
SHAPES += [(2, 3, 8, 8), (1, 2, 4, 4, 4), (33, 65), (1,) * 9]
TYPES = "bool uint8 int8 int16 int32 int64 uint32 uint64 float16 bfloat16 float32 float64".split()
TYPES += ["complex64", "complex128"]
TEXTS = [
    "mean",
    "sum",
    "none",
    "reflect",
    "constant",
    "nearest",
    "trunc",
    "amax",
    "prod",
    "",
    "\0",
    "no such mode",
]
STRANGE = [
    None,
    "x",
    [],
    {},
    object(),
    True,
    2**70,
    b"x",
    [None],
    [[1, 2], [3]],
    taper.float32,
    np.zeros(3),
    1j,
]
REFUSALS = (taper.Error, TypeError, ValueError, IndexError, MemoryError, OverflowError, RuntimeError)
# What a message must not show: that it comes from deep inside the standard library.
FOREIGN = re.compile(r"std::|basic_string|vector::|bad_alloc|bad_variant|null is not valid")


def tensor(choose):
    shape, dtype = choose.choice(SHAPES), getattr(taper, choose.choice(TYPES))
    rng = np.random.default_rng(choose.randrange(2**32))
    values = rng.standard_normal(shape) if dtype.is_floating_point else rng.integers(-3, 6, shape)
    values = np.array(values)
    if values.size and choose.random() < 0.3:
        extremes = REAL if dtype.is_floating_point else [2**31, -(2**63), 2**63 - 1, 10**9, -1]
        values.reshape(-1)[rng.integers(values.size)] = choose.choice(extremes)
    x = taper.tensor(values).to(dtype)
    layout = choose.randrange(8)
    if layout == 0 and x.ndim:
        x = x.transpose(0, -1)
    elif layout == 1 and x.ndim:
        x = x[..., ::2]
    elif layout == 2:
        x = x.expand((2, *x.shape))
    elif layout == 3 and x.numel():
        x = taper.as_strided(x, x.shape, (0,) * x.ndim)
    return x.requires_grad_() if dtype.is_floating_point and choose.random() < 0.3 else x


def argument(choose, kind):
    kind = kind.rstrip("?")
    if choose.random() < 0.08:
        return choose.choice(STRANGE)
    if kind == "Tensor" or (kind == "Tensor|Scalar" and choose.random() < 0.5):
        return tensor(choose)
    simple = {
        "Scalar": WHOLE + REAL,
        "Tensor|Scalar": WHOLE + REAL,
        "int": WHOLE,
        "float": REAL,
        "str": TEXTS,
    }
    simple |= {
        "bool": [True, False],
        "dtype": [getattr(taper, name) for name in TYPES],
        "device": ["cpu", "gpu", -1],
    }
    if kind in simple:
        return choose.choice(simple[kind])
    length = choose.randrange(5)
    if kind.startswith("int"):
        return [choose.choice(WHOLE if choose.random() < 0.3 else [0, 1, 2, 3, -1]) for _ in range(length)]
    if kind.startswith("float"):
        return [choose.choice(REAL) for _ in range(length)]
    if kind.startswith("Tensor"):
        return [tensor(choose) for _ in range(length)]
    return None


def parameters(signature):
    """(name, type, whether it may be left out, whether by keyword only) of each."""
    by_keyword = False
    for part in re.split(r",(?![^\[]*\])", signature.split("(", 1)[1].rsplit(") -> ", 1)[0]):
        if part.strip() == "*":
            by_keyword = True
        elif part.strip():
            kind, rest = part.strip().split(" ", 1)
            yield rest.split("=")[0], kind, "=" in rest, by_keyword


def arguments(choose, entry):
    """A sample of the operation with one or two arguments replaced, or all of them at random."""
    known, texts = list(parameters(entry["signature"])), samples.split(entry["samples"])
    if texts and choose.random() < 0.6:
        args, kwargs = samples.arguments(choose.choice(texts))
        args, kwargs = list(args), dict(kwargs)
        for _ in range(choose.randint(1, 2)):
            name, kind, _, by_keyword = choose.choice(known)
            place = [k[0] for k in known].index(name)
            if place < len(args):
                args[place] = argument(choose, kind)
            elif by_keyword or place == len(args):
                kwargs[name] = argument(choose, kind)
        return args, kwargs
    args, kwargs = [], {}
    for name, kind, optional, by_keyword in known:
        if optional and choose.random() < 0.6:
            continue
        if by_keyword or len(args) < [k[0] for k in known].index(name):
            kwargs[name] = argument(choose, kind)
        else:
            args.append(argument(choose, kind))
    return args, kwargs


def tensors(value):
    if isinstance(value, taper.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def picture(values):
    return [(x.shape, x.stride(), x.detach().to(taper.complex128).numpy().tobytes()) for x in values]


def use(result):
    """Reads results, and goes back through those that have a gradient."""
    results = list(tensors(result))
    for x in results[:2]:
        if x.numel() < 2_000:
            repr(x)
    wanted = [x.abs().sum().to(taper.float64) for x in results if x.requires_grad and x.numel() < 100_000]
    if wanted:
        sum(wanted).backward()


def call(entry, seed):
    """What is wrong with one call, or None."""
    choose = random.Random(seed)
    name, home = entry["signature"].split("(")[0], choose.choice(entry["homes"].split())
    function = getattr(taper.Tensor, name) if home == "Tensor" else taper._C._homes[home][name]
    args, kwargs = arguments(choose, entry)
    if choose.random() < 0.05:
        kwargs["out"] = tensor(choose)
    operands = list(tensors([args, kwargs]))
    writes = name.endswith("_") or "out" in kwargs or kwargs.get("inplace") or any(a is True for a in args)
    writes = writes or kwargs.get("max_norm") is not None or name.startswith("embedding")
    before = None if writes else picture(operands)
    try:
        use(function(*args, **kwargs))
    except REFUSALS as error:
        text = str(error)
        if not isinstance(error, MemoryError) and (not text or FOREIGN.search(text)):
            return f"the message is {text!r}"
    if before is not None and picture(operands) != before:
        return "an argument was changed"
    return None


def call_all(first, report):
    """In a child: calls the operations of one block, telling each before."""
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # whose shadow is larger
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    warnings.simplefilter("ignore")
    for number in range(first, min(first + BLOCK, len(ENTRIES))):
        for k in range(CALLS):
            signal.alarm(120)  # ends the child if the call hangs
            text = f"{number} {ENTRIES[number]['signature'].split('(')[0]}, seed {number * 1000 + k}"
            os.write(report, f"> {text}\n".encode())
            wrong = call(ENTRIES[number], number * 1000 + k)
            if wrong:
                os.write(report, f"! {text}: {wrong}\n".encode())


@pytest.mark.parametrize("first", range(0, len(ENTRIES), BLOCK))
def test_any_arguments(first, tmp_path):
    report = os.open(tmp_path / "report", os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            call_all(first, report)
            code = 0
        except BaseException as error:
            os.write(report, f"! {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    lines = (tmp_path / "report").read_text().splitlines()
    os.close(report)
    assert not [line for line in lines if line.startswith("!")]
    assert status == 0, f"ended by {status} in call {lines[-1]}"
