"""PyTorch's store of models on the network, which Taper does not reach: weights are loaded from files."""

import os
import re
from urllib.parse import urlparse

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_directory = None


def _get_torch_home():
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.expanduser(home)


def get_dir():
    """Where PyTorch's programs keep what they have fetched: TORCH_HOME/hub, or ~/.cache/torch/hub."""
    return _directory or os.path.join(_get_torch_home(), "hub")


def set_dir(d):
    """Sets what get_dir() gives."""
    global _directory
    _directory = os.path.expanduser(d)


def load_state_dict_from_url(
    url,
    model_dir=None,
    map_location=None,
    progress=True,
    check_hash=False,
    file_name=None,
    weights_only=False,
):
    """Loads a file that lies in model_dir (get_dir()/checkpoints) under the URL's last part, or file_name.

    Throws FileNotFoundError where it does not: nothing is fetched.
    """
    from .serialization import load

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"hub: {path} is not there, and Taper fetches nothing; get it from {url} first"
        )
    return load(path, map_location=map_location)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Throws NotImplementedError: nothing is fetched."""
    raise NotImplementedError(f"hub: Taper fetches nothing; get {url} by other means and put it at {dst}")


def load(repo_or_dir, model, *args, source="github", **kwargs):
    """Calls the function `model` of hubconf.py in a local directory; ValueError for any other source."""
    if source != "local":
        raise ValueError("hub.load: Taper fetches nothing; clone the repository and pass source='local'")
    return getattr(_hubconf(repo_or_dir), model)(*args, **kwargs)


def list(repo_or_dir, *args, source="github", **kwargs):
    """The functions of hubconf.py in a local directory."""
    if source != "local":
        raise ValueError("hub.list: Taper fetches nothing; clone the repository and pass source='local'")
    found = vars(_hubconf(repo_or_dir)).items()
    return sorted(name for name, value in found if callable(value) and not name.startswith("_"))


def _hubconf(directory):
    import importlib.util
    import sys

    sys.path.insert(0, directory)
    try:
        path = os.path.join(directory, "hubconf.py")
        spec = importlib.util.spec_from_file_location("hubconf", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(directory)
    return module
