"""The sockets that workers accept connections from."""

from __future__ import annotations

import contextlib
import resource
import socket

from jackfield.errors import ConfigError

BACKLOG = 2048


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """One socket for each worker, all at the same address: the kernel spreads connections over them evenly, where
    workers that share one socket take what they happen to see first. Raises `ConfigError` where the address cannot be
    listened on."""
    # Sockets that share an address would also share it with a stranger that allows it: so the first asks for it alone.
    alone = _bind(host, port)
    if count == 1:
        alone.listen(BACKLOG)
        return [alone]
    port = alone.getsockname()[1]
    alone.close()
    return [listen_beside(host, port) for _ in range(count)]


def listen_beside(host: str, port: int) -> socket.socket:
    """One more socket at an address that others of this gateway listen on."""
    beside = _bind(host, port, shared=True)
    beside.listen(BACKLOG)
    return beside


def _bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: only then does asyncio's own loop send what it is given at once.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", field="server.port") from error
    return bound


def allow_many_connections() -> None:
    """Raises the number of files this process may have open as far as it may raise it itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
