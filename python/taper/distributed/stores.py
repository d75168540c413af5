"""Stores: texts by name, within a process, in a file or at a server, with torch.distributed's names."""

import abc
import fcntl
import hashlib
import hmac
import json
import operator
import os
import secrets
import socket
import socketserver
import sys
import threading
import time
from datetime import timedelta

from taper import _C

_LARGEST = 64 << 20  # bytes of a message
_HANDSHAKE = 5.0  # seconds that a stranger may take to prove itself
_STRANGERS = 256  # so many at once; more are turned away
_DEFAULT = timedelta(seconds=300)


def _bytes(value):
    if not isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"Store: a value is text or bytes, got {value!r}")
    return value.encode() if isinstance(value, str) else bytes(value)


def _key(key):
    if not isinstance(key, str):
        raise TypeError(f"Store: a key is text, got {key!r}")
    return key


class QueueEmptyError(_C.DistributedError):
    """queue_pop of an empty queue, when told not to wait."""


class _Table:
    """Entries and queues, and waiting for them."""

    def __init__(self):
        self.entries, self.queues, self.changed = {}, {}, threading.Condition()

    def run(self, action, *arguments):
        """One operation, alone."""
        with self.changed:
            result = getattr(self, action)(*arguments)
            self.changed.notify_all()
            return result

    def set(self, key, value):
        self.entries[key] = value

    def get(self, key, seconds):
        if not self.changed.wait_for(lambda: key in self.entries, seconds):
            raise TimeoutError(key)
        return self.entries[key]

    def add(self, key, amount):
        total = int(self.entries.get(key, b"0")) + amount
        self.entries[key] = str(total).encode()
        return total

    def append(self, key, value):
        self.entries[key] = self.entries.get(key, b"") + value

    def compare_set(self, key, expected, desired):
        held = self.entries.get(key)
        if held == expected or (held is None and not expected):
            self.entries[key] = held = desired
        return expected if held is None else held

    def delete_key(self, key):
        return self.entries.pop(key, None) is not None

    def check(self, keys):
        return all(key in self.entries or key in self.queues for key in keys)

    def num_keys(self):
        return len(self.entries)

    def list_keys(self):
        return list(self.entries)

    def queue_push(self, key, value):
        self.queues.setdefault(key, []).append(value)

    def queue_pop(self, key, seconds):
        if not self.changed.wait_for(lambda: key in self.queues, seconds):
            raise TimeoutError(key)
        value = self.queues[key].pop(0)
        if not self.queues[key]:
            del self.queues[key]
        return value

    def queue_len(self, key):
        return len(self.queues.get(key, ()))


class Store(abc.ABC):  # noqa: B024 (only for register)
    """What all stores can do. Values are text or bytes; get() gives bytes."""

    def __init__(self, timeout=_DEFAULT):
        self._timeout = timeout

    @property
    def timeout(self):
        """How long get() and wait() wait unless told otherwise."""
        return self._timeout

    def set_timeout(self, timeout):
        """Sets how long get() and wait() wait."""
        if not isinstance(timeout, timedelta):
            raise TypeError(f"Store: timeout is a timedelta, got {timeout!r}")
        self._timeout = timeout

    def _call(self, action, *arguments):
        raise NotImplementedError(f"{type(self).__name__} has no {action}")

    def _waited(self, key, timeout, left=None):
        try:
            return self._call("get", key, timeout.total_seconds() if left is None else left)
        except TimeoutError:
            raise _C.DistributedError(
                f"{type(self).__name__}: wait timeout after {round(timeout.total_seconds() * 1e3)}ms, the "
                f"key {key!r} was not set"
            ) from None

    def set(self, key, value):
        """Sets a key."""
        self._call("set", _key(key), _bytes(value))

    def get(self, key):
        """Waits until the key is set; raises DistributedError after the timeout."""
        return self._waited(_key(key), self._timeout)

    def add(self, key, amount):
        """Adds to an integer, 0 at first; returns the sum."""
        return self._call("add", _key(key), operator.index(amount))

    def append(self, key, value):
        """Appends to what the key holds."""
        self._call("append", _key(key), _bytes(value))

    def compare_set(self, key, expected_value, desired_value):
        """Sets the key where it holds expected_value, or that is empty and the key unset; returns what it
        holds."""
        return self._call("compare_set", key, _bytes(expected_value), _bytes(desired_value))

    def delete_key(self, key):
        """Whether there was such a key."""
        return self._call("delete_key", key)

    def check(self, keys):
        """Whether all these keys are set."""
        return self._call("check", list(keys))

    def num_keys(self):
        """How many keys are set."""
        return self._call("num_keys")

    def list_keys(self):
        """The keys that are set."""
        return self._call("list_keys")

    def has_extended_api(self):
        """Whether there are append(), multi_get() and multi_set(): always."""
        return True

    def wait(self, keys, timeout=None):
        """Until all these keys are set; raises DistributedError after the timeout."""
        timeout = timeout or self._timeout
        end = time.monotonic() + timeout.total_seconds()
        for key in keys:
            self._waited(key, timeout, max(0, end - time.monotonic()))

    def multi_get(self, keys):
        """The values of several keys."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys, values):
        """Sets several keys."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)


