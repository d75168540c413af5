"""SparseAdam, which there is no use for: gradients are dense."""

from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Throws NotImplementedError: it updates where a sparse gradient has elements, and none is sparse."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        raise NotImplementedError(
            "SparseAdam: all gradients are dense, also those of Embedding(sparse=True); use Adam"
        )
