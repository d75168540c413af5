"""Profiles: how long each operation takes, under PyTorch's names.

Times are those of the calls of operations from Python and of the operations of backward passes, on every
thread.
Operations that the library calls within another are part of that one.
"""

import json
import os
import time
from enum import Enum

from . import _C


class ProfilerActivity(Enum):
    """What is measured: the CPU always; CUDA is accepted."""

    CPU = 0
    CUDA = 1
    XPU = 2


class DeviceType(Enum):
    """Where an event took place."""

    CPU = 0
    CUDA = 1
    XPU = 2


class ProfilerAction(Enum):
    """What a schedule says of a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A function from the step's number to what is done: wait, then warm up, then record `active` steps."""
    length = wait + warmup + active

    def action(step):
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        if repeat > 0 and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """For on_trace_ready: writes each trace into dir_name for TensorBoard and chrome://tracing."""

    def write(profile):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{os.uname().nodename}_{os.getpid()}"
        suffix = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        profile.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}{suffix}"))

    return write


def _shown(name):
    if name.startswith("range:"):
        return name.removeprefix("range:")
    if name.startswith("backward:"):
        plain = name.removeprefix("backward:")
        return "".join(part[:1].upper() + part[1:] for part in plain.split("_")) + "Backward0"
    return "aten::" + name


class FunctionEvent:
    """One call: name, start and duration in microseconds, thread, shapes of the arguments."""

    def __init__(self, name, start, end, thread, shapes):
        self.name = self.key = _shown(name)
        self.start_us, self.end_us = start / 1e3, (end or start) / 1e3
        self.thread, self.input_shapes = thread, [list(shape) for shape in shapes]
        self.is_user_annotation = name.startswith("range:")
        # Other threads do what it begins.
        self.is_async = self.name.startswith(("gloo:", "nccl:"))
        self.cpu_children, self.cpu_parent = [], None
        self.device_type = DeviceType.CPU  # what is measured are calls
        self.count, self.device_time, self.cuda_time = 1, 0.0, 0.0

    cpu_time_total = property(lambda self: self.end_us - self.start_us)
    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self):
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def __repr__(self):
        return f"<FunctionEvent name={self.name} cpu_time={self.cpu_time_total:.3f}us>"


def _nested(entries):
    """Events in order of their start, each knowing those that ran within it on its thread."""
    events = [FunctionEvent(*entry) for entry in sorted(entries, key=lambda entry: (entry[1], -entry[2]))]
    open_events = {}
    for event in events:
        stack = open_events.setdefault(event.thread, [])
        while stack and stack[-1].end_us < event.end_us:
            stack.pop()
        if stack:
            stack[-1].cpu_children.append(event)
            event.cpu_parent = stack[-1]
        stack.append(event)
    return events


class FunctionEventAvg:
    """All calls of one name: count, total and own time in microseconds."""

    def __init__(self, key, shapes=None):
        self.key, self.input_shapes, self.count = key, shapes, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.cuda_time_total = self.self_device_time_total = 0.0

    cpu_time = property(lambda self: self.cpu_time_total / self.count)

    def add(self, event):
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        return self

    def __repr__(self):
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={_time(self.self_cpu_time_total)} "
            f"cpu_time={_time(self.cpu_time)} count={self.count}>"
        )


def _time(microseconds):
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3f}{unit}"
    return f"{microseconds:.3f}us"


_SORTS = {"cuda_time_total", "device_time_total", "self_cuda_time_total", "self_device_time_total"}


