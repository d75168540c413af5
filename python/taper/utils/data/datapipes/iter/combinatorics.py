"""Pipes that change the order of samples."""

import random

from ...sampler import draw_seed
from ..datapipe import IterDataPipe, functional_datapipe


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(IterDataPipe):
    """Samples in random order: each drawn from a buffer of the next buffer_size ones. unbatch_level is
    PyTorch's for pipes of batches; here only 0 is taken."""

    def __init__(self, datapipe, *, buffer_size=10000, unbatch_level=0):
        if buffer_size <= 0:
            raise ValueError("buffer_size should be larger than 0")
        if unbatch_level:
            raise ValueError(f"Shuffler: unbatch_level must be 0, got {unbatch_level}")
        self.datapipe, self.buffer_size = datapipe, buffer_size
        self._enabled, self._seed = True, None

    def set_shuffle(self, shuffle=True):
        self._enabled = shuffle
        return super().set_shuffle(shuffle)

    def set_seed(self, seed):
        """The seed of the next epoch; others are drawn from the default generator."""
        self._seed = seed
        return self

    def __iter__(self):
        if not self._enabled:
            yield from self.datapipe
            return
        draw = random.Random(draw_seed(None) if self._seed is None else self._seed)
        self._seed = None
        buffer = []
        for sample in self.datapipe:
            if len(buffer) < self.buffer_size:
                buffer.append(sample)
                continue
            place = draw.randint(0, len(buffer) - 1)
            sample, buffer[place] = buffer[place], sample
            yield sample
        while buffer:
            yield buffer.pop(draw.randint(0, len(buffer) - 1))

    def __len__(self):
        return len(self.datapipe)
