"""Event files that TensorBoard reads."""

from .writer import FileWriter, SummaryWriter
