"""Decorators that PyTorch programs use to compile functions. Here functions run as they are."""


def is_scripting():
    """Whether the code is being compiled: never."""
    return False


def is_tracing():
    """Whether the code is being traced: never."""
    return False


def ignore(fn=None, **options):
    """Leaves fn as it is."""
    return fn if callable(fn) else lambda function: function


def unused(fn):
    """Leaves fn as it is."""
    return fn


def export(fn):
    """Leaves fn as it is."""
    return fn
