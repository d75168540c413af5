"""Runs workloads in processes of their own, a process per framework, alternating round by round."""

import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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
    """One framework in one process with so many threads."""

    def __init__(self, framework, threads, python=sys.executable):
        self.framework = framework
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", framework, str(threads)],
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def time(self, index, least):
        """Seconds of a call, or the reason why there is none as a str."""
        try:
            self._process.stdin.write(f"{index} {least}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return f"the process of {self.framework} has ended"
        answer = json.loads(line)
        return answer.get("seconds", answer.get("error"))

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def importable(framework, python):
    """The framework's version, None where it does not import."""
    done = subprocess.run(
        [python, "-c", f"import {framework}; print({framework}.__version__)"],
        cwd=ROOT,
        env=environment(1),
        capture_output=True,
        text=True,
    )
    return done.stdout.split()[-1] if done.returncode == 0 and done.stdout.split() else None


def limits(threads):
    """(FLOP/s, bytes/s) of this machine with so many threads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.machine", str(threads)],
        cwd=ROOT,
        env=environment(threads),
        capture_output=True,
        text=True,
        check=True,
    )
    peak, bandwidth = map(float, done.stdout.split())
    return peak, bandwidth


def compare(workloads, frameworks, threads, rounds, least, pythons, progress):
    """For each (index, workload) a dict: framework -> {"min", "median"} seconds or {"error"}. pythons names the
    interpreter of each framework."""
    workers = [Worker(name, threads, pythons[name]) for name in frameworks]
    results = {}
    try:
        for index, workload in workloads:
            times = {name: [] for name in frameworks}
            errors = {}
            for turn in range(rounds):
                # Who goes first alternates, too.
                for worker in workers if turn % 2 == 0 else workers[::-1]:
                    if worker.framework in errors:
                        continue
                    answer = worker.time(index, least)
                    if isinstance(answer, str):
                        errors[worker.framework] = answer
                    else:
                        times[worker.framework].append(answer)
            results[workload] = {
                name: {"error": errors[name]}
                if name in errors
                else {"min": min(times[name]), "median": statistics.median(times[name])}
                for name in frameworks
            }
            progress(workload, results[workload])
    finally:
        for worker in workers:
            worker.close()
    return results
