"""A scripted upstream: a real server on loopback that speaks the OpenAI and Anthropic APIs, or breaks them.

async with Upstream() as upstream:
    upstream.script(Answer.status(429, retry_after=0.05), Answer.text("hi"))
    ...                                     # point a gateway at upstream.openai_url or upstream.anthropic_url
    first, second = await upstream.received(2)
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from jackfield.testing.answers import Answer
from jackfield.testing.connection import Connection
from jackfield.testing.paths import choose_speech, guess_errors
from jackfield.testing.received import Received
from jackfield.testing.replies import Asked
from jackfield.testing.speech import Speech, WrongRequestError
from jackfield.testing.turn import Turn
from jackfield.testing.waiting import Changes

WITHIN_S = 5.0


class Upstream:
    """Each POST takes the next scripted answer, or the default one: a reply derived from the request.

    With `key`, requests without it are refused with 401, as both APIs do. `requests` are all requests so far.
    What a script breaks inside the upstream itself is raised when the context ends.
    """

    def __init__(self, *, key: str | None = None, models: tuple[str, ...] = ("scripted",)) -> None:
        self.key = key
        self.models = models
        self.requests: list[Received] = []
        self.default = Answer.reply()
        self._script: deque[Answer] = deque()
        self._connections: set[Connection] = set()
        self._connected = 0
        self._broken: list[Exception] = []
        self._changes = Changes()
        self._server: asyncio.Server | None = None
        self._socket = _bind(0)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL as OpenAI clients want it."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL as Anthropic clients want it."""
        return self.url

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @property
    def connected(self) -> int:
        """How many connections were ever accepted."""
        return self._connected

    def script(self, *answers: Answer) -> None:
        """Queues answers, one for each POST to come."""
        self._script.extend(answers)

    def always(self, answer: Answer) -> None:
        """The answer to every POST that finds the queue empty."""
        self.default = answer

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        broken = await self.aclose()
        if broken is not None and error is None:
            raise broken

    async def aclose(self) -> ExceptionGroup[Exception] | None:
        """Ends everything; what scripts have broken, if anything."""
        await self.refuse()
        self._socket.close()
        return ExceptionGroup("the scripted upstream broke", self._broken) if self._broken else None

    async def accept(self) -> None:
        """Listens, again after `refuse`."""
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(self._connect, sock=self._socket)

    async def refuse(self) -> None:
        """Closes every connection and refuses new ones, keeping the port."""
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.gather(*(connection.stop() for connection in tuple(self._connections)))
            self._socket = _bind(self.port)

    async def received(self, count: int = 1, *, within: float = WITHIN_S) -> list[Received]:
        """The first `count` requests, waiting for them."""
        await self._until(lambda: len(self.requests) >= count, f"{count} requests", within)
        return self.requests[:count]

    async def disconnected(self, count: int = 1, *, within: float = WITHIN_S) -> list[Received]:
        """`count` requests whose peer left before its answer was complete, waiting for them."""
        await self._until(lambda: len(self._left_early()) >= count, f"{count} early leavers", within)
        return self._left_early()[:count]

    async def idle(self, *, within: float = WITHIN_S) -> None:
        """Waits until no connection is open."""
        await self._until(lambda: not self._connections, "no open connection", within)

    def _left_early(self) -> list[Received]:
        return [request for request in self.requests if request.closed_early]

    async def _until(self, reached: Callable[[], bool], wanted: str, within: float) -> None:
        await self._changes.until(reached, lambda: f"wanted {wanted}, but there is {self._describe()}", within)

    def _describe(self) -> str:
        lines = [f"{request.method} {request.target}" for request in self.requests[-5:]]
        left = len(self._left_early())
        return f"{len(self.requests)} requests {lines}, {left} left early, {len(self._connections)} connections"

    def _connect(self) -> Connection:
        self._connected += 1
        connection = Connection(self._connected, self._serve, self._changes.notify)
        self._connections.add(connection)
        connection.closed.add_done_callback(lambda _: self._forget(connection))
        return connection

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._changes.notify()

    async def _serve(self, connection: Connection, request: Received) -> None:
        self.requests.append(request)
        request.number = len(self.requests)
        answer = self._next_answer(request)
        self._changes.notify()
        try:
            await self._answer(connection, request, answer)
        except Exception as error:  # noqa: BLE001 - a mistake in a script must reach the test, not vanish in a task
            error.add_note(f"while answering {request.method} {request.target} with {answer.label}")
            self._broken.append(error)
            connection.reset()

    def _next_answer(self, request: Received) -> Answer:
        if request.method != "POST":
            return Answer.reply()
        return self._script.popleft() if self._script else self.default

    async def _answer(self, connection: Connection, request: Received, answer: Answer) -> None:
        try:
            speech = choose_speech(request, self.models)
            asked = self._understand(request, speech)
        except WrongRequestError as wrong:
            speech, asked = guess_errors(request), Asked()
            answer = Answer.status(wrong.status, message=wrong.message)
        await answer.play(Turn(request=request, connection=connection, speech=speech, asked=asked))

    def _understand(self, request: Received, speech: Speech) -> Asked:
        self._check_key(request)
        try:
            body = json.loads(request.body) if request.method == "POST" else {}
        except ValueError as error:
            raise WrongRequestError(f"We could not parse the JSON body of your request: {error}") from None
        return speech.understand(body, request.fields)

    def _check_key(self, request: Received) -> None:
        presented = request.header("x-api-key") or (request.header("authorization") or "").removeprefix("Bearer ")
        if self.key is not None and presented != self.key:
            raise WrongRequestError(f"Incorrect API key provided: {presented[:4]}…", 401)


def _bind(port: int) -> socket.socket:
    """Bound but not listening: the port is kept, and connections to it are refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Those that are accepted take it over: asyncio sets it only where the protocol was named.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind(("127.0.0.1", port))
    bound.setblocking(False)
    return bound
