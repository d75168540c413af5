"""Starts a script in several processes, as torchrun does: python -m taper.distributed.run --nproc-per-node 2
script.py"""

import argparse
import contextlib
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
from .outputs import Outputs, local_ranks, streams


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m taper.distributed.run",
        allow_abbrev=False,
        description="Starts a script in several processes of this machine, one of --nnodes machines.",
    )
    _add_place(parser)
    _add_processes(parser)
    _add_outputs(parser)
    add = parser.add_argument
    add("-m", "--module", action="store_true", help="the script is a module's name, as for python -m")
    add("--no-python", "--no_python", action="store_true", help="the script is a program")
    add("script")
    add("arguments", nargs=argparse.REMAINDER)
    return parser


def _names(name):
    """--a-b, and --a_b, as torchrun takes it as well."""
    return dict.fromkeys((name, "--" + name[2:].replace("-", "_")))


def _add_place(parser):
    """Where the processes are."""

    def add(name, **options):
        parser.add_argument(*_names(name), **options)

    add(
        "--nproc-per-node",
        default="1",
        help="processes on this machine: a number, cpu for one per CPU, gpu for one per CUDA device, auto "
        "for gpu where there is one, else cpu",
    )
    add("--nnodes", default="1", help="machines; the command is run once on each")
    add("--node-rank", type=int, default=0, help="which of the machines this is")
    add("--master-addr", default=None, help="address of machine 0; 127.0.0.1 for one machine")
    add("--master-port", type=int, default=None, help="port on machine 0; for one machine any free one")
    add("--standalone", action="store_true", help="one machine, any free port (the default for one machine)")
    add("--rdzv-endpoint", default="", help="host:port, as --master-addr and --master-port")
    add("--rdzv-id", default=None, help="name of the job, the same on all machines")
    for name in ("--rdzv-backend", "--rdzv-conf", "--local-addr", "--start-method"):
        add(name, default=None, help="accepted for torchrun's sake")


def _add_processes(parser):
    """How they live."""

    def add(name, **options):
        parser.add_argument(*_names(name), **options)

    add(
        "--max-restarts",
        type=int,
        default=0,
        help="how often to start all processes again after one failed; on several machines give all the same",
    )
    add("--monitor-interval", type=float, default=0.1, help="seconds between looks at the processes")
    add(
        "--shutdown-timeout",
        type=float,
        default=5.0,
        help="seconds that processes have to end after they were asked to",
    )


def _add_outputs(parser):
    """Where their output goes."""

    def add(name, *short, **options):
        parser.add_argument(*short, *_names(name), **options)

    add("--log-dir", default=None, help="folder for log files; a new one in it for each job")
    add(
        "--redirects",
        "-r",
        type=streams,
        default={},
        help="streams to write to log files: 1 stdout, 2 stderr, 3 both; 0:3,1:2 for single local ranks",
    )
    add("--tee", "-t", type=streams, default={}, help="streams for log files and the console; as --redirects")
    add(
        "--local-ranks-filter", type=local_ranks, default=None, help="local ranks that the console shows: 0,1"
    )
    add("--role", default="default", help="name before the lines of --tee")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _processes(text):
    if text in ("auto", "gpu"):
        from taper import cuda

        if devices := cuda.device_count():
            return devices
        if text == "gpu":
            sys.exit("run: --nproc-per-node is gpu, but there is no CUDA device; use a number, auto or cpu")
    if text in ("auto", "cpu"):
        return len(os.sched_getaffinity(0))
    if not text.isdigit() or int(text) < 1:
        sys.exit(f"run: --nproc-per-node is {text!r}, expected a number, auto, gpu or cpu")
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
    return int(nodes), address, port


def _die_with_parent():
    """A launcher that is killed takes its processes with it (Linux: PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _command(options):
    if options.no_python:
        return [options.script, *options.arguments]
    return [sys.executable, "-u", *(["-m"] if options.module else []), options.script, *options.arguments]


def _environments(count, nodes=1, node_rank=0, *, address, port, run_id="none", attempt=0, max_restarts=0):
    """What the processes of this machine are told, by local rank."""
    shared = {
        "WORLD_SIZE": count * nodes,
        "LOCAL_WORLD_SIZE": count,
        "GROUP_RANK": node_rank,
        "GROUP_WORLD_SIZE": nodes,
        "MASTER_ADDR": address,
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": run_id,
        "TORCHELASTIC_RESTART_COUNT": attempt,
        "TORCHELASTIC_MAX_RESTARTS": max_restarts,
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = max(1, len(os.sched_getaffinity(0)) // count)
    if nodes == 1 and "TAPER_JOB_SECRET" not in os.environ:
        shared["TAPER_JOB_SECRET"] = secrets.token_hex(32)
    result = []
    for local in range(count):
        rank = node_rank * count + local
        own = {"RANK": rank, "LOCAL_RANK": local, "ROLE_RANK": rank, "ROLE_WORLD_SIZE": count * nodes}
        result.append({name: str(value) for name, value in {**shared, **own}.items()})
    return result


def _start_all(options, nodes, address, port, count, attempt, notes, outputs):
    environments = _environments(
        count,
        nodes,
        options.node_rank,
        address=address,
        port=port or _free_port(),
        run_id=options.rdzv_id or "none",
        attempt=attempt,
        max_restarts=options.max_restarts,
    )
    processes = []
    for local, own in enumerate(environments):
        env = {**os.environ, **own, "TORCHELASTIC_ERROR_FILE": _note(notes, attempt, local)}
        processes.append(
            outputs.start(_command(options), attempt, local, env=env, preexec_fn=_die_with_parent)
        )
    return processes


def _note(folder, attempt, local):
    """Where a process writes what it failed of."""
    return os.path.join(folder, f"{attempt}-{local}.json")


def _end_all(processes, seconds, number=signal.SIGTERM):
    """Asks by a signal; kills those that have not ended some seconds later."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
    deadline = time.monotonic() + seconds
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


def _failure(process, rank, note):
    """What to say of the process that failed."""
    said = message_in(note)
    return f"run: rank {rank} (process {process.pid}) failed: {_describe(process.returncode)}" + (
        f": {said}" if said else ""
    )


def main(arguments=None):
    """Runs until all processes end; returns the exit code."""
    options = _parser().parse_args(arguments)
    nodes, address, port = _place(options)
    count = _processes(options.nproc_per_node)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    outputs = Outputs(
        options.log_dir,
        options.rdzv_id or "none",
        options.redirects,
        options.tee,
        options.local_ranks_filter,
        options.role,
    )
    processes, notes = [], tempfile.TemporaryDirectory(prefix="taper-run-")
    try:
        for attempt in range(options.max_restarts + 1):
            processes = _start_all(options, nodes, address, port, count, attempt, notes.name, outputs)
            failed = _watch(processes, options.monitor_interval)
            if failed is None:
                return 0
            rank = options.node_rank * count + failed
            text = _failure(processes[failed], rank, _note(notes.name, attempt, failed))
            then = "starting all again" if attempt < options.max_restarts else "ending the others"
            print(f"{text}; {then}", file=sys.stderr, flush=True)
            _end_all(processes, options.shutdown_timeout)
        return 1
    except _Interrupted as interrupted:
        _end_all(processes, options.shutdown_timeout, interrupted.args[0])
        return 128 + interrupted.args[0]
    finally:
        _end_all(processes, options.shutdown_timeout, signal.SIGKILL)
        outputs.finish()
        notes.cleanup()


if __name__ == "__main__":
    sys.exit(main())
