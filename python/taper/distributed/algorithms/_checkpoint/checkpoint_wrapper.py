"""Modules that keep their inputs only and compute again in backward (Chen et al. 2016, arXiv:1604.06174)."""

import enum
import functools

from taper.nn.module import Module
from taper.utils.checkpoint import checkpoint

_PREFIX = "_checkpoint_wrapped_module."


class CheckpointImpl(enum.Enum):
    """Accepted for PyTorch's sake: there is one way here."""

    REENTRANT = enum.auto()
    NO_REENTRANT = enum.auto()


class CheckpointWrapper(Module):
    """A module around another, whose state_dict() has the other's names.

    checkpoint_fn  called as checkpoint_fn(module, *args, **kwargs) with the further options; unless given
                   taper.utils.checkpoint.checkpoint
    """

    def __init__(
        self, mod, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None, **checkpoint_fn_kwargs
    ):
        super().__init__()
        self._checkpoint_wrapped_module = mod
        self.checkpoint_impl = checkpoint_impl
        self.checkpoint_fn = functools.partial(checkpoint_fn or checkpoint, **checkpoint_fn_kwargs)
        self.register_state_dict_post_hook(_without_prefix)
        self.register_load_state_dict_pre_hook(_with_prefix)

    def forward(self, *args, **kwargs):
        """What the wrapped module gives."""
        return self.checkpoint_fn(self._checkpoint_wrapped_module, *args, **kwargs)

    def named_parameters(self, *args, **kwargs):
        """Under the wrapped module's names."""
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(_PREFIX, ""), parameter

    def __getattr__(self, name):
        """What the wrapper lacks is the wrapped module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__(_PREFIX[:-1]), name)

    def __getitem__(self, key):
        return self._checkpoint_wrapped_module[key]


def rename_keys(state_dict, old, new):
    """Keys that begin with old begin with new, in place."""
    for key in [key for key in state_dict if key.startswith(old)]:
        state_dict[new + key[len(old) :]] = state_dict.pop(key)


def _without_prefix(module, state_dict, prefix, local_metadata):
    rename_keys(state_dict, prefix + _PREFIX, prefix)


def _with_prefix(module, state_dict, prefix, *rest):
    if not any(key.startswith(prefix + _PREFIX) for key in state_dict):
        rename_keys(state_dict, prefix, prefix + _PREFIX)


def checkpoint_wrapper(
    module, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None, **checkpoint_fn_kwargs
):
    """CheckpointWrapper(module, ...)."""
    return CheckpointWrapper(module, checkpoint_impl, checkpoint_fn, **checkpoint_fn_kwargs)


def apply_activation_checkpointing(
    model, checkpoint_wrapper_fn=checkpoint_wrapper, check_fn=lambda _: True, auto_wrap_policy=None
):
    """Replaces each module below model of which check_fn(module) is true, or which auto_wrap_policy
    (taper.distributed.fsdp.wrap) chooses, by checkpoint_wrapper_fn(module); inner ones first."""

    made, taken = {}, set()

    def is_chosen(module):
        if auto_wrap_policy is None:
            return check_fn(module)
        left = sum(p.numel() for p in module.parameters() if id(p) not in taken)
        return auto_wrap_policy(module=module, recurse=False, nonwrapped_numel=left)

    def visit(module):
        for name, child in list(module.named_children()):
            if id(child) not in made:
                visit(child)
                made[id(child)] = child
                if is_chosen(child):
                    taken.update(id(p) for p in child.parameters())
                    made[id(child)] = checkpoint_wrapper_fn(child)
            setattr(module, name, made[id(child)])

    visit(model)
