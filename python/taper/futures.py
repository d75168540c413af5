"""Future: a value that will be there."""

import threading


class Future:
    """A value that a collective, a callback or `set_result` will give."""

    def __init__(self, *, devices=None):
        self._compute = None
        self._done = threading.Event()
        self._lock = threading.RLock()
        self._value, self._error, self._callbacks = None, None, []

    def __class_getitem__(cls, of):
        """Future: what is inside is said for readers only."""
        return cls

    @classmethod
    def _of(cls, compute, is_ready=lambda: False):
        """A future whose value compute() gives; it is called once, by the first who waits."""
        future = cls()
        future._compute, future._is_ready = compute, is_ready
        return future

    def _settle(self):
        with self._lock:
            if self._compute is None or self._done.is_set():
                return
            try:
                value = self._compute()
            except Exception as error:
                self.set_exception(error)
            else:
                self.set_result(value)

    def done(self):
        """Whether the value is there, or an exception."""
        if not self._done.is_set() and self._compute is not None and self._is_ready():
            self._settle()
        return self._done.is_set()

    def wait(self):
        """The value, once it is there; raises what made it fail."""
        self._settle()
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def value(self):
        """The value, which must be there."""
        if not self.done():
            raise RuntimeError("Future.value: the value is not there yet; call wait()")
        return self.wait()

    def then(self, callback):
        """A future for callback(this future)."""
        if self._compute is not None:
            return Future._of(lambda: (self._settle(), callback(self))[1], self.done)
        result = Future()

        def follow(future):
            try:
                result.set_result(callback(future))
            except Exception as error:
                result.set_exception(error)

        self.add_done_callback(follow)
        return result

    def add_done_callback(self, callback):
        """Calls callback(this future) once the value is there."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def set_result(self, result):
        """Gives the value."""
        self._value = result
        self._finish()

    def set_exception(self, error):
        """Makes wait() raise."""
        self._error = error
        self._finish()

    def _finish(self):
        with self._lock:
            if self._done.is_set():
                raise RuntimeError("Future can only be marked completed once")
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


def collect_all(futures):
    """A future for the list of futures, once all are done."""

    def wait_all():
        for future in futures:
            future.wait()
        return futures

    return Future._of(wait_all, lambda: all(future.done() for future in futures))


def wait_all(futures):
    """The values of all futures."""
    return [future.wait() for future in futures]
