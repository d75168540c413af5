"""DataLoader: batches of a data set, made here or by worker processes."""

import itertools
import warnings
from typing import Generic, TypeVar

from taper.utils.data.collate import default_collate, default_convert
from taper.utils.data.datapipes.datapipe import IterDataPipe
from taper.utils.data.dataset import IterableDataset
from taper.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from taper.utils.data.worker import Fetcher, get_worker_info  # noqa: F401

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Endless:
    """The sampler of an iterable data set, whose keys mean nothing."""

    def __iter__(self):
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Iterates over batches of a data set. Arguments, defaults and errors are those of PyTorch's DataLoader.

    dataset             a Dataset (by keys) or an IterableDataset
    batch_size          samples in a batch; None gives single samples
    shuffle             a new random order in each epoch
    sampler             yields keys; excludes shuffle
    batch_sampler       yields lists of keys; excludes batch_size, shuffle, sampler and drop_last
    num_workers         processes that make batches; 0 makes them in this one
    collate_fn          joins a list of samples; default_collate, or default_convert without batches
    pin_memory          copies tensors into page-locked memory, where there is a CUDA device
    drop_last           leaves out a last batch that is too short
    timeout             seconds to wait for a batch; 0 waits for ever (a dead worker is noticed at once)
    worker_init_fn      called in each worker with its number
    multiprocessing_context   a context or the name of a start method
    generator           draws the order and the workers' seeds
    prefetch_factor     batches made ahead per worker (2)
    persistent_workers  keeps the workers from epoch to epoch
    in_order            hands out batches in the sampler's order; False takes what is ready
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers

        iterable = isinstance(dataset, IterableDataset)
        if isinstance(dataset, IterDataPipe):
            if shuffle is not None:
                dataset.set_shuffle(shuffle)
        elif iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        _check_exclusions(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if iterable:
                sampler = _Endless()
            else:
                sampler = (
                    RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
                )
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self._promised = None  # len(self), once somebody asked an iterable data set
        self._iterator = None
        self._initialized = True

    def __setattr__(self, name, value):
        if name in _FIXED and getattr(self, "_initialized", False):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self):
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context):
        if context is not None and not self.num_workers:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                f"but got num_workers={self.num_workers}"
            )
        if isinstance(context, str):
            import multiprocessing

            known = multiprocessing.get_all_start_methods()
            if context not in known:
                raise ValueError(
                    "multiprocessing_context option should specify a valid start method in "
                    f"{known!r}, but got multiprocessing_context={context!r}"
                )
            context = multiprocessing.get_context(context)
        elif context is not None and not hasattr(context, "get_start_method"):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string specifying "
                f"the start method, but got multiprocessing_context={context!r}"
            )
        self._context = context

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self):
        if not self.num_workers:
            return _BaseDataLoaderIter(self, _Local(self))
        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self, self._start_workers())
        if self._iterator is None or not self._iterator.alive:
            self._iterator = _MultiProcessingDataLoaderIter(self, self._start_workers())
        else:
            self._iterator.restart()
        return self._iterator

    def _start_workers(self):
        from taper.utils.data.pool import WorkerPool  # multiprocessing is not needed before

        return WorkerPool(self, draw_seed(self.generator))

    def __len__(self):
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is not None:
            full, rest = divmod(length, self.batch_size)
            length = full if self.drop_last or not rest else full + 1
        self._promised = length
        return length


class _Local:
    """Makes the batches in this process."""

    alive = True

    def __init__(self, loader):
        draw_seed(loader.generator)  # as with workers, so that their number does not change later draws
        self._keys = iter(loader._index_sampler)
        self._fetcher = Fetcher(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def next_batch(self):
        keys = next(self._keys)
        try:
            return self._fetcher.fetch(keys)
        except StopIteration as error:
            if self._fetcher.samples is not None:
                raise
            raise RuntimeError("the data set raised StopIteration for a key its sampler gave") from error


class _BaseDataLoaderIter:
    """The iterator over one epoch; with persistent workers, over one epoch after another."""

    def __init__(self, loader, maker):
        self._loader = loader
        self._maker = maker
        self._count = 0
        self._finished = False

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader._index_sampler)

    @property
    def alive(self):
        return self._maker.alive

    def restart(self):
        self._count = 0
        self._finished = False
        self._maker.begin_epoch()

    def __next__(self):
        if self._finished:
            raise StopIteration
        try:
            batch = self._maker.next_batch()
        except StopIteration:
            self._finished = True
            if not self._loader.persistent_workers and self._loader.num_workers:
                self._maker.close()
            raise
        self._count += 1
        self._warn_of_false_length()
        if self._loader.pin_memory:
            batch = _pin(batch)
        return batch

    def _warn_of_false_length(self):
        promised = self._loader._promised
        if promised is None or self._count <= promised:
            return
        warnings.warn(
            f"Length of IterableDataset {self._loader.dataset} was reported to be {promised} (when accessing "
            f"len(dataloader)), but {self._count} samples have been fetched.",
            stacklevel=3,
        )
        self._loader._promised = None


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """The same over batches that workers make."""

    def _shutdown_workers(self):
        self._maker.close()


def _pin(value):
    """value with its tensors in page-locked memory."""
    if hasattr(value, "pin_memory"):
        return value.pin_memory()
    if isinstance(value, dict):
        return type(value)((key, _pin(item)) for key, item in value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_pin, value))
    return type(value)(map(_pin, value)) if isinstance(value, (list, tuple)) else value


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers):
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if not num_workers and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. "
            "Let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(f"prefetch_factor option should be at least 1, got {prefetch_factor}")
    if persistent_workers and not num_workers:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle, sampler, batch_sampler):
    for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None and value is not False:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def _check_exclusions(batch_size, shuffle, sampler, batch_sampler, drop_last):
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
        )
    if batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
