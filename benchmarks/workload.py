"""What a workload is: something that every framework can be asked to do."""

from dataclasses import dataclass, field
from typing import Callable, Optional


@dataclass(frozen=True)
class Workload:
    """One thing to time. make(torch) prepares it and returns the function of no arguments that is timed, where torch
    is the framework under PyTorch's names. bytes and flops are what a call must move and compute at least: they tell
    how far a time is from the machine's limit. tensorflow, where given, does the same in TensorFlow."""

    group: str
    name: str
    make: Callable = field(repr=False)
    bytes: float = 0
    flops: float = 0
    tensorflow: Optional[Callable] = field(default=None, repr=False)

    @property
    def title(self):
        return f"{self.group}: {self.name}"
