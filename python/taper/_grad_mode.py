"""no_grad and its relatives: context managers that also decorate functions."""

import functools
import inspect

from . import _C


class _Mode:
    """Sets a mode on entry and restores it on exit; as a decorator, around each call."""

    def _set(self, value):
        raise NotImplementedError

    def _get(self):
        raise NotImplementedError

    def __init__(self, value):
        self.value = value
        self.before = []

    def __enter__(self):
        self.before.append(self._get())
        self._set(self.value)
        return self

    def __exit__(self, *exception):
        self._set(self.before.pop())

    def _fresh(self):
        return type(self)()

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):
            return self._decorate_generator(function)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with self._fresh():
                return function(*args, **kwargs)

        return wrapper

    def _decorate_generator(self, function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            generator = function(*args, **kwargs)
            sent = None
            while True:
                with self._fresh():
                    try:
                        value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return wrapper


class _GradMode(_Mode):
    def _set(self, value):
        _C._set_grad_enabled(value)

    def _get(self):
        return _C.is_grad_enabled()


class no_grad(_GradMode):
    """Operations are not recorded within."""

    def __new__(cls, function=None):
        mode = super().__new__(cls)
        if function is None:
            return mode
        mode.__init__()
        return mode(function)

    def __init__(self, function=None):
        super().__init__(False)


class enable_grad(_GradMode):
    """Operations are recorded within, also inside of no_grad."""

    def __new__(cls, function=None):
        mode = super().__new__(cls)
        if function is None:
            return mode
        mode.__init__()
        return mode(function)

    def __init__(self, function=None):
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Sets the mode at once; as a context manager, restores it on exit."""

    def __init__(self, mode):
        super().__init__(bool(mode))
        self.before.append(self._get())
        self._set(self.value)

    def __enter__(self):
        self._set(self.value)
        return self

    def __call__(self, function):
        self._set(self.before[-1])
        return super().__call__(function)

    def _fresh(self):
        return set_grad_enabled(self.value)


class inference_mode(_Mode):
    """Nothing made within ever enters a graph."""

    def __new__(cls, mode=True):
        if callable(mode):
            instance = super().__new__(cls)
            instance.__init__(True)
            return instance(mode)
        return super().__new__(cls)

    def __init__(self, mode=True):
        super().__init__(bool(mode))

    def _set(self, value):
        inference, grad = value if isinstance(value, tuple) else (value, not value and _C.is_grad_enabled())
        _C._set_inference_mode(inference)
        _C._set_grad_enabled(grad)

    def _get(self):
        return _C.is_inference_mode_enabled(), _C.is_grad_enabled()

    def _fresh(self):
        return inference_mode(self.value)
