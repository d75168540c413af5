"""Runs workloads in processes of their own, a process per framework, alternating round by round."""

import json
import os
import selectors
import statistics
import subprocess
import sys
import time

from .machine import Limits

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STARTING = 600  # seconds that a worker may take to import its framework
LONGEST = 120  # seconds that it may take for an answer
ENOUGH = 4  # seconds of a workload after which a framework has had its rounds, if it had two


def module_of(framework):
    """What is imported: TensorFlow is timed as it is and, as tensorflow_graph, in a tf.function."""
    return framework.removesuffix("_graph")


def environment(threads):
    """The environment of a worker: this many threads, whatever library starts them."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    paths = [ROOT, os.path.join(ROOT, "python"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **{name: str(threads) for name in names},
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


class Worker:
    """One framework in a process with so many threads. A process that ends or does not answer costs the
    workload it was at; the next begins in a new one."""

    def __init__(self, framework, threads, python=sys.executable, longest=LONGEST):
        self.framework, self.threads, self.python, self.longest = framework, threads, python, longest
        self._process = None

    def _start(self):
        """None, or the reason why it did not."""
        self._process = subprocess.Popen(
            [self.python, "-m", "benchmarks.worker", self.framework, str(self.threads)],
            cwd=ROOT,
            env=environment(self.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not self._line(STARTING):
            return f"the process of {self.framework} did not start"
        return None

    def _line(self, longest):
        """What the process says within so many seconds, else None; nothing if it has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(longest):
                return None
        return self._process.stdout.readline()

    def time(self, title, least):
        """Seconds of a call, or the reason why there is none as a str."""
        if self._process is None and (reason := self._start()):
            self._end(0)
            return reason
        try:
            self._process.stdin.write(json.dumps([title, least]) + "\n")
            self._process.stdin.flush()
            line = self._line(self.longest)
        except BrokenPipeError:
            line = ""
        if not line:
            if line is None:
                self._end(0)
                return f"no answer within {self.longest} s"
            return f"the process of {self.framework} ended with status {self._end(30)}"
        answer = json.loads(line)
        return answer.get("seconds", answer.get("error"))

    def _end(self, patience):
        """The status of the process, which is killed if it does not end within so many seconds."""
        process, self._process = self._process, None
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        return process.returncode

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdin = None
            self._end(5)


def importable(module, python):
    """A module's version, None where it does not import."""
    try:
        done = subprocess.run(
            [python, "-c", f"import {module}; print({module}.__version__)"],
            check=False,
            cwd=ROOT,
            env=environment(1),
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return done.stdout.split()[-1] if done.returncode == 0 and done.stdout.split() else None


def limits(threads):
    """Limits of this machine with so many threads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.machine", str(threads)],
        cwd=ROOT,
        env=environment(threads),
        capture_output=True,
        text=True,
        check=True,
    )
    peak, moved, read = json.loads(done.stdout)
    return Limits(peak, dict(moved), dict(read))


def compare(workloads, frameworks, threads, rounds, least, pythons, results, progress):
    """Fills results: {workload: {framework: {"min", "median"} seconds or {"error"}}}; frameworks that have no
    such workload are left out. pythons names the interpreter of each framework."""
    workers = [Worker(name, threads, pythons[name]) for name in frameworks]
    try:
        for workload in workloads:
            able = [worker for worker in workers if workload.maker(worker.framework)]
            results[workload] = alternate(workload, able, rounds, least)
            progress(workload, results[workload])
    finally:
        for worker in workers:
            worker.close()


def alternate(workload, workers, rounds, least):
    """One workload's results."""
    times = {worker.framework: [] for worker in workers}
    spent = dict.fromkeys(times, 0.0)
    errors = {}
    for turn in range(rounds):
        # Who goes first alternates, too.
        for worker in workers if turn % 2 == 0 else workers[::-1]:
            if worker.framework in errors or (turn >= 2 and spent[worker.framework] > ENOUGH):
                continue
            start = time.perf_counter()
            answer = worker.time(workload.title, least)
            spent[worker.framework] += time.perf_counter() - start
            if isinstance(answer, str):
                errors[worker.framework] = answer
            else:
                times[worker.framework].append(answer)
    return {
        name: {"error": errors[name]}
        if name in errors
        else {"min": min(times[name]), "median": statistics.median(times[name])}
        for name in times
    }
