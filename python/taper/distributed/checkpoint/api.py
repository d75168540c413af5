"""CheckpointException: what save and load raise."""

import builtins

from taper import _C


class CheckpointException(_C.IOError):
    """Some ranks could not do their part. failures: by rank, (an exception like the one it had, its text)."""

    def __init__(self, message, failures):
        super().__init__(message)
        self.failures = {rank: _like(text) for rank, text in failures}


def _like(text):
    name, _, rest = text.partition(": ")
    kind = getattr(builtins, name, None)
    known = isinstance(kind, type) and issubclass(kind, Exception)
    return (kind if known else _C.IOError)(rest), text
