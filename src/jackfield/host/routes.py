"""Which upstreams serve which model, and how to reach each of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from jackfield.breaker import Breaker
from jackfield.errors import Malformed, ModelNotFound, Unavailable
from jackfield.sdk.context import Candidate
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.providers import ChatProvider, EmbeddingsProvider, HttpProvider, Provider, Target, Upstream
from jackfield.sdk.shapes import is_sound
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.wire import format_named
from jackfield.wire.base import OPERATIONS, Operation, WireFormat


class UpstreamLink:
    """One configured upstream with its provider, its breaker and its credential. `formats` are the wire formats of a
    provider over HTTP, `None` for one in process."""

    __slots__ = (
        "_credential",
        "_destinations",
        "breaker",
        "client",
        "deadlines",
        "formats",
        "headers",
        "max_retries",
        "models",
        "name",
        "operations",
        "priority",
        "provider",
        "provider_id",
        "seen",
        "weight",
    )

    def __init__(
        self,
        seen: Upstream,
        provider_id: str,
        provider: Provider,
        *,
        models: Mapping[str, str],
        client: HttpClient,
        deadlines: Deadlines,
        breaker: Breaker,
        credential: str | None = None,
        headers: Headers = (),
        weight: float = 1,
        priority: int = 0,
        max_retries: int = 2,
    ) -> None:
        self.name, self.seen = seen.name, seen
        self.provider_id, self.provider = provider_id, provider
        self.models, self.client, self.deadlines, self.breaker = models, client, deadlines, breaker
        self.headers, self.weight, self.priority, self.max_retries = headers, weight, priority, max_retries
        self._credential = credential
        # Asking whether something fits a protocol is slow: once is enough.
        self.formats = _formats_of(provider)
        self.operations = _operations_of(provider)
        self._destinations: dict[tuple[Operation, str], Destination] = {}

    def destination(self, operation: Operation, model: str) -> Destination:
        """Where the provider wants this sent; asked once for each operation and model."""
        key = (operation, model)
        found = self._destinations.get(key)
        if found is None:
            assert isinstance(self.provider, HttpProvider)
            target = self.provider.target(self.seen, operation, model)
            if not isinstance(target, Target) or not is_sound(target):
                raise TypeError(f"target gave {type(target).__name__}, and no sound Target")
            found = self._destinations[key] = Destination(target, self._own_headers(target))
        return found

    def _own_headers(self, target: Target) -> Headers:
        if target.credential is None or self._credential is None:
            return self.headers
        name, template = target.credential
        return (*self.headers, (name, template.replace(b"{}", self._credential.encode("latin-1"))))


class Destination:
    """A target with what only the gateway knows of it: the secret, and the operator's headers, which may be secrets
    too.
    `headers` are the target's and these together."""

    __slots__ = ("_own", "_own_names", "headers", "target")

    def __init__(self, target: Target, own: Headers) -> None:
        self.target, self._own = target, own
        self._own_names = frozenset(name for name, _ in own)
        self.headers = self._join(target.headers)

    def seal(self, outgoing: OutgoingRequest) -> OutgoingRequest:
        """The request as it leaves: what is secret joins only where it goes to the target's own origin."""
        if not self._own or origin_of(outgoing.url) != origin_of(self.target.url):
            return outgoing
        return OutgoingRequest(outgoing.method, outgoing.url, self._join(outgoing.headers), outgoing.body)

    def _join(self, headers: Headers) -> Headers:
        return (*(pair for pair in headers if pair[0] not in self._own_names), *self._own)


def _formats_of(provider: Provider) -> Mapping[Operation, WireFormat] | None:
    if not isinstance(provider, HttpProvider):
        return None
    return {operation: format_named(name) for operation, name in provider.formats.items()}


def _operations_of(provider: Provider) -> frozenset[Operation]:
    """Tokens of a chat can always be counted: where an upstream does not, the gateway estimates."""
    offered: set[Operation] = set()
    if isinstance(provider, HttpProvider):
        offered |= set(provider.formats)
    if isinstance(provider, ChatProvider):
        offered.add("chat")
    if isinstance(provider, EmbeddingsProvider):
        offered.add("embeddings")
    return frozenset(offered | {"count_tokens"} if "chat" in offered else offered)


def origin_of(url: str) -> str:
    """Scheme and authority."""
    return "/".join(url.split("/", 3)[:3]).lower()


class Routes:
    """Model names to candidates, in order of priority. `without_provider` are the models of upstreams whose provider
    does not run."""

    __slots__ = ("_by_operation", "_without_provider", "links", "models")

    def __init__(self, links: Iterable[UpstreamLink], without_provider: Iterable[str] = ()) -> None:
        self._without_provider = frozenset(without_provider)
        self.links = {link.name: link for link in links}
        self.models = tuple(dict.fromkeys(model for link in self.links.values() for model in link.models))
        self._by_operation = {operation: self._serving(operation) for operation in OPERATIONS}

    def _serving(self, operation: Operation) -> dict[str, tuple[Candidate, ...]]:
        found: dict[str, list[Candidate]] = {}
        for link in sorted(self.links.values(), key=lambda link: link.priority):
            if operation in link.operations:
                for name, upstream_model in link.models.items():
                    found.setdefault(name, []).append(_candidate(link, upstream_model))
        return {name: tuple(candidates) for name, candidates in found.items()}

    def candidates(self, model: str, operation: Operation) -> tuple[Candidate, ...]:
        """Raises `ModelNotFound` that names the models closest in spelling, `Unavailable` where no upstream of the
        model has its provider, or `Malformed` where none does this operation."""
        found = self._by_operation[operation].get(model)
        if found is None:
            self.check(model)
            raise Malformed(f"the model {model!r} does not offer {operation}", param="model")
        return found

    def check(self, model: str) -> None:
        """Raises `ModelNotFound` where no upstream has the model, `Unavailable` where none that has it has its
        provider."""
        if model in self.models:
            return
        if model in self._without_provider:
            raise Unavailable(f"no upstream of the model {model!r} has a provider that runs")
        raise ModelNotFound(self._unknown(model), param="model")

    def _unknown(self, model: str) -> str:
        shown = model if len(model) <= 100 else model[:100] + "…"
        close = difflib.get_close_matches(model[:200], self.models, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
        return f"The model {shown!r} does not exist{hint}"


def _candidate(link: UpstreamLink, model: str) -> Candidate:
    return Candidate(
        upstream=link.name, model=model, provider=link.provider_id, priority=link.priority, weight=link.weight
    )
