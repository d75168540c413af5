"""PowerSGD: gradients travel as products of thin matrices (Vogels, Karimireddy and Jaggi 2019,
arXiv:1905.13727)."""

import math

import taper
from taper.distributed.collectives import ReduceOp
from taper.distributed.job import _resolve

from .default_hooks import allreduce_hook


class PowerSGDState:
    """What the hooks below remember from step to step.

    matrix_approximation_rank   columns of the thin matrices: more travel, less is lost
    start_powerSGD_iter         steps that are averaged whole before; 2 or more where errors or matrices
                                are kept
    min_compression_rate        a gradient of n x m goes as it is unless it shrinks by more than this
    use_error_feedback          what was lost in one step is added in the next
    warm_start                  a step begins with the matrices of the one before
    orthogonalization_epsilon   is added to the length of a column before the division by it
    random_seed                 of the first matrices: the same on all ranks
    """

    def __init__(
        self,
        process_group,
        matrix_approximation_rank=1,
        start_powerSGD_iter=1_000,
        min_compression_rate=2,
        use_error_feedback=True,
        warm_start=True,
        orthogonalization_epsilon=0,
        random_seed=0,
        compression_stats_logging_frequency=10_000,
        batch_tensors_with_same_shape=False,
    ):
        if (use_error_feedback or warm_start) and start_powerSGD_iter <= 1:
            raise ValueError(
                "PowerSGDState: start_powerSGD_iter must be above 1 with use_error_feedback or warm_start: "
                "DistributedDataParallel lays its buckets anew after the first step"
            )
        self.process_group = process_group
        self.matrix_approximation_rank = matrix_approximation_rank
        self.start_powerSGD_iter, self.min_compression_rate = start_powerSGD_iter, min_compression_rate
        self.use_error_feedback, self.warm_start = use_error_feedback, warm_start
        self.orthogonalization_epsilon = orthogonalization_epsilon
        self.generator = taper.Generator().manual_seed(random_seed)
        self.iter = 0
        self.error_dict, self.q_memory_dict = {}, {}
        self.total_numel_before_compression = self.total_numel_after_compression = 0

    def compression_stats(self):
        """(rate, elements before, elements after) since compression began."""
        before, after = self.total_numel_before_compression, self.total_numel_after_compression
        return (before / after if after else 0), before, after

    def __getstate__(self):
        return {**self.__dict__, "process_group": None, "generator": self.generator.get_state()}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.generator = taper.Generator()
        self.generator.set_state(state["generator"])


def _orthogonalize(matrix, epsilon):
    """Its columns become orthonormal, in place: Gram and Schmidt, modified."""
    for i in range(matrix.shape[1]):
        column = matrix[:, i : i + 1]
        length = column.norm() + epsilon
        # A column of zeros stays.
        column.div_(taper.where(length == 0, taper.ones_like(length), length))
        if i + 1 < matrix.shape[1]:
            rest = matrix[:, i + 1 :]
            rest.sub_(column @ (column.t() @ rest))


def _packed(shapes, like):
    """(a flat tensor of like's kind, its views of these shapes)."""
    flat = like.new_empty(sum(math.prod(shape) for shape in shapes))
    parts = flat.split([math.prod(shape) for shape in shapes]) if shapes else []
    return flat, [part.view(shape) for part, shape in zip(parts, shapes)]


def _first_matrices(state, index, shapes, like):
    """The matrices q of a bucket: those of its last step, or random ones with orthonormal columns."""
    kept = state.q_memory_dict.get(index)
    if kept is not None and [q.shape for q in kept[1]] == shapes:
        return kept
    flat, qs = _packed(shapes, like)
    for q in qs:
        q.copy_(taper.randn(*q.shape, generator=state.generator))
        _orthogonalize(q, state.orthogonalization_epsilon)
    if state.warm_start:
        state.q_memory_dict[index] = flat, qs
    return flat, qs


