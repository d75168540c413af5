"""What all pipes are."""

from ..dataset import IterableDataset


class IterDataPipe(IterableDataset):
    """An IterableDataset that is made of others. Each kind of pipe is a method of all:
    `pipe.shuffle()` is `Shuffler(pipe)`."""

    _methods = {}

    def __getattr__(self, name):
        if name not in IterDataPipe._methods:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        kind = IterDataPipe._methods[name]
        return lambda *args, **kwargs: kind(self, *args, **kwargs)

    @classmethod
    def register_function(cls, name, kind):
        """Makes kind the method of this name."""
        cls._methods[name] = kind

    def set_shuffle(self, shuffle):
        """Turns every Shuffler on or off that this one's samples come through."""
        for value in vars(self).values():
            if isinstance(value, IterDataPipe):
                value.set_shuffle(shuffle)
        return self


def functional_datapipe(name):
    """Decorator: a kind of pipe that is the method of this name of all others."""

    def register(kind):
        IterDataPipe.register_function(name, kind)
        return kind

    return register
