"""Where the processes of a job meet: stores by URL."""

import os
from urllib.parse import parse_qs, urlparse

from .job import default_pg_timeout

_handlers = {}


def register_rendezvous_handler(scheme, handler):
    """handler(url, timeout=..., ...) is an iterator of (store, rank, world_size) for URLs that begin with
    scheme://."""
    if scheme in _handlers:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _handlers[scheme] = handler


def rendezvous(url, rank=-1, world_size=-1, timeout=default_pg_timeout, **kwargs):
    """Gives (store, rank, world_size) for tcp://host:port, file:///path, env:// or a registered scheme."""
    if not isinstance(url, str):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    if not isinstance(rank, int):
        raise RuntimeError(f"`rank` must be an integer. {rank}")
    if not isinstance(world_size, int):
        raise RuntimeError(f"`world_size` must be an integer. {world_size}")
    parts = urlparse(url)
    if parts.scheme not in _handlers:
        raise RuntimeError(f"No rendezvous handler for {parts.scheme}://")
    if rank != -1 or world_size != -1:
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        query |= {key: str(v) for key, v in (("rank", rank), ("world_size", world_size)) if v != -1}
        url = parts._replace(query="&".join(f"{key}={value}" for key, value in query.items())).geturl()
    return _handlers[parts.scheme](url, timeout=timeout, **kwargs)


def _query_of(url):
    return {key: values[-1] for key, values in parse_qs(urlparse(url).query).items()}


def _asked(query, name, what, url):
    if name not in query:
        raise ValueError(f"Error initializing taper.distributed using {url}: {what} parameter missing")
    return int(query[name])


def _by_tcp(url, timeout=default_pg_timeout, **kwargs):
    from .stores import TCPStore

    parts, query = urlparse(url), _query_of(url)
    if parts.port is None:
        raise ValueError(f"Error initializing taper.distributed using {url}: port number missing")
    rank, world = _asked(query, "rank", "rank", url), _asked(query, "world_size", "world size", url)
    yield TCPStore(parts.hostname, parts.port, world, rank == 0, timeout=timeout), rank, world
    raise RuntimeError("Unable to perform rerendezvous using tcp:// method")


def _by_file(url, timeout=default_pg_timeout, **kwargs):
    from .stores import FileStore

    path, query = urlparse(url).path, _query_of(url)
    if not path:
        raise ValueError(f"Error initializing taper.distributed using {url}: path missing")
    rank, world = _asked(query, "rank", "rank", url), _asked(query, "world_size", "world size", url)
    store = FileStore(path, world)
    store.set_timeout(timeout)
    yield store, rank, world
    raise RuntimeError("Unable to perform rerendezvous using file:// method")


def _by_environment(url, timeout=default_pg_timeout, **kwargs):
    from .stores import TCPStore

    query = _query_of(url)

    def asked(name):
        value = query.get(name.lower(), os.environ.get(name))
        if value is None:
            raise ValueError(
                f"Error initializing taper.distributed using env:// rendezvous: environment variable {name} "
                "expected, but not set"
            )
        return value

    rank, world = int(asked("RANK")), int(asked("WORLD_SIZE"))
    host, port = asked("MASTER_ADDR"), int(asked("MASTER_PORT"))
    yield TCPStore(host, port, world, rank == 0, timeout=timeout), rank, world
    raise RuntimeError("Unable to perform rerendezvous using env:// method")


for _scheme, _handler in (("tcp", _by_tcp), ("file", _by_file), ("env", _by_environment)):
    register_rendezvous_handler(_scheme, _handler)
