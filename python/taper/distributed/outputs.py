"""Where the processes that a starter starts write: to its console, to files, or to both."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading

_STREAMS = {1: "stdout", 2: "stderr"}
_ALL = -1


def streams(text):
    """By local rank (-1: all) the streams, 1 for stdout, 2 for stderr, 3 for both, of "3" or "0:1,1:2".
    Raises argparse.ArgumentTypeError for other texts."""
    found = {}
    for part in text.split(","):
        rank, colon, number = part.rpartition(":")
        if number not in ("0", "1", "2", "3") or (colon and not rank.isdigit()):
            raise argparse.ArgumentTypeError(
                f"{text!r}, expected 0 to 3, or such a number for each local rank as in 0:3,1:2"
            )
        found[int(rank) if colon else _ALL] = int(number)
    return found


def local_ranks(text):
    """The numbers in "0,2". Raises ValueError for other texts."""
    return {int(number) for number in text.split(",")}


class Outputs:
    """Starts processes. Those streams that redirects names go to log_dir/RUN_.../attempt_N/RANK/stdout.log
    (or stderr.log), those that tee names there and to the console, behind [ROLE RANK]:, and all others to the
    console; of local ranks that are not among shown (None: all are) nothing comes to the console."""

    def __init__(self, log_dir=None, run_id="none", redirects=None, tee=None, shown=None, role="default"):
        self.redirects, self.tee, self.shown, self.role = redirects or {}, tee or {}, shown, role
        self.threads, self.folder = [], None
        if any(self.redirects.values()) or any(self.tee.values()):
            if log_dir:
                os.makedirs(log_dir, exist_ok=True)
            self.folder = tempfile.mkdtemp(prefix=f"{run_id}_", dir=log_dir)
            print(f"run: logs are written to {self.folder}", file=sys.stderr, flush=True)

    def start(self, command, attempt, local, **options):
        """Popen(command, **options), its output where it belongs."""
        with contextlib.ExitStack() as files:
            ways = {name: self._way(number, name, attempt, local, files) for number, name in _STREAMS.items()}
            process = subprocess.Popen(command, **{name: way[0] for name, way in ways.items()}, **options)
            for name, (way, file) in ways.items():
                if way == subprocess.PIPE:
                    self._copy(getattr(process, name), file, name, local)
        return process

    def _way(self, number, name, attempt, local, files):
        """(what Popen takes, the file to copy it to)."""
        shown = self.shown is None or local in self.shown
        tee = self._asked(self.tee, local) & number
        if not tee and not self._asked(self.redirects, local) & number:
            return (None if shown else subprocess.DEVNULL), None
        folder = os.path.join(self.folder, f"attempt_{attempt}", str(local))
        os.makedirs(folder, exist_ok=True)
        file = open(os.path.join(folder, name + ".log"), "ab", buffering=0)
        if tee and shown:
            return subprocess.PIPE, file
        return files.enter_context(file), None

    @staticmethod
    def _asked(chosen, local):
        return chosen.get(local, chosen.get(_ALL, 0))

    def _copy(self, pipe, file, name, local):
        """Copies line by line, in a thread, until the process and all that it started close the stream."""
        console, prefix = getattr(sys, name), f"[{self.role}{local}]:".encode()

        def run():
            with pipe, file:
                for line in pipe:
                    file.write(line)
                    # A console that is gone must not stop the process.
                    with contextlib.suppress(OSError, ValueError):
                        console.buffer.write(prefix + line)
                        console.flush()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)

    def finish(self, seconds=5):
        """Waits until what ended processes wrote is copied."""
        for thread in self.threads:
            thread.join(seconds)
