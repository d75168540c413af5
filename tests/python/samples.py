# Makers of the arguments that the registry's sample strings name, and the evaluation of those strings.
import zlib

import numpy as np

import taper


def spread(rng, count, lo, hi):
    """Values in (lo, hi) apart from each other, and from multiples of a quarter where there is room."""
    values = lo + (hi - lo) * (np.arange(count) + rng.uniform(0.3, 0.7, count)) / max(count, 1)
    nearest = np.round(values * 4) / 4
    gap = values - nearest
    room = 0.025 if hi - lo > 0.5 else 0.0
    values = np.where(
        np.abs(gap) < room, nearest + np.where(gap < 0, -1, 1) * (room + np.abs(gap) / 2), values
    )
    return rng.permutation(values)


class Makers:
    """x, c, i, b, z, special, halves, permutations and constant, from one seeded stream."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def x(self, *shape, lo=-2, hi=2):
        return taper.tensor(spread(self.rng, int(np.prod(shape)), lo, hi).reshape(shape)).requires_grad_()

    def c(self, *shape, lo=-2, hi=2):
        parts = [spread(self.rng, int(np.prod(shape)), lo, hi).reshape(shape) for _ in range(2)]
        return taper.tensor(parts[0] + 1j * parts[1]).requires_grad_()

    def i(self, *shape, lo=0, hi=5, unique=False):
        if unique:
            return taper.tensor(lo + self.rng.permutation(hi - lo)[: int(np.prod(shape))].reshape(shape))
        return taper.tensor(np.asarray(self.rng.integers(lo, hi, shape), dtype=np.int64))

    def b(self, *shape):
        return taper.tensor(np.asarray(self.rng.integers(0, 2, shape), dtype=bool))

    def z(self, *shape):
        values = spread(self.rng, int(np.prod(shape)), -2, 2)
        values[::2] = 0
        return taper.tensor(values.reshape(shape)).requires_grad_()

    def special(self):
        return taper.tensor(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0]))

    def halves(self):
        return taper.tensor(np.arange(-2.5, 2.75, 0.5))

    def permutations(self, rows, n):
        return taper.tensor(np.stack([self.rng.permutation(n) for _ in range(rows)]))

    def constant(self, *shape):
        return taper.tensor(spread(self.rng, int(np.prod(shape)), -2, 2).reshape(shape))


NAMES = ["x", "c", "i", "b", "z", "special", "halves", "permutations", "constant"]


def split(text):
    """The argument lists of a sample string."""
    return [part.strip() for part in text.split(";") if part.strip()]


def arguments(text):
    """(positional, keyword) arguments of one sample, the same at each call."""
    makers = Makers(zlib.crc32(text.encode()))
    names = {name: getattr(makers, name) for name in NAMES}
    return eval(f"collect({text})", {"collect": lambda *a, **k: (a, k), "np": np, "taper": taper, **names})
