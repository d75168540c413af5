"""Times taper.distributed beside torch.distributed on Gloo: python -m benchmarks.distributed.

All-reduce by size, and steps of DistributedDataParallel on 2 processes of one thread each; over loopback, and
with --link (as root, Linux) between two network namespaces joined by a link of 1 Gbit/s, where it also says
how much of the communication backward hides. The frameworks' processes stay; many short rounds alternate
between them, and figures are the minima of all rounds.
"""

import argparse
import contextlib
import json
import os
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
import time

from .runner import ROOT, environment, importable

RATE = "1gbit"
SIZES = [1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20, 256 << 20]  # bytes of an all_reduce
MODELS = ("mlp", "lenet", "gpt")
LEAST = 0.1  # seconds that a task measures in a round
PATIENCE = 120  # seconds to wait for an answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loopback:
    """All ranks on this machine."""

    address = "127.0.0.1"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def prefix(self, rank):
        return []


class Link:
    """Each rank in a network namespace, two of them, joined by a veth pair that tc shapes."""

    address = "10.78.0.1"

    def __enter__(self):
        names = [self.name(rank) for rank in range(2)]
        for name in names:
            self.run(f"ip netns add {name}")
            self.run(f"ip -n {name} link set lo up")
        self.run(f"ip -n {names[0]} link add eth0 type veth peer name eth0 netns {names[1]}")
        for rank, name in enumerate(names):
            self.run(f"ip -n {name} addr add 10.78.0.{rank + 1}/24 dev eth0")
            self.run(f"ip -n {name} link set eth0 up")
            self.run(
                f"ip netns exec {name} tc qdisc add dev eth0 root tbf rate {RATE} burst 256kb latency 50ms"
            )
        return self

    def __exit__(self, *exception):
        for rank in range(2):
            subprocess.run(["ip", "netns", "del", self.name(rank)], check=False)

    def name(self, rank):
        return f"taperbench{os.getpid()}r{rank}"

    def run(self, command):
        subprocess.run(command.split(), check=True)

    def prefix(self, rank):
        return ["ip", "netns", "exec", self.name(rank)]


class Failed(Exception):
    """A job that ended, or did not answer in time."""


class Job:
    """The ranks of one framework, which wait for tasks."""

    def __init__(self, place, python, framework, ranks=2):
        self.framework, self.notes = framework, tempfile.TemporaryFile("w+")
        port, secret, self.processes = str(free_port()), secrets.token_hex(16), []
        for rank in range(ranks):
            env = environment(1)
            env.update(RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR=place.address, MASTER_PORT=port)
            env.update(TAPER_JOB_SECRET=secret, GLOO_SOCKET_IFNAME="eth0" if place.prefix(0) else "lo")
            self.processes.append(
                subprocess.Popen(
                    [*place.prefix(rank), python, "-m", "benchmarks.distributed_worker", framework],
                    cwd=ROOT,
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self.notes,
                    text=True,
                )
            )

    def seconds(self, *task, batch=1, repeats=1):
        """The quickest call of a task."""
        line = json.dumps({"task": task, "batch": batch, "repeats": repeats}) + "\n"
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            for process in self.processes:
                process.stdin.write(line)
                process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self.processes[0].stdout, selectors.EVENT_READ)
                if not selector.select(PATIENCE):
                    raise Failed(f"{self.framework} {task}: no answer within {PATIENCE} s" + self.said())
            answer = self.processes[0].stdout.readline()
        if not answer:
            raise Failed(f"{self.framework} {task}: its process has ended" + self.said())
        return json.loads(answer)["seconds"]

    def said(self):
        """The end of what the ranks wrote to standard error."""
        self.notes.seek(0)
        text = self.notes.read()[-2000:].strip()
        return f":\n{text}" if text else ""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.notes.close()


def compare(place, pythons, tasks, rounds):
    """By task and framework: minima of all rounds, in seconds. A framework that fails is left out from there
    on, with a line that says so."""
    found = {task: {} for task in tasks}
    with place, contextlib.ExitStack() as stack:
        jobs = [stack.enter_context(Job(place, python, name)) for name, python in pythons.items()]
        for turn in range(rounds):
            for task in tasks:
                for job in list(jobs) if turn % 2 == 0 else jobs[::-1]:
                    known = found[task].get(job.framework)
                    batch, repeats = shape_of(task, known)
                    try:
                        seconds = job.seconds(*task, batch=batch, repeats=repeats)
                    except Failed as failure:
                        print(f"left out: {failure}", flush=True)
                        jobs.remove(job)
                        continue
                    found[task][job.framework] = min(seconds, known or seconds)
    return found


def shape_of(task, known):
    """(calls in a batch, batches): small all-reduces are timed together."""
    if known is None:
        return 1, 2
    batch = 20 if task[0] == "all_reduce" and known < 2e-3 else 1
    return batch, max(2, min(20, int(LEAST / (known * batch))))


def ratios(row):
    """How much quicker Taper is than each of the others."""
    own = row.get("taper")
    return "  ".join(f"{value / own:5.2f}x" for name, value in row.items() if name != "taper" and own)


def report_all_reduce(found, names):
    print("all_reduce, milliseconds: " + ", ".join(names) + ", and how much quicker Taper is")
    for (_, size), row in found.items():
        text = "  ".join(f"{1e3 * row.get(name, float('nan')):9.3f}" for name in names)
        print(f"  {size // 1024:9} KiB  {text}  {ratios(row)}", flush=True)


def report_steps(found, names, title, hides=False):
    """hides: also how much of the communication backward hides, where the processors do not carry it."""
    print(f"DistributedDataParallel, milliseconds a step, {title}: " + ", ".join(names))
    for model in MODELS:
        rows = {kind: found.get((kind, model), {}) for kind in ("step", "compute", "reduce")}
        text = "  ".join(f"{1e3 * rows['step'].get(name, float('nan')):9.2f}" for name in names)
        hidden = []
        for name in names:
            if hides and all(name in row for row in rows.values()):
                shown = rows["step"][name] - rows["compute"][name]
                hidden.append(f"{100 * (1 - shown / rows['reduce'][name]):4.0f} %")
        note = f"  of communication hidden: {', '.join(hidden)}" if hidden else ""
        print(f"  {model:8} {text}  {ratios(rows['step'])}{note}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("--vs", default="torch", help="frameworks to compare with; '' for none")
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--link", action="store_true", help="also over a shaped link (as root)")
    parser.add_argument("--only", choices=("all_reduce", "steps"), help="one part of it")
    options = parser.parse_args()
    chosen = dict(entry.split("=", 1) for entry in options.python)
    names = ["taper", *(name for name in options.vs.split(",") if name)]
    pythons = {name: chosen.get(name, sys.executable) for name in names}
    pythons = {name: python for name, python in pythons.items() if importable(name, python)}
    names, begin = list(pythons), time.monotonic()
    reduces = [("all_reduce", size) for size in SIZES]
    steps = [(kind, model) for model in MODELS for kind in ("step", "compute", "reduce")]
    if options.only != "steps":
        report_all_reduce(compare(Loopback(), pythons, reduces, options.rounds), names)
    if options.only != "all_reduce":
        own = [task for task in steps if task[0] == "step"]
        report_steps(compare(Loopback(), pythons, own, options.rounds), names, "loopback")
    if options.link:
        report_steps(compare(Link(), pythons, steps, options.rounds), names, f"link of {RATE}", hides=True)
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
