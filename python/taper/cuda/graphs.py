"""CUDA graphs: work that is recorded once and runs again without the cost of its launches."""

import contextlib
import gc

from .. import _C, autograd

_ops = _C._homes["taper"]


class CUDAGraph(_C._CudaGraph):
    """Recorded work. It runs on the memory it was recorded with: copy new inputs into the tensors that were
    used then, and read results from those that were made. Random numbers go on from run to run, and
    optimizers count their steps; all else that Python decided while recording stays as it was: shapes,
    learning rates, branches.
    """

    def capture_begin(self, pool=None, capture_error_mode="thread_local"):
        """Records what is put into the current stream, which must not be the default one, from now on.

        pool: pool() of another graph, to share its memory where the two run in turn.
        """
        self._begin(pool)


class graph:
    """with cuda.graph(g): what is done inside is recorded into g, and not run.

    On a stream of its own, or on stream. Before recording, everything should have run a few times on another
    stream than the default one, so that what is made at first use is there.
    """

    _default_stream = None

    def __init__(self, cuda_graph, pool=None, stream=None, capture_error_mode="thread_local"):
        from . import Stream

        if stream is None:
            if graph._default_stream is None:
                graph._default_stream = Stream()
            stream = graph._default_stream
        self.cuda_graph, self.pool, self.capture_stream = cuda_graph, pool, stream

    def __enter__(self):
        from . import empty_cache, stream, synchronize

        synchronize()
        gc.collect()
        empty_cache()
        self._stream = stream(self.capture_stream)
        self._stream.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool)
        except BaseException:
            self._stream.__exit__(None, None, None)
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.cuda_graph.capture_end()
            else:
                with contextlib.suppress(RuntimeError):  # what went wrong first is raised
                    self.cuda_graph.capture_end()
        finally:
            self._stream.__exit__(None, None, None)


def graph_pool_handle():
    """Memory that several graphs may share, as their pool."""
    return _C._cuda_make_graph_pool()


def is_current_stream_capturing():
    """Whether what is put into the current stream is recorded; False without a GPU."""
    return _C._cuda_is_recording()


def _warm_up(function, times):
    """Runs function on a stream of its own, so that what is made at first use is there."""
    from . import Stream, current_stream, stream

    side = Stream()
    side.wait_stream(current_stream())
    with stream(side):
        for _ in range(times):
            function()
    current_stream().wait_stream(side)


class _Recorded:
    """A callable's forward and backward pass as graphs, over tensors that stay where they are."""

    def __init__(self, function, sample_args, warm_ups, pool, allow_unused):
        self.inputs = tuple(sample_args)
        parameters = tuple(function.parameters()) if hasattr(function, "parameters") else ()
        self.leaves = self.inputs + parameters
        self.wanted = [i for i, x in enumerate(self.leaves) if x.requires_grad]

        def forward():
            outputs = function(*self.inputs)
            self.single = not isinstance(outputs, tuple)
            return (outputs,) if self.single else outputs

        def backward(outputs, gradients):
            return autograd.grad(
                [y for y in outputs if y.requires_grad],
                [self.leaves[i] for i in self.wanted],
                [g for g in gradients if g is not None],
                allow_unused=allow_unused,
            )

        def ones(outputs):
            return [_ops["ones_like"](y) if y.requires_grad else None for y in outputs]

        def both():
            outputs = forward()
            backward(outputs, ones(outputs))

        _warm_up(both, warm_ups)
        self.forward, self.backward = CUDAGraph(), CUDAGraph()
        with graph(self.forward, pool=pool):
            self.outputs = forward()
        self.output_gradients = ones(self.outputs)
        with graph(self.backward, pool=pool):
            found = backward(self.outputs, self.output_gradients)
        self.gradients = [None] * len(self.leaves)
        for i, gradient in zip(self.wanted, found):
            self.gradients[i] = gradient
        self.outputs = tuple(y.detach() for y in self.outputs)


def _replaying(recorded):
    """The class of the operation that runs the two graphs."""

    class Replay(autograd.Function):
        @staticmethod
        def forward(ctx, *leaves):
            for old, new in zip(recorded.inputs, leaves):
                if old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new.detach())
            recorded.forward.replay()
            return tuple(y.clone() for y in recorded.outputs)

        @staticmethod
        def backward(ctx, *gradients):
            for old, new in zip(recorded.output_gradients, gradients):
                if old is not None:
                    old.copy_(new)
            recorded.backward.replay()
            return tuple(None if g is None else g.clone() for g in recorded.gradients)

    return Replay


def make_graphed_callables(callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None):
    """A function or module (or a tuple of them) whose forward and backward passes run as graphs.

    sample_args: a tuple of tensors (of tuples, for several callables) of the shapes, dtypes and requires_grad
    that calls will have. A module is changed in place: its forward runs the graphs in the mode, training or
    not, it was in. Results and gradients are copies, so they stay when the next call runs. No gradients of
    gradients.
    """
    if isinstance(callables, tuple):
        memory = graph_pool_handle() if pool is None else pool
        return tuple(
            make_graphed_callables(one, args, num_warmup_iters, allow_unused_input, memory)
            for one, args in zip(callables, sample_args)
        )
    memory = graph_pool_handle() if pool is None else pool
    recorded = _Recorded(callables, sample_args, num_warmup_iters, memory, allow_unused_input)
    replay = _replaying(recorded)

    def call(*inputs):
        results = replay.apply(*inputs, *recorded.leaves[len(recorded.inputs) :])
        return results[0] if recorded.single else results

    if not hasattr(callables, "parameters"):
        return call
    eager, mode = callables.forward, callables.training
    callables.forward = lambda *inputs: (call if callables.training == mode else eager)(*inputs)
    return callables
