"""python -m taper.distributed.launch: taper.distributed.run under its older name. Processes find their rank
in LOCAL_RANK."""

import sys

from .run import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main([argument for argument in sys.argv[1:] if argument not in ("--use_env", "--use-env")]))
