"""Steps of the GPT of examples/python/gpt.py, divided among the ranks of this job in one of its ways."""

import sys
from pathlib import Path

SIZES = "--batch 16 --context 64 --width 192 --layers 4 --heads 4".split()


def _model(way):
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "python"))
    import gpt

    before, sys.argv = sys.argv, ["gpt.py", *SIZES, "--parallel", "none" if way in ("whole", "half") else way]
    options = gpt.arguments()
    sys.argv = before
    if way == "half":
        options.batch //= 2
    return gpt, options, gpt.gpt(options)


def parameters():
    """How many the model has."""
    return sum(p.numel() for p in _model("whole")[2].parameters())


def trained(way):
    """A function that does one step; way "half" is one process with the batch of one of two."""
    import taper

    gpt, options, model = _model(way)
    trainer = gpt.distribute(model, options)
    optimizer = taper.optim.AdamW(trainer.parameters(), lr=1e-3)
    x, target = gpt.batch(taper.arange(10_000) % 256, 0, options)

    def step():
        optimizer.zero_grad()
        trainer.step(x, target)
        optimizer.step()

    return step
