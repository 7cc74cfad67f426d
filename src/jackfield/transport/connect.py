"""From an origin to an open connection: look up, check, connect, and shake hands."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from jackfield.errors import ConnectFailed, EgressRefused
from jackfield.transport.check import EgressPolicy
from jackfield.transport.connection import Connection
from jackfield.transport.origin import Origin
from jackfield.transport.resolve import Resolver

_STAGGER_S = 0.25
"""How long an address has before the next one is tried beside it (RFC 8305)."""
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


class Progress:
    """What an opening was busy with when its deadline passed."""

    def __init__(self) -> None:
        self.stage = "waiting for a free connection"


class Connector:
    def __init__(self, policy: EgressPolicy, resolver: Resolver, tls: ssl.SSLContext | None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._tls = tls

    async def open(self, origin: Origin, make: Callable[[], Connection], progress: Progress) -> Connection:
        progress.stage = "looking up the host"
        addresses = await self._find_addresses(origin)
        progress.stage = "connecting"
        sock = await _connect_any(origin, addresses)
        if origin.scheme == "https":
            progress.stage = "in the TLS handshake"
        connection = make()
        try:
            await self._attach(origin, connection, sock)
        except BaseException:
            # A loop that is cancelled here does not always close what it has just connected.
            connection.abandon()
            sock.close()
            raise
        return connection

    async def _find_addresses(self, origin: Origin) -> list[str]:
        """Those that the policy permits; the socket connects to these very ones, with no second look-up."""
        if origin.literal:
            self._policy.check_address(origin, origin.host)
            return [origin.host]
        try:
            found = await self._resolver.resolve(origin.host)
        except OSError as error:
            raise ConnectFailed(f"{origin}: the host cannot be resolved: {error.strerror or error}") from error
        permitted: list[str] = []
        refusal: EgressRefused | None = None
        for address in found:
            try:
                self._policy.check_address(origin, address)
                permitted.append(address)
            except EgressRefused as error:
                refusal = error
        if not permitted:
            raise refusal or ConnectFailed(f"{origin}: the host has no address")
        return _alternate_families(permitted)

    async def _attach(self, origin: Origin, connection: Connection, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        tls, name = (self._get_tls(), origin.host) if origin.scheme == "https" else (None, None)
        try:
            await loop.create_connection(lambda: connection, sock=sock, ssl=tls, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed(f"{origin}: its certificate is refused: {error.verify_message}") from error
        except OSError as error:
            raise ConnectFailed(f"{origin}: the TLS handshake failed: {error.strerror or error}") from error

    def _get_tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _alternate_families(addresses: list[str]) -> list[str]:
    """So that one broken family costs one stagger, however many addresses it has."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    second = [address for address in addresses if address not in first]
    mixed: list[str] = []
    while first or second:
        mixed += first[:1] + second[:1]
        first, second = first[1:], second[1:]
    return mixed


async def _connect_any(origin: Origin, addresses: list[str]) -> socket.socket:
    try:
        if len(addresses) == 1:
            return await _connect_one(addresses[0], origin.port)
        return await _race(addresses, origin.port)
    except OSError as error:
        raise ConnectFailed(
            f"{origin}: cannot connect to {', '.join(addresses[:4])}: {error.strerror or error}"
        ) from error


async def _connect_one(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: list[str], port: int) -> socket.socket:
    """The first to answer; each starts a stagger after the one before, or as soon as one has failed."""
    left = iter(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("no address")
    winner: socket.socket | None = None
    try:
        while winner is None:
            address = next(left, None)
            if address is not None:
                running.add(asyncio.create_task(_connect_one(address, port)))
            elif not running:
                raise failure
            stagger = None if address is None else _STAGGER_S
            done, _ = await asyncio.wait(running, timeout=stagger, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                running.discard(task)
                error = task.exception()
                if error is not None:
                    failure = error
                elif winner is None:
                    winner = task.result()
                else:
                    task.result().close()
        return winner
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_loser)


def _close_loser(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