Store.register(_C._distributed.Store)  # the one that a process group made


class _Queues:
    """Queues by key, beside the entries, of stores that have them."""

    def queue_push(self, key, value):
        """Puts a value at the end of a queue."""
        self._call("queue_push", _key(key), _bytes(value))

    def queue_pop(self, key, block=True):
        """Takes the first value of a queue. Waits for one, and raises DistributedError after the timeout;
        with block=False QueueEmptyError at once."""
        try:
            return self._call("queue_pop", _key(key), self._timeout.total_seconds() if block else 0)
        except TimeoutError:
            if not block:
                raise QueueEmptyError(f"{type(self).__name__}: the queue {key!r} is empty") from None
            raise _C.DistributedError(
                f"{type(self).__name__}: nothing came into the queue {key!r} within "
                f"{self._timeout.total_seconds():g} s"
            ) from None

    def queue_len(self, key):
        """How many values a queue holds."""
        return self._call("queue_len", _key(key))


class HashStore(_Queues, Store):
    """Entries in this process, for its threads."""

    def __init__(self):
        super().__init__()
        self._table = _Table()

    def clone(self):
        """Another store of the same entries."""
        other = HashStore()
        other._table, other._timeout = self._table, self._timeout
        return other

    def _call(self, action, *arguments):
        return self._table.run(action, *arguments)


class FileStore(Store):
    """Entries in a file that all processes of one machine see. world_size, where given, is only remembered.
    The file stays; a job that uses it again sees the old entries."""

    def __init__(self, file_name, world_size=-1):
        super().__init__()
        self.path, self.world_size = os.fspath(file_name), world_size
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b"):
            pass

    def clone(self):
        """Another store of the same file."""
        return FileStore(self.path, self.world_size)

    def _once(self, action, arguments):
        with open(self.path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = file.read()
            table = _Table()
            try:
                table.entries = {k: bytes.fromhex(v) for k, v in json.loads(content or b"{}").items()}
            except (ValueError, AttributeError):
                raise _C.DistributedError(f"FileStore: {self.path!r} is no file of a store") from None
            before = dict(table.entries)
            result = getattr(table, action)(*arguments)
            if table.entries != before:
                file.seek(0)
                file.write(json.dumps({k: v.hex() for k, v in table.entries.items()}).encode())
                file.truncate()
                file.flush()
            return result

    def _call(self, action, *arguments):
        if action != "get":
            return self._once(action, arguments)
        key, seconds = arguments
        end = time.monotonic() + seconds
        while True:
            if self._once("check", ([key],)):
                return self._once("get", (key, 0))
            if time.monotonic() >= end:
                raise TimeoutError(key)
            time.sleep(0.01)


class PrefixStore(_Queues, Store):
    """Another store, with all keys under a prefix: several jobs can share one."""

    def __init__(self, prefix, store):
        super().__init__(getattr(store, "timeout", _DEFAULT))
        self.prefix, self.underlying_store = prefix, store

    def _call(self, action, *arguments):
        store = self.underlying_store
        if action == "num_keys":
            return store.num_keys()
        if action == "list_keys":
            start = self.prefix + "/"
            return [key.removeprefix(start) for key in store.list_keys() if key.startswith(start)]
        if action == "check":
            return store.check([f"{self.prefix}/{key}" for key in arguments[0]])
        key, *rest = arguments
        key = f"{self.prefix}/{key}"
        if action == "get":
            store.wait([key], timedelta(seconds=max(rest[0], 0.001)))
            return store.get(key)
        if action.startswith("queue_") and not isinstance(store, _Queues):
            raise NotImplementedError(f"PrefixStore: {type(store).__name__} has no queues")
        if action == "queue_pop":
            return store._call(action, key, *rest)
        return getattr(store, action)(key, *rest)

    def clone(self):
        """The same prefix of a clone of the store."""
        return PrefixStore(self.prefix, self.underlying_store.clone())


class _Connection:
    """Messages over a socket: a length, a line of JSON with bytes as hexadecimal digits."""

    def __init__(self, link):
        self.link = link
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, value):
        content = json.dumps(value, default=lambda b: {"b": b.hex()}).encode()
        self.link.sendall(len(content).to_bytes(4, "big") + content)

    def receive(self, largest=_LARGEST):
        size = int.from_bytes(self._exactly(4), "big")
        if size > largest:
            raise ValueError(f"a message of {size} bytes")
        return json.loads(
            self._exactly(size), object_hook=lambda d: bytes.fromhex(d["b"]) if set(d) == {"b"} else d
        )

    def _exactly(self, count):
        content = b""
        while len(content) < count:
            piece = self.link.recv(min(count - len(content), 1 << 20))
            if not piece:
                raise ConnectionError("the connection was closed")
            content += piece
        return content

    def prove(self, secret, own_role, other_role):
        """Both sides show that they know the secret, over fresh random numbers of both (HMAC-SHA-256)."""
        own = secrets.token_bytes(32)
        self.send(own)
        theirs = self.receive(256)
        if not isinstance(theirs, bytes) or len(theirs) != 32:
            raise ValueError("no random number")

        def proof(role, first, second):
            return hmac.new(secret, role + first + second, hashlib.sha256).digest()

        self.send(proof(own_role, own, theirs))
        shown = self.receive(256)
        if not isinstance(shown, bytes) or not hmac.compare_digest(shown, proof(other_role, theirs, own)):
            raise PermissionError("the job's secret differs")


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        connection, table = _Connection(self.request), self.server.table
        try:
            # A stranger who says nothing holds one thread for a moment.
            alarm = threading.Timer(_HANDSHAKE, self.request.shutdown, [socket.SHUT_RDWR])
            alarm.daemon = True
            alarm.start()
            try:
                connection.prove(self.server.secret, b"server", b"client")
            finally:
                alarm.cancel()
                self.server.strangers.discard(self.request)
            while True:
                action, *arguments = connection.receive()
                if action not in _ACTIONS:
                    return
                try:
                    connection.send(["value", table.run(action, *arguments)])
                except TimeoutError:
                    connection.send(["timeout", None])
        except (OSError, ValueError, TypeError, AttributeError):
            return  # a stranger, or nonsense


