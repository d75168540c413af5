"""Timer: how long a statement takes, with a given number of threads."""

import statistics
import time
import timeit

from .. import _C

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


class Measurement:
    """Times of a statement: raw_times are those of number_per_run runs each, in seconds."""

    def __init__(
        self, number_per_run, raw_times, label=None, sub_label=None, description=None, num_threads=1
    ):
        self.number_per_run, self.raw_times, self.num_threads = number_per_run, list(raw_times), num_threads
        self.label, self.sub_label, self.description = label, sub_label, description

    times = property(lambda self: [each / self.number_per_run for each in self.raw_times])
    mean = property(lambda self: statistics.fmean(self.times))
    median = property(lambda self: statistics.median(self.times))

    @property
    def iqr(self):
        """The distance between the quartiles, in seconds."""
        if len(self.raw_times) < 2:
            return 0.0
        first, _, third = statistics.quantiles(self.times, n=4)
        return third - first

    @property
    def title(self):
        """Label, sub label and description in a line."""
        return (
            ": ".join(text for text in (self.label, self.sub_label, self.description) if text) or "[timing]"
        )

    def __repr__(self):
        scale, unit = next((u for u in _UNITS if self.median >= u[0]), _UNITS[-1])
        runs = f"{len(self.raw_times)} measurements, {self.number_per_run} runs per measurement"
        return (
            f"<taper.utils.benchmark.Measurement {self.title}>\n  {self.median / scale:.2f} {unit} median, "
            f"IQR {self.iqr / scale:.2f} {unit}\n  {runs}, {self.num_threads} thread(s)"
        )


class Timer:
    """Times stmt, Python text that sees globals, after setup, on num_threads threads."""

    def __init__(
        self,
        stmt="pass",
        setup="pass",
        global_setup="",
        timer=time.perf_counter,
        globals=None,
        label=None,
        sub_label=None,
        description=None,
        env=None,
        num_threads=1,
        language="python",
    ):
        if str(language).lower() not in ("python", "py"):
            raise NotImplementedError(
                f"Timer: only Python statements can be timed, got language {language!r}"
            )
        self._timer = timeit.Timer(stmt, setup, timer, dict(globals or {}))
        self._facts = {"label": label or stmt, "sub_label": sub_label, "description": description}
        self.num_threads = num_threads

    def _run(self, number):
        before = _C.get_num_threads()
        _C.set_num_threads(self.num_threads)
        try:
            return self._timer.timeit(max(number, 1))
        finally:
            _C.set_num_threads(before)

    def _measured(self, number, times):
        return Measurement(number, times, num_threads=self.num_threads, **self._facts)

    def timeit(self, number=1000000):
        """One measurement of number runs, after a few to warm up."""
        self._run(max(number // 100, 2))
        return self._measured(number, [self._run(number)])

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """Measurements of equal blocks until min_run_time seconds have passed; a block takes at least a
        thousandth."""
        number = 1
        while (taken := self._run(number)) < min_run_time / 1000:
            number *= 10 if taken < min_run_time / 10000 else 2
        times = [taken]
        while sum(times) < min_run_time:
            times.append(self._run(number))
            if callback:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """blocked_autorange until the quartiles lie within threshold of the median, or max_run_time."""
        result = self.blocked_autorange(callback, min_run_time)
        while result.iqr > threshold * result.median and sum(result.raw_times) < max_run_time:
            more = self.blocked_autorange(callback, sum(result.raw_times))
            result = self._measured(more.number_per_run, more.raw_times)
        return result


class Compare:
    """A table of measurements: rows are sub labels, columns descriptions."""

    def __init__(self, results):
        self._results = list(results)

    def extend_results(self, results):
        """Adds measurements."""
        self._results += results

    def trim_significant_figures(self):
        """Accepted; three figures are shown."""

    def colorize(self, rowwise=False):
        """Accepted; the table has no colours."""

    def __str__(self):
        rows = list(dict.fromkeys((m.label, m.sub_label, m.num_threads) for m in self._results))
        columns = list(dict.fromkeys(m.description for m in self._results))
        cells = {((m.label, m.sub_label, m.num_threads), m.description): m.median for m in self._results}
        table = [["us", *(column or "" for column in columns)]]
        for row in rows:
            name = f"{row[1] or row[0]} ({row[2]} thread(s))"
            values = [cells.get((row, column)) for column in columns]
            table.append([name, *("" if v is None else f"{v * 1e6:.3g}" for v in values)])
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        return "\n".join(" | ".join(text.rjust(w) for text, w in zip(line, widths)) for line in table)

    def print(self):
        """Writes the table."""
        print(str(self))
