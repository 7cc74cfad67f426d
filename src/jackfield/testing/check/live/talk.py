"""The conversation with one provider: plain requests, bounded answers, and a memory of both without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from jackfield.errors import ConnectFailed, UpstreamError
from jackfield.settings.secret import MASK
from jackfield.testing.check.live.verdicts import Fault, Verdict, escape, shorten, worst
from jackfield.transport import Deadlines, EgressPolicy, HttpClient, Limits, OutgoingRequest

LONGEST_BODY = 16 * 1024 * 1024
CONNECT_S = 5.0
# Of one answer: what is wrong with a thousand models is told by some of them.
MOST_FAULTS = 10
_SHORTEST_SECRET = 4
_HEADERS = ((b"accept", b"application/json"),)
_CONTENT = (b"content-type", b"application/json")


class Answer(msgspec.Struct, kw_only=True):
    """`silence` is why there is none; `unreachable` where nobody was there at all."""

    step: str
    sent: str = ""
    status: int = 0
    kind: str = ""
    body: bytes = b""
    silence: str = ""
    unreachable: bool = False

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """`None` where the body is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None

    @property
    def got(self) -> str:
        return self.silence or f"{self.status} {self.body[:4096].decode('utf-8', 'replace')}".strip()


class Talk:
    """`endpoint` is what its paths are added to."""

    def __init__(self, endpoint: str, client: HttpClient) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.verdicts: list[Verdict] = []
        self._client = client
        self._secrets: frozenset[str] = frozenset()

    def keep_secret(self, values: Iterable[object]) -> None:
        """Texts too short to be told from others are left as they are."""
        self._secrets |= {value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_SECRET}

    async def get(self, path: str, *, within: float) -> Answer:
        return await self._ask(OutgoingRequest("GET", self.endpoint + path, _HEADERS), f"GET {path}", within)

    async def post(self, path: str, body: object, *, within: float, accept: bytes = b"application/json") -> Answer:
        """`body` as JSON; bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = OutgoingRequest("POST", self.endpoint + path, ((b"accept", accept), _CONTENT), data)
        return await self._ask(request, f"POST {path}", within)

    async def _ask(self, request: OutgoingRequest, step: str, within: float) -> Answer:
        answer = Answer(step=step, sent=request.body.decode("utf-8", "replace"))
        deadlines = Deadlines(connect_s=min(CONNECT_S, within), first_byte_s=within, idle_s=within, whole_s=within)
        try:
            response = await self._client.send(request, deadlines)
            answer.body = await response.read()
        except UpstreamError as error:
            answer.silence, answer.unreachable = error.message, isinstance(error, ConnectFailed)
            return answer
        answer.status = response.status
        answer.kind = (response.header(b"content-type") or b"").decode("latin-1").partition(";")[0].strip().lower()
        return answer

    def tell(self, answer: Answer, faults: Iterable[Fault], well: str = "", step: str = "") -> bool:
        """Keeps one verdict for each fault, or one that it is `well`. Whether nothing was wrong."""
        found = list(faults)
        shown = found[:MOST_FAULTS] or [Fault("ok", well)]
        if len(found) > MOST_FAULTS:
            shown.append(Fault(worst(found), f"and {len(found) - MOST_FAULTS} more of the kind"))
        for level, message in shown:
            self.verdicts.append(
                Verdict(
                    endpoint=self.endpoint,
                    level=level,
                    step=step or answer.step,
                    message=self._hide(message),
                    sent=shorten(self._hide(answer.sent)),
                    got=shorten(self._hide(answer.got)),
                )
            )
        return worst(found) != "error"

    def _hide(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK).replace(json.dumps(secret)[1:-1], MASK)
        return escape(text)


def make_client() -> HttpClient:
    return HttpClient(policy=EgressPolicy.anywhere(), limits=Limits(max_body_bytes=LONGEST_BODY))
