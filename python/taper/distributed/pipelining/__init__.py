"""A network cut into stages, each in another process; batches go through in parts."""

from .schedules import Schedule1F1B, ScheduleGPipe, ScheduleInterleaved1F1B
from .stage import PipelineStage

__all__ = ["PipelineStage", "Schedule1F1B", "ScheduleGPipe", "ScheduleInterleaved1F1B"]
