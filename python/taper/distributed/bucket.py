"""GradBucket: what a communication hook of DistributedDataParallel is given; and hooks by name."""

import enum


class GradBucket:
    """Gradients of some parameters, one after another in one tensor, not averaged yet."""

    def __init__(self, index, is_last, buffer, parameters, gradients):
        self._index, self._is_last, self._buffer = index, is_last, buffer
        self._parameters, self._gradients = parameters, gradients

    def index(self):
        """Buckets are reduced in this order."""
        return self._index

    def is_last(self):
        """Whether it is the last one of this backward pass."""
        return self._is_last

    def buffer(self):
        """All gradients as one tensor of one dimension."""
        return self._buffer

    def set_buffer(self, buffer):
        """Replaces the tensor that buffer() gives."""
        self._buffer = buffer

    def parameters(self):
        """The parameters."""
        return self._parameters

    def gradients(self):
        """Their gradients, views of the first buffer."""
        return self._gradients

    def _with_buffer(self, buffer):
        return GradBucket(self._index, self._is_last, buffer, self._parameters, self._gradients)


class BuiltinCommHookType(enum.Enum):
    """Hooks that DistributedDataParallel._register_builtin_comm_hook knows."""

    ALLREDUCE = 1
    FP16_COMPRESS = 2
