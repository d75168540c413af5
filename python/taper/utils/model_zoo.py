"""The older name of taper.hub for weights."""

import contextlib

from ..hub import load_state_dict_from_url as load_url  # noqa: F401

with contextlib.suppress(ImportError):  # as PyTorch shows the package's bar under this name
    from tqdm.auto import tqdm  # noqa: F401
