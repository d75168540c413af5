"""Starts a script in several processes, as torchrun does: python -m taper.distributed.run --nproc-per-node 2
script.py"""

import argparse
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

from .elastic.multiprocessing.errors import message_in

_GRACE = 5.0  # seconds between asking a process to end and ending it


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m taper.distributed.run",
        allow_abbrev=False,
        description="Starts a script in several processes of this machine, one of --nnodes machines.",
    )
    add = parser.add_argument
    add(
        "--nproc-per-node",
        "--nproc_per_node",
        default="1",
        help="processes on this machine: a number, or auto for one per CPU",
    )
    add("--nnodes", default="1", help="machines; the command is run once on each")
    add("--node-rank", "--node_rank", type=int, default=0, help="which of the machines this is")
    add(
        "--master-addr", "--master_addr", default=None, help="address of machine 0; 127.0.0.1 for one machine"
    )
    add(
        "--master-port",
        "--master_port",
        type=int,
        default=None,
        help="port on machine 0; for one machine any free one",
    )
    add("--standalone", action="store_true", help="one machine, any free port (the default for one machine)")
    add(
        "--max-restarts",
        "--max_restarts",
        type=int,
        default=0,
        help="how often to start all processes again after one failed (one machine)",
    )
    add("--rdzv-backend", "--rdzv_backend", default="static", help="accepted for torchrun's sake")
    add(
        "--rdzv-endpoint", "--rdzv_endpoint", default="", help="host:port, as --master-addr and --master-port"
    )
    add("--rdzv-id", "--rdzv_id", default=None, help="name of the job, the same on all machines")
    add(
        "--monitor-interval",
        "--monitor_interval",
        type=float,
        default=0.1,
        help="seconds between looks at the processes",
    )
    add("-m", "--module", action="store_true", help="the script is a module's name, as for python -m")
    add("--no-python", "--no_python", action="store_true", help="the script is a program")
    add("script")
    add("arguments", nargs=argparse.REMAINDER)
    return parser


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _processes(text):
    if text in ("auto", "cpu"):
        return len(os.sched_getaffinity(0))
    if not text.isdigit() or int(text) < 1:
        sys.exit(f"run: --nproc-per-node is {text!r}, expected a number, auto or cpu")
    return int(text)


def _place(options):
    """(machines, address, port): port None stands for any free one."""
    nodes = options.nnodes.split(":")[-1]
    if not nodes.isdigit() or int(nodes) < 1:
        sys.exit(f"run: --nnodes is {options.nnodes!r}, expected a number")
    address, port = options.master_addr, options.master_port
    if options.rdzv_endpoint:
        host, _, number = options.rdzv_endpoint.rpartition(":")
        address, port = (
            address or host or number,
            port or (int(number) if host and number.isdigit() else None),
        )
    if options.standalone or int(nodes) == 1:
        return 1, address or "127.0.0.1", None if options.standalone or not port else port
    if not address or not port:
        sys.exit("run: with --nnodes above 1, --master-addr and --master-port say where machine 0 is")
    if not 0 <= options.node_rank < int(nodes):
        sys.exit(f"run: --node-rank is {options.node_rank}, expected 0 to {int(nodes) - 1}")
    if options.max_restarts:
        sys.exit("run: --max-restarts works on one machine only")
    return int(nodes), address, port


def _die_with_parent():
    """A launcher that is killed takes its processes with it (Linux: PR_SET_PDEATHSIG)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    except (OSError, AttributeError):
        pass


def _command(options):
    if options.no_python:
        return [options.script, *options.arguments]
    return [sys.executable, "-u", *(["-m"] if options.module else []), options.script, *options.arguments]


def _start_all(options, nodes, address, port, count, attempt, notes):
    shared = {
        "WORLD_SIZE": count * nodes,
        "LOCAL_WORLD_SIZE": count,
        "GROUP_RANK": options.node_rank,
        "GROUP_WORLD_SIZE": nodes,
        "MASTER_ADDR": address,
        "MASTER_PORT": port or _free_port(),
        "TORCHELASTIC_RUN_ID": options.rdzv_id or "none",
        "TORCHELASTIC_RESTART_COUNT": attempt,
        "TORCHELASTIC_MAX_RESTARTS": options.max_restarts,
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = max(1, len(os.sched_getaffinity(0)) // count)
    if nodes == 1 and "TAPER_JOB_SECRET" not in os.environ:
        shared["TAPER_JOB_SECRET"] = secrets.token_hex(32)
    processes = []
    for local in range(count):
        rank = options.node_rank * count + local
        own = {"RANK": rank, "LOCAL_RANK": local, "ROLE_RANK": rank, "ROLE_WORLD_SIZE": count * nodes}
        own["TORCHELASTIC_ERROR_FILE"] = _note(notes, attempt, local)
        env = {**os.environ, **{name: str(value) for name, value in {**shared, **own}.items()}}
        processes.append(subprocess.Popen(_command(options), env=env, preexec_fn=_die_with_parent))
    return processes


def _note(folder, attempt, local):
    """Where a process writes what it failed of."""
    return os.path.join(folder, f"{attempt}-{local}.json")


def _end_all(processes, number=signal.SIGTERM):
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
    deadline = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watch(processes, interval):
    """Until all have ended well (None), or one has not: its local rank."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [local for local, code in enumerate(codes) if code]
        if failed:
            # Those that heard of it fail as well; who was killed comes first.
            return min(failed, key=lambda local: (codes[local] > 0, local))
        if None not in codes:
            return None
        time.sleep(interval)


def _describe(code):
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class _Interrupted(Exception):
    pass


def _interrupt(number, frame):
    raise _Interrupted(number)


def main(arguments=None):
    """Runs until all processes end; returns the exit code."""
    options = _parser().parse_args(arguments)
    nodes, address, port = _place(options)
    count = _processes(options.nproc_per_node)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    processes, notes = [], tempfile.TemporaryDirectory(prefix="taper-run-")
    try:
        for attempt in range(options.max_restarts + 1):
            processes = _start_all(options, nodes, address, port, count, attempt, notes.name)
            failed = _watch(processes, options.monitor_interval)
            if failed is None:
                return 0
            first = options.node_rank * count
            text = f"run: rank {first + failed} (process {processes[failed].pid}) failed: " + _describe(
                processes[failed].returncode
            )
            said = message_in(_note(notes.name, attempt, failed))
            text += f": {said}" if said else ""
            again = attempt < options.max_restarts
            print(
                f"{text}; {'starting all again' if again else 'ending the others'}",
                file=sys.stderr,
                flush=True,
            )
            _end_all(processes)
        return 1
    except _Interrupted as interrupted:
        _end_all(processes, interrupted.args[0])
        return 128 + interrupted.args[0]
    finally:
        _end_all(processes, signal.SIGKILL)
        notes.cleanup()


if __name__ == "__main__":
    sys.exit(main())
