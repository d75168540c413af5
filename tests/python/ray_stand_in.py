"""What taper.distributed.ray uses of Ray, on this machine alone: an actor is a forked process that calls what
it is told. Stands in where Ray is not installed."""

import os
import pickle
import signal
import traceback
from multiprocessing.connection import Pipe
from multiprocessing.connection import wait as wait_for
from types import SimpleNamespace

_state = SimpleNamespace(cpus=0, actors=[])


class RayActorError(Exception):
    pass


class RayTaskError(Exception):
    pass


exceptions = SimpleNamespace(RayActorError=RayActorError, RayTaskError=RayTaskError)
util = SimpleNamespace(get_node_ip_address=lambda: "127.0.0.1")


def get_runtime_context():
    return SimpleNamespace(get_node_id=lambda: "this machine")


def init(num_cpus=1, **options):
    _state.cpus = num_cpus


def is_initialized():
    return _state.cpus > 0


def shutdown():
    for actor in list(_state.actors):
        kill(actor)
    _state.cpus = 0


def cluster_resources():
    return {"CPU": _state.cpus}


def available_resources():
    return {"CPU": _state.cpus - len(_state.actors)}


class _Result:
    """Of one call of an actor."""

    def __init__(self, actor):
        self.actor, self.answer = actor, None

    def fetch(self):
        if self.answer is None:
            try:
                self.answer = pickle.loads(self.actor.pipe.recv_bytes())
            except (EOFError, ConnectionResetError):
                self.answer = RayActorError("The actor died unexpectedly before finishing this task."), None
        return self.answer


class _Actor:
    def __init__(self, kind):
        self.pipe, other = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.pipe.close()
            for actor in _state.actors:
                actor.pipe.close()
            try:
                _serve(kind(), other)
            finally:
                os._exit(0)
        other.close()
        _state.actors.append(self)

    def __getattr__(self, name):
        def remote(*args):
            self.pipe.send_bytes(_by_value((name, args)))
            return _Result(self)

        return SimpleNamespace(remote=remote)


def _by_value(value):
    # Closures travel by value in Ray; here by the memory that fork copies: see _functions.
    name, args = value
    return pickle.dumps((name, [_functions.put(a) if callable(a) else a for a in args]))


class _Functions:
    """Functions of the driver by number; actors are forked after they are known."""

    def __init__(self):
        self.known = []

    def put(self, function):
        return _Reference(self.known.index(function))

    def get(self, value):
        return self.known[value.number] if isinstance(value, _Reference) else value


class _Reference:
    def __init__(self, number):
        self.number = number


_functions = _Functions()


def _serve(worker, pipe):
    while True:
        try:
            name, args = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        try:
            answer = None, getattr(worker, name)(*map(_functions.get, args))
        except BaseException:
            answer = RayTaskError(traceback.format_exc()), None
        pipe.send_bytes(pickle.dumps(answer))


def remote(kind):
    return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda: _Actor(kind)))


def known(function):
    """Makes a function known to actors that are made from now on."""
    _functions.known.append(function)
    return function


def wait(results):
    ready = [r for r in results if r.answer is not None]
    if not ready:
        pipes = wait_for([r.actor.pipe for r in results])
        ready = [r for r in results if r.actor.pipe in pipes]
    return ready[:1], [r for r in results if r is not ready[0]]


def get(results):
    values = []
    for result in results if isinstance(results, list) else [results]:
        error, value = result.fetch()
        if error is not None:
            raise error
        values.append(value)
    return values if isinstance(results, list) else values[0]


def kill(actor):
    if actor in _state.actors:
        os.kill(actor.pid, signal.SIGKILL)
        os.waitpid(actor.pid, 0)
        actor.pipe.close()
        _state.actors.remove(actor)
