"""The graph behind gradients: nodes, and what becomes of the tensors that operations save."""

from .. import _C

Node = _C.Node


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
