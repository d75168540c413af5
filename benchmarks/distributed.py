"""Times taper.distributed beside torch.distributed on Gloo: python -m benchmarks.distributed.

All-reduce by size, and steps of DistributedDataParallel on 2 processes of one thread each; over loopback, and
with --link (as root, Linux) between two network namespaces joined by a link of 1 Gbit/s, where it also says
how much of the communication backward hides. Frameworks alternate round by round; ratios are of minima.
"""

import argparse
import json
import os
import socket
import subprocess
import sys

from .runner import environment, importable

RATE = "1gbit"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loopback:
    """All ranks on this machine."""

    address = "127.0.0.1"

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


def measure(place, python, framework, *task, ranks=2, seconds=180):
    """What rank 0 of a job prints."""
    port = str(free_port())
    processes = []
    for rank in range(ranks):
        env = environment(1)
        env.update(RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR=place.address, MASTER_PORT=port)
        env.update(TAPER_JOB_SECRET="benchmark", GLOO_SOCKET_IFNAME="eth0" if place.prefix(0) else "lo")
        processes.append(
            subprocess.Popen(
                [*place.prefix(rank), python, "-m", "benchmarks.distributed_worker", framework, *task],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        outs = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(process.returncode for process in processes):
        raise SystemExit(f"{framework} {task}: " + "\n".join(err[-2000:] for _, err in outs))
    return json.loads(outs[0][0].splitlines()[-1])


def smallest(old, new):
    """Minima of two results, number by number."""
    if old is None:
        return new
    if isinstance(new, dict):
        return {key: smallest(old[key], value) for key, value in new.items()}
    return min(old, new)


def compare(place, pythons, rounds, *task):
    """By framework: the minima of all rounds."""
    found = dict.fromkeys(pythons)
    for _ in range(rounds):
        for name, python in pythons.items():
            found[name] = smallest(found[name], measure(place, python, name, *task))
    return found


def ratios(row):
    return "  ".join(f"{value / row['taper']:5.2f}x" for name, value in row.items() if name != "taper")


def report_all_reduce(found):
    print("all_reduce, milliseconds: " + ", ".join(found) + ", and how much quicker Taper is")
    for size in found["taper"]:
        row = {name: result[size] for name, result in found.items()}
        text = "  ".join(f"{1e3 * value:9.3f}" for value in row.values())
        print(f"  {int(size) / 1024:9.0f} KiB  {text}  {ratios(row)}", flush=True)


def report_steps(found, title):
    print(f"DistributedDataParallel, milliseconds a step, {title}: " + ", ".join(found))
    for name in found["taper"]:
        row = {framework: result[name]["step"] for framework, result in found.items()}
        text = "  ".join(f"{1e3 * value:9.2f}" for value in row.values())
        hidden = []
        for result in found.values():
            entry = result[name]
            shown = entry["step"] - entry["compute"]
            hidden.append(f"{100 * (1 - shown / entry['reduce']):4.0f} %")
        print(f"  {name:8} {text}  {ratios(row)}  of communication hidden: {', '.join(hidden)}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("--vs", default="torch", help="frameworks to compare with; '' for none")
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--link", action="store_true", help="also over a shaped link (as root)")
    parser.add_argument("--long", action="store_true", help="also an all_reduce of 256 MiB")
    options = parser.parse_args()
    chosen = dict(entry.split("=", 1) for entry in options.python)
    names = ["taper", *(name for name in options.vs.split(",") if name)]
    pythons = {name: chosen.get(name, sys.executable) for name in names}
    pythons = {name: python for name, python in pythons.items() if importable(name, python)}
    loopback = Loopback()
    long = ["long"] if options.long else []
    report_all_reduce(compare(loopback, pythons, options.rounds, "all_reduce", *long))
    models = ("mlp", "lenet", "gpt")
    report_steps(compare(loopback, pythons, options.rounds, "data_parallel", *models), "loopback")
    if options.link:
        with Link() as link:
            report_steps(compare(link, pythons, options.rounds, "data_parallel", *models), f"link of {RATE}")


if __name__ == "__main__":
    main()