class EventList(list):
    """Events, or their averages."""

    @property
    def self_cpu_time_total(self):
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0):
        """One FunctionEventAvg per name, or per name and shapes."""
        groups = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else None
            key = (event.key, str(shapes))
            groups.setdefault(key, FunctionEventAvg(event.key, shapes)).add(event)
        return EventList(groups.values())

    def total_average(self):
        """All events as one."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def table(
        self, sort_by=None, row_limit=100, max_name_column_width=55, header=None, top_level_events_only=False
    ):
        """The events as text, sorted by an attribute such as "cpu_time_total", largest first."""
        events = list(self)
        if sort_by is not None and sort_by not in _SORTS:
            if not hasattr(FunctionEventAvg("x"), sort_by) and sort_by != "cpu_time":
                raise ValueError(
                    f"table: cannot sort by {sort_by!r}; use 'cpu_time_total', 'self_cpu_time_total' or "
                    "'count'"
                )
            events.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        total = self.self_cpu_time_total
        share = lambda part: f"{100 * part / total:.2f}%" if total else "0.00%"
        columns = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        rows = [
            [
                event.key[:max_name_column_width],
                share(event.self_cpu_time_total),
                _time(event.self_cpu_time_total),
                share(event.cpu_time_total),
                _time(event.cpu_time_total),
                _time(event.cpu_time),
                str(event.count),
            ]
            for event in events[: row_limit if row_limit >= 0 else None]
        ]
        widths = [max(len(row[i]) for row in [columns, *rows]) + 2 for i in range(len(columns))]
        rule = "  ".join("-" * width for width in widths)
        lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths)) for row in [columns, *rows]]
        body = [rule, lines[0], rule, *lines[1:], rule, f"Self CPU time total: {_time(total)}"]
        return "\n".join(([header] if header else []) + body) + "\n"

    def export_chrome_trace(self, path):
        """Writes the events as JSON for chrome://tracing and Perfetto; compressed if path ends with .gz."""
        events = [
            {
                "ph": "X",
                "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
                "name": event.name,
                "pid": os.getpid(),
                "tid": event.thread % 2**31,
                "ts": event.start_us,
                "dur": event.cpu_time_total,
                "args": {"Input Dims": event.input_shapes} if event.input_shapes else {},
            }
            for event in self
        ]
        text = json.dumps({"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events})
        if str(path).endswith(".gz"):
            import gzip

            with gzip.open(path, "wt") as file:
                file.write(text)
        else:
            with open(path, "w") as file:
                file.write(text)

    def __str__(self):
        return self.table()


_running = None


def _start(owner, shapes):
    global _running
    if _running is not None:
        raise RuntimeError("profiler: another profile is being taken; only one can be at a time")
    _running = owner
    _C._start_profile(shapes)


def _stop():
    global _running
    _running = None
    return EventList(_nested(_C._stop_profile()))


class profile:
    """Measures what runs within it, or between start() and stop().

    schedule: a function from step numbers to ProfilerAction, stepped by step(); on_trace_ready(profile) is
    called when a recording is complete. record_shapes keeps the shapes of tensor arguments. with_stack,
    profile_memory, with_flops
    and with_modules are accepted; nothing is recorded for them.
    """

    def __init__(
        self,
        *,
        activities=None,
        schedule=None,
        on_trace_ready=None,
        record_shapes=False,
        profile_memory=False,
        with_stack=False,
        with_flops=False,
        with_modules=False,
        experimental_config=None,
        execution_trace_observer=None,
        acc_events=False,
        use_cuda=None,
        custom_trace_id_callback=None,
    ):
        self.schedule, self.on_trace_ready, self.record_shapes = schedule, on_trace_ready, record_shapes
        self.step_num, self._events, self._metadata = 0, EventList(), {}

    def _action(self):
        return self.schedule(self.step_num) if self.schedule else ProfilerAction.RECORD

    def start(self):
        """Begins to measure, where the schedule says so."""
        self._recording = False
        self._enter(self._action())

    def _enter(self, action):
        wanted = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if wanted and not self._recording:
            _start(self, self.record_shapes)
            self._recording = True
        self._begin_step() if wanted and self.schedule else None

    def _begin_step(self):
        self._step = _C._begin_entry(f"ProfilerStep#{self.step_num}")

    def _finish(self):
        if self._recording:
            self._recording = False
            self._events = _stop()
            if self.on_trace_ready:
                self.on_trace_ready(self)

    def step(self):
        """Says that the next step of the program begins."""
        if self._recording and self.schedule:
            _C._end_entry(self._step)
        done = self._action() is ProfilerAction.RECORD_AND_SAVE
        self.step_num += 1
        if done:
            self._finish()
        self._enter(self._action())

    def stop(self):
        """Ends the measuring."""
        if self._recording and self.schedule:
            _C._end_entry(self._step)
        self._finish()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def events(self):
        """All events in order."""
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Events by name."""
        return self._events.key_averages(group_by_input_shape)

    def export_chrome_trace(self, path):
        """Writes the trace for chrome://tracing."""
        self._events.export_chrome_trace(path)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Throws NotImplementedError: call stacks are not recorded."""
        raise NotImplementedError(
            "export_stacks: Taper's profiles hold no call stacks; use export_chrome_trace"
        )

    def add_metadata(self, key, value):
        """Keeps a text beside the trace."""
        self._metadata[key] = value

    add_metadata_json = add_metadata
    self_cpu_time_total = property(lambda self: self._events.self_cpu_time_total)
    function_events = property(lambda self: self._events)
    total_average = lambda self: self._events.total_average()

    def table(self, *args, **kwargs):
        """key_averages().table(...)."""
        return self.key_averages().table(*args, **kwargs)


class record_function:
    """Names what runs within it in the profile; also a decorator."""

    def __init__(self, name, args=None):
        self.name, self.args = name, args

    def __enter__(self):
        self._entry = _C._begin_entry(self.name)
        return self

    def __exit__(self, *exception):
        _C._end_entry(self._entry)

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def named(*args, **kwargs):
            with record_function(self.name):
                return function(*args, **kwargs)

        return named


def supported_activities():
    """What can be measured."""
    return {ProfilerActivity.CPU}


def kineto_available():
    """Whether PyTorch's tracing library is there: never."""
    return False
