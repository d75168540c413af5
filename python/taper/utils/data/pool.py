"""The loader's side of its worker processes: handing out tasks, keeping order, noticing deaths."""

import itertools
import multiprocessing
import multiprocessing.process
import os
import signal
import time
import weakref
from multiprocessing import connection

from taper.utils.data import worker
from taper.utils.data.dataset import IterableDataset
from taper.utils.data.transport import Channel

_GRACE = 5.0  # seconds for a worker to finish its sample before it is terminated

_channels = weakref.WeakSet()  # the loaders' ends, which forked children must close


class _Worker:
    """A worker process as its loader sees it."""

    def __init__(self, context, job):
        mine, theirs = context.Pipe(duplex=True)
        self.id = job.id
        self.channel = Channel(mine)
        _channels.add(self.channel)
        forked = context.get_start_method() == "fork"
        others = list(_channels) if forked else []
        self.process = context.Process(
            target=worker.run, args=(job, Channel(theirs), others), name=f"taper-loader-{job.id}", daemon=True
        )
        # The worker inherits the mask: Ctrl-C must not end it before it ignores Ctrl-C.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.active = True  # false once its part of an iterable data set has ended

    def obituary(self):
        """Why the process is gone."""
        self.process.join(1)
        code = self.process.exitcode
        label = f"DataLoader worker {self.id} (pid {self.process.pid})"
        if code is None or code >= 0:
            return f"{label} exited unexpectedly with code {code}"
        try:
            name, text = signal.Signals(-code).name, signal.strsignal(-code)
        except ValueError:
            name, text = str(-code), "unknown"
        hint = "; the system may have run out of memory" if -code == signal.SIGKILL else ""
        return f"{label} is killed by signal: {name} ({text}){hint}"


def _shut_down(workers, owner):
    """Ends the processes, within a bounded time."""
    if os.getpid() != owner:  # a forked copy of the loader: the workers are not its children
        return
    for each in workers:
        each.channel.close()
    deadline = time.monotonic() + _GRACE
    for each in workers:
        each.process.join(max(0.0, deadline - time.monotonic()))
    for end in (multiprocessing.process.BaseProcess.terminate, multiprocessing.process.BaseProcess.kill):
        alive = [each.process for each in workers if each.process.is_alive()]
        for process in alive:
            end(process)
        for process in alive:
            process.join(1)


class WorkerPool:
    """Iterates over the batches of a loader, made by its worker processes."""

    def __init__(self, loader, base_seed):
        self._loader = loader
        self._iterable = isinstance(loader.dataset, IterableDataset)
        self._limit = loader.prefetch_factor * loader.num_workers
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._workers = []
        self._close = weakref.finalize(self, _shut_down, self._workers, os.getpid())
        self._epoch = 0
        try:
            for id in range(loader.num_workers):
                self._workers.append(_Worker(context, worker.Job(loader, id, base_seed)))
            self.begin_epoch()
        except BaseException:
            self.close()
            raise

    def close(self):
        self._close()

    @property
    def alive(self):
        return self._close.alive

    @property
    def processes(self):
        return [each.process for each in self._workers]

    def begin_epoch(self):
        """Forgets what is left of the last epoch and asks for the first batches of the next."""
        self._epoch += 1
        self._keys = iter(self._loader._index_sampler)
        self._next_task = self._next_result = 0
        self._open = {}  # task -> (worker, keys), not answered yet
        self._ready = {}  # task -> (kind, value), not handed out yet
        self._turn = itertools.cycle(self._workers)
        for each in self._workers:
            each.active = True
            self._send(each, (worker.EPOCH, self._epoch))
        for _ in range(self._limit):
            self._ask()

    def _send(self, each, message):
        try:
            each.channel.send(message)
        except OSError:
            self._fail_for(each)

    def _ask(self):
        """Gives the next task to the next worker in turn that has samples left."""
        if len(self._open) + len(self._ready) >= self._limit:
            return
        for each in itertools.islice(self._turn, len(self._workers)):
            if each.active:
                break
        else:
            return
        try:
            keys = next(self._keys)
        except StopIteration:
            return
        task = self._next_task
        self._next_task += 1
        self._open[task] = (each, keys)
        self._send(each, (worker.TASK, self._epoch, task, keys))

    def next_batch(self):
        """The next batch. Raises StopIteration after the last, the worker's exception if one failed."""
        while True:
            task = self._take()
            if task is None:
                self._wait()
                continue
            kind, value = self._ready.pop(task)
            self._ask()
            if kind == worker.DATA:
                return value
            if kind == worker.ERROR:
                value.reraise()

    def _take(self):
        """The task whose answer is to be handed out now, or None if that must be waited for."""
        if not self._loader.in_order and (self._ready or self._open):
            return next(iter(self._ready), None)
        if not self._loader.in_order or self._next_result == self._next_task:
            raise StopIteration
        if self._next_result not in self._ready:
            return None
        self._next_result += 1
        return self._next_result - 1

    def _wait(self):
        """Takes in at least one answer; raises RuntimeError if a worker died or the time is over."""
        timeout = self._loader.timeout or None
        owed = {each.channel.connection: each for each, _ in self._open.values()}
        sentinels = {each.process.sentinel: each for each in owed.values()}
        ready = connection.wait([*owed, *sentinels], timeout)
        if not ready:
            self.close()
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        for end in ready:
            if end in owed:
                self._receive(owed[end])
        for end in ready:
            if end in sentinels and not sentinels[end].channel.connection.poll():
                self._fail_for(sentinels[end])

    def _receive(self, each):
        try:
            epoch, task, kind, value = each.channel.receive()
        except (EOFError, OSError):
            self._fail_for(each)
        if epoch != self._epoch:
            return
        del self._open[task]
        self._ready[task] = (kind, value)
        each.active = each.active and kind != worker.END

    def _fail_for(self, each):
        keys = next((keys for owner, keys in self._open.values() if owner is each), None)
        text = each.obituary()
        if keys is not None and not self._iterable:
            shown = repr(keys)
            text += f"; it was to fetch the samples {shown if len(shown) <= 100 else shown[:100] + '...'}"
        self.close()
        raise RuntimeError(text) from None
