"""The interpreters that a test starts import the same package as the test itself."""

import importlib.util
import os
from pathlib import Path

PACKAGE = str(Path(importlib.util.find_spec("taper").origin).parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")]))
