"""What runs in a worker process: fetching samples and collating them."""

import contextlib
import queue
import random
import signal
import sys
import threading
import traceback

import taper
from taper.utils.data.dataset import IterableDataset

# Messages to a worker: (EPOCH, number) begins an epoch, (TASK, epoch, number, keys) asks for a batch.
# Messages from it: (epoch, number, kind, value) with one of the kinds below.
EPOCH, TASK = "epoch", "task"
DATA, END, ERROR = "data", "end", "error"


class WorkerInfo:
    """Of the worker process this code runs in: id, num_workers, seed and its own copy of the dataset."""

    def __init__(self, id, num_workers, seed, dataset):
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self):
        fields = f"id={self.id}, num_workers={self.num_workers}, seed={self.seed}, dataset={self.dataset!r}"
        return f"WorkerInfo({fields})"


_worker_info = None


def get_worker_info():
    """The WorkerInfo in a worker process, None elsewhere."""
    return _worker_info


class Fetcher:
    """Makes the batch for a list of keys, or for one key when there is no automatic batching."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.samples = iter(dataset) if isinstance(dataset, IterableDataset) else None
        self.ended = False

    def fetch(self, keys):
        """Raises StopIteration at the end of an iterable data set."""
        if self.samples is not None:
            return self.collate_fn(self._next(len(keys)) if self.auto_collation else next(self.samples))
        if not self.auto_collation:
            return self.collate_fn(self.dataset[keys])
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.collate_fn(self.dataset.__getitems__(keys))
        return self.collate_fn([self.dataset[key] for key in keys])

    def _next(self, count):
        batch = []
        while len(batch) < count and not self.ended:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
        if not batch or (self.drop_last and len(batch) < count):
            raise StopIteration
        return batch


class RemoteError:
    """An exception on its way to another process: its type and the text of its traceback."""

    def __init__(self, where):
        kind, _, _ = sys.exc_info()
        self.kind = kind
        self.text = "".join(traceback.format_exception(*sys.exc_info()))
        self.where = where

    def reraise(self):
        """Raises the same type of exception; a RuntimeError where that type cannot be made from a text."""
        message = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:  # which would show its text as one escaped line
            raise _TextKeyError(message)
        if issubclass(self.kind, StopIteration):  # would end the loop silently
            raise RuntimeError(message)
        try:
            error = self.kind(message)
        except Exception:
            raise RuntimeError(message) from None
        raise error


class _TextKeyError(KeyError):
    def __str__(self):
        return str(self.args[0])


_TextKeyError.__name__ = _TextKeyError.__qualname__ = "KeyError"


class Job:
    """All that a worker needs to know; sent to it once."""

    def __init__(self, loader, id, base_seed):
        self.dataset = loader.dataset
        self.auto_collation = loader._auto_collation
        self.collate_fn = loader.collate_fn
        self.drop_last = loader.drop_last
        self.init_fn = loader.worker_init_fn
        self.num_workers = loader.num_workers
        self.id = id
        self.base_seed = base_seed

    def make_fetcher(self):
        return Fetcher(self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


class Inbox:
    """The tasks for this worker. A thread takes them from the pipe, so that the loader never waits."""

    def __init__(self, channel):
        self.epoch = 0
        self._channel = channel
        self._tasks = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="taper-inbox", daemon=True).start()

    def _listen(self):
        try:
            while True:
                message = self._channel.receive()
                if message[0] == EPOCH:
                    self.epoch = message[1]
                self._tasks.put(message)
        except (EOFError, OSError):  # the loader closed the pipe, or is dead
            self.epoch = -1
            self._tasks.put(None)

    def __iter__(self):
        """The messages that are still of use, until the loader is gone."""
        while (message := self._tasks.get()) is not None:
            if message[1] == self.epoch:
                yield message


def _seed(job):
    seed = job.base_seed + job.id
    random.seed(seed)
    taper.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(numpy.random.SeedSequence([job.id, job.base_seed & (2**64 - 1)]).generate_state(4))


def _prepare(job):
    """Everything before the first task."""
    global _worker_info
    taper.set_num_threads(1)
    _seed(job)
    _worker_info = WorkerInfo(job.id, job.num_workers, job.base_seed + job.id, job.dataset)
    if job.init_fn is not None:
        job.init_fn(job.id)


def _serve(job, channel):
    where = f"in DataLoader worker process {job.id}"
    failure = fetcher = None
    try:
        _prepare(job)
    except Exception:
        failure = RemoteError(where)
    for kind, epoch, *task in Inbox(channel):
        if kind == EPOCH:
            fetcher = None
            continue
        number, keys = task
        if failure is None:
            try:
                fetcher = fetcher or job.make_fetcher()
            except Exception:
                failure = RemoteError(where)
        if failure is not None:
            channel.send((epoch, number, ERROR, failure))
            continue
        _answer(channel, fetcher, epoch, number, keys, where)


def _answer(channel, fetcher, epoch, number, keys, where):
    try:
        message = (epoch, number, DATA, fetcher.fetch(keys))
    except StopIteration:
        ended = fetcher.samples is not None
        message = (epoch, number, END, None) if ended else (epoch, number, ERROR, RemoteError(where))
    except Exception:
        message = (epoch, number, ERROR, RemoteError(where))
    try:
        channel.send(message)
    except OSError:
        raise
    except Exception:  # the batch, or the exception's type, cannot be pickled
        error = RemoteError(where)
        error.kind = error.kind if error.kind.__module__ == "builtins" else RuntimeError
        if message[2] == ERROR:
            error.text = message[3].text
        channel.send((epoch, number, ERROR, error))


def run(job, channel, others):
    """The body of a worker process. others are pipe ends that fork copied here and that are not its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the loader, which ends the workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    with contextlib.suppress(OSError):  # nobody waits for the batch any more
        _serve(job, channel)