_ACTIONS = (
    *("set", "get", "add", "append", "compare_set", "delete_key", "check", "num_keys", "list_keys"),
    *("queue_push", "queue_pop", "queue_len"),
)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.strangers = set()

    def verify_request(self, request, client_address):
        there_is_room = len(self.strangers) < _STRANGERS
        if there_is_room:
            self.strangers.add(request)
        return there_is_room

    def shutdown_request(self, request):
        self.strangers.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass


class TCPStore(_Queues, Store):
    """Entries at a server, in the process with is_master=True. Both sides prove that they know the job's
    secret (docs/distributed.md) before anything else is read.

    port        0 on the server for any free one, which `port` then tells
    world_size  where given, with wait_for_workers: the server waits until so many have connected
    """

    def __init__(
        self,
        host_name,
        port,
        world_size=None,
        is_master=False,
        timeout=_DEFAULT,
        wait_for_workers=True,
        multi_tenant=False,
        master_listen_fd=None,
        use_libuv=True,
    ):
        super().__init__(timeout)
        secret = _C._distributed._job_secret()
        self.host, self._server, self._lock = host_name, None, threading.Lock()
        if is_master:
            self._server = _Server((host_name, port), _Handler)
            self._server.table, self._server.secret = _Table(), secret
            port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = port
        self._connection = self._connect(secret, timeout.total_seconds())
        self.add("_workers", 1)
        if is_master and wait_for_workers and world_size:
            self._await_workers(world_size, timeout.total_seconds())

    def _connect(self, secret, seconds):
        end = time.monotonic() + seconds
        # A server with many strangers turns others away until those are gone.
        crowded = min(end, time.monotonic() + 3 * _HANDSHAKE)
        while True:
            try:
                connection = _Connection(socket.create_connection((self.host, self.port), max(0.1, seconds)))
                connection.prove(secret, b"client", b"server")
                connection.link.settimeout(None)
                return connection
            except ConnectionRefusedError as error:
                if time.monotonic() >= end:
                    raise _C.DistributedError(
                        f"TCPStore: nobody listens at {self.host}:{self.port}: {error}"
                    ) from None
                time.sleep(0.05)
            except (OSError, ValueError) as error:
                if isinstance(error, ConnectionError) and time.monotonic() < crowded:
                    time.sleep(0.05)
                    continue
                raise _C.DistributedError(
                    f"TCPStore: cannot join the store at {self.host}:{self.port}: {error or 'no answer'}; "
                    "do all processes have the same TAPER_JOB_SECRET?"
                ) from None

    def _await_workers(self, count, seconds):
        end = time.monotonic() + seconds
        while (here := self.add("_workers", 0)) < count:
            if time.monotonic() >= end:
                raise _C.DistributedError(f"TCPStore: {here} of {count} processes connected in {seconds:g} s")
            time.sleep(0.02)

    def num_keys(self):
        """How many keys are set."""
        return super().num_keys() - 1

    def list_keys(self):
        """The keys that are set."""
        return [key for key in super().list_keys() if key != "_workers"]

    def clone(self):
        """Another connection to the same server."""
        return TCPStore(self.host, self.port, timeout=self._timeout)

    def _call(self, action, *arguments):
        try:
            with self._lock:
                self._connection.send([action, *arguments])
                kind, value = self._connection.receive()
        except (OSError, ValueError) as error:
            raise _C.DistributedError(
                f"TCPStore: the server at {self.host}:{self.port} is gone: {error}"
            ) from None
        if kind == "timeout":
            raise TimeoutError
        return value

    def __del__(self):
        if getattr(self, "_connection", None) is not None:
            self._connection.link.close()
        # At the end of the process the server's thread is gone, and nobody would answer.
        if getattr(self, "_server", None) is not None and not sys.is_finalizing():
            self._server.shutdown()
            self._server.server_close()
