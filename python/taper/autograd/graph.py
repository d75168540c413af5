"""The graph behind gradients: nodes, and what becomes of the tensors that operations save."""

from .. import _C
from .edge import GradientEdge

Node = _C.Node


def get_gradient_edge(tensor):
    """The place in the graph where the tensor's gradient arrives; backward and grad take it for the tensor.

    An edge keeps none of the tensor's memory. Throws AutogradError where the tensor requires no gradient.
    """
    return GradientEdge(*_C._gradient_edge(tensor))


class saved_tensors_hooks:
    """Within it, pack_hook(tensor) stands for each tensor that an operation saves for backward.

    unpack_hook gives the tensor back when backward needs it. Leaves that require a gradient are kept as they
    are, since
    they live on anyway.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self):
        self.before = _C._set_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exception):
        _C._restore_saved_hooks(self.before)


class save_on_cpu(saved_tensors_hooks):
    """Keeps saved tensors in main memory, where this build has all tensors already."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


class disable_saved_tensors_hooks:
    """Within it, saved_tensors_hooks raises with error_message."""

    def __init__(self, error_message):
        self.error_message = error_message

    def __enter__(self):
        self.enter = saved_tensors_hooks.__enter__

        def refuse(hooks):
            raise RuntimeError(self.error_message)

        saved_tensors_hooks.__enter__ = refuse

    def __exit__(self, *exception):
        saved_tensors_hooks.__enter__ = self.enter


class _MultiHandle:
    def __init__(self, handles):
        self._handles = handles

    def remove(self):
        """Takes the hook away from all tensors."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls fn in backward with the gradients of tensors.

    mode "all": once, fn(gradients), with None for tensors that the backward does not reach; "any":
    fn(gradient) with the first gradient that is known. The handle that is returned removes the hook.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    arrived, count = {}, len(tensors)

    def finish():
        if arrived:
            gradients = [arrived.get(i) for i in range(count)]
            arrived.clear()
            if mode == "all":
                fn(gradients)

    def hook_of(index):
        def hook(gradient):
            if not arrived:
                _C._queue_callback(finish)  # for tensors that this backward does not reach
                if mode == "any":
                    fn(gradient)
            arrived[index] = gradient
            if mode == "all" and len(arrived) == count:
                finish()

        return hook

    return _MultiHandle([tensor.register_hook(hook_of(i)) for i, tensor in enumerate(tensors)])
