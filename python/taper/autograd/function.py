"""Operations with a gradient of the user's own."""

import functools

from .. import _C
from .._grad_mode import no_grad

# How many vmap calls are under way, whose stand-ins for batches own functions cannot take.
inside_vmap = 0


def _among(tensor, tensors):
    return any(tensor is other for other in tensors)


class Context:
    """What forward leaves for backward."""

    def __init__(self):
        self._saved = ()
        self._versions = ()
        self._non_differentiable = ()
        self._dirty = ()
        self._materialize = True
        self.needs_input_grad = ()

    def save_for_backward(self, *tensors):
        """Keeps tensors, watched for overwriting."""
        self._saved = tensors
        self._watch_saved()

    save_for_forward = save_for_backward

    def _watch_saved(self):
        self._versions = tuple(None if t is None else t._version for t in self._saved)

    @property
    def saved_tensors(self):
        """What save_for_backward kept. Raises when one was written in place since."""
        if self._saved is None:
            raise _C.AutogradError(
                f"{type(self).__name__}: saved tensors were freed by an earlier backward(); pass "
                "retain_graph=True to it"
            )
        for tensor, version in zip(self._saved, self._versions):
            if tensor is not None and tensor._version != version:
                raise _C.AutogradError(
                    f"a tensor of shape {tuple(tensor.shape)} saved for backward was modified by an "
                    f"inplace operation: it is at version {tensor._version}, expected {version}"
                )
        return self._saved

    def mark_non_differentiable(self, *tensors):
        """These results get no gradient."""
        self._non_differentiable = tensors

    def mark_dirty(self, *tensors):
        """These operands were written in place; forward returns them, and they take its gradient."""
        self._dirty = tensors

    def set_materialize_grads(self, value):
        """Whether missing gradients come as zeros (the default) or as None."""
        self._materialize = value


class Function:
    """Subclass with static methods forward(ctx, *args) (or forward(*args) and setup_context) and
    backward(ctx, *grads)."""

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("Function: forward is not defined")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("Function: backward is not defined")

    vjp = backward
    setup_context = None

    @classmethod
    def apply(cls, *args, **kwargs):
        """Runs forward and records backward."""
        if inside_vmap and any(hasattr(arg, "_value") for arg in args):
            raise RuntimeError(f"{cls.__name__}: an own function cannot take what stands for a batch in vmap")
        ctx = Context()
        places = [i for i, arg in enumerate(args) if isinstance(arg, _C.Tensor)]
        operands = tuple(args[i] for i in places)
        ctx.needs_input_grad = tuple(isinstance(arg, _C.Tensor) and arg.requires_grad for arg in args)
        results = returned = None

        def forward():
            nonlocal results, returned
            if cls.setup_context is not None:
                results = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, results)
            else:
                results = cls.forward(ctx, *args, **kwargs)
            ctx._watch_saved()  # what forward saved and then wrote itself is the value it saved
            listed = results if isinstance(results, (tuple, list)) else (results,)
            returned = tuple(value for value in listed if isinstance(value, _C.Tensor))
            cls._check_dirty(ctx, operands, returned)
            return returned

        outputs = _C._apply_function(
            cls.__name__,
            ctx,
            forward,
            functools.partial(cls._run_backward, ctx, places, len(args)),
            operands,
            lambda: ctx._non_differentiable,
        )
        ctx._shapes = [(output.shape, output.dtype, output.device) for output in outputs]
        for operand in operands:
            if _among(operand, ctx._dirty):
                outputs = cls._rewired(operand, returned, outputs)
        remaining = iter(outputs)
        pick = [
            next(remaining) if isinstance(value, _C.Tensor) else value
            for value in (results if isinstance(results, (tuple, list)) else (results,))
        ]
        return tuple(pick) if isinstance(results, (tuple, list)) else pick[0]

    @classmethod
    def _check_dirty(cls, ctx, operands, returned):
        for tensor in ctx._dirty:
            if not _among(tensor, returned):
                raise _C.AutogradError(
                    f"{cls.__name__}: a tensor marked as dirty is not returned; forward must return all "
                    "inputs that it writes in place"
                )
            if _among(tensor, operands) and tensor._is_view() and len(returned) > 1:
                raise _C.AutogradError(
                    f"{cls.__name__}: forward writes in place an input that is a view, so it may return only "
                    f"one Tensor, got {len(returned)}; return the others from a Function of their own"
                )

    @classmethod
    def _rewired(cls, operand, returned, outputs):
        """outputs with the operand itself, given its new history, where it was returned."""
        return tuple(
            _C._take_history(operand, output, cls.__name__)
            if value is operand and output.requires_grad
            else output
            for value, output in zip(returned, outputs)
        )

    @classmethod
    def _run_backward(cls, ctx, places, count, *grads):
        if ctx._materialize:
            zeros = _C._homes["taper"]["zeros"]
            grads = tuple(
                zeros(shape, dtype=dtype, device=device) if grad is None else grad
                for grad, (shape, dtype, device) in zip(grads, ctx._shapes)
            )
        backward = cls.backward if cls.backward is not Function.backward else cls.vjp
        results = backward(ctx, *grads)
        results = results if isinstance(results, (tuple, list)) else (results,)
        if len(results) < count:
            raise _C.AutogradError(
                f"{cls.__name__}: backward returned {len(results)} gradients, expected {count}"
            )
        if any(value is not None for value in results[count:]):
            raise _C.AutogradError(
                f"{cls.__name__}: backward returned {len(results)} gradients, expected {count}"
            )
        return tuple(results[i] for i in places)


def once_differentiable(function):
    """Decorates a backward that is not differentiable itself."""

    @functools.wraps(function)
    def wrapper(ctx, *grads):
        with no_grad():
            return function(ctx, *grads)

    return wrapper