def _reduced(state, bucket, flat, matrices, rest):
    """A future of flat, whose views matrices (two dimensions) were compressed and rest averaged."""
    group, rank = _resolve(state.process_group), state.matrix_approximation_rank
    index = bucket.index()
    lost = flat.clone() if state.use_error_feedback else None
    ranks = [min(rank, *m.shape) for m in matrices]
    q_flat, qs = _first_matrices(state, index, [(m.shape[1], r) for m, r in zip(matrices, ranks)], flat)
    p_flat, ps = _packed([(m.shape[0], r) for m, r in zip(matrices, ranks)], flat)
    for m, p, q in zip(matrices, ps, qs):
        p.copy_(m @ q)
    rest_flat, copies = _packed([tuple(r.shape) for r in rest], flat)
    for copy, r in zip(copies, rest):
        copy.copy_(r)
    state.total_numel_before_compression += flat.numel()
    state.total_numel_after_compression += rest_flat.numel() + p_flat.numel() + q_flat.numel()
    averaging = group._all_reduce(rest_flat, ReduceOp.AVG, True)

    def finish(future):
        averaging.wait()
        for copy, r in zip(copies, rest):
            r.copy_(copy)
        for m, p, q in zip(matrices, ps, qs):
            _orthogonalize(p, state.orthogonalization_epsilon)
            q.copy_(m.t() @ p)
        group._all_reduce(q_flat, ReduceOp.AVG, False)
        for m, p, q in zip(matrices, ps, qs):
            m.copy_(p @ q.t())
        if lost is not None:
            state.error_dict[index] = lost.sub_(flat)
            for view in _like(state.error_dict[index], flat, rest):
                view.zero_()  # what is averaged whole loses nothing
        return flat

    return group._all_reduce(p_flat, ReduceOp.SUM, True).get_future().then(finish)


def _like(other, flat, views):
    """Where views lie in flat, in another tensor of its shape."""
    size = flat.element_size()
    for view in views:
        start = (view.data_ptr() - flat.data_ptr()) // size
        yield other[start : start + view.numel()]


def _begins(state, bucket):
    """Whether compression has begun; counts the steps."""
    begun = state.iter >= state.start_powerSGD_iter
    state.iter += bucket.is_last()
    return begun


def _with_error(state, bucket):
    flat = bucket.buffer()
    if state.use_error_feedback and bucket.index() in state.error_dict:
        flat.add_(state.error_dict[bucket.index()])
    return flat


def powerSGD_hook(state, bucket):
    """Each gradient of two or more dimensions travels as the product of an n x r and an r x m matrix, where
    that is smaller by more than min_compression_rate; the others are averaged as they are."""
    if not _begins(state, bucket):
        return allreduce_hook(state.process_group, bucket)
    flat, matrices, rest, start = _with_error(state, bucket), [], [], 0
    for gradient in bucket.gradients():
        view = flat[start : start + gradient.numel()]
        start += gradient.numel()
        rows = gradient.shape[0] if gradient.ndim else 1
        columns, rank = view.numel() // max(rows, 1), state.matrix_approximation_rank
        small = (rows + columns) * rank * state.min_compression_rate < view.numel()
        if gradient.ndim > 1 and small:
            matrices.append(view.view(rows, columns))
        else:
            rest.append(view)
    return _reduced(state, bucket, flat, matrices, rest)


def batched_powerSGD_hook(state, bucket):
    """The whole bucket travels as the product of two thin matrices: less than powerSGD_hook sends, at the
    price of more that is lost."""
    if not _begins(state, bucket):
        return allreduce_hook(state.process_group, bucket)
    flat = _with_error(state, bucket)
    side = math.isqrt(max(flat.numel() - 1, 0)) + 1
    square = flat.new_zeros(side * side)
    square[: flat.numel()] = flat
    done = _reduced(state, bucket, square, [square.view(side, side)], [])
    if not state.use_error_feedback:
        return done.then(lambda future: flat.copy_(future.value()[: flat.numel()]))

    def finish(future):
        state.error_dict[bucket.index()] = state.error_dict[bucket.index()][: flat.numel()]
        return flat.copy_(future.value()[: flat.numel()])

    return done.then(finish)
