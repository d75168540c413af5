"""The interpreters that a test starts import the same package as the test itself."""

import os
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parent.parent / "python")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")]))
