"""Which upstreams serve which model, and how to reach each of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from jackfield.breaker import Breaker
from jackfield.errors import ModelNotFound
from jackfield.sdk.context import Candidate
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.providers import HttpProvider, Provider, Target, Upstream
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.wire import format_named
from jackfield.wire.base import Operation, WireFormat


class UpstreamLink:
    """One configured upstream with its provider, its breaker and its credential. `formats` are the wire formats of a
    provider over HTTP, `None` for one in process."""

    __slots__ = (
        "_credential",
        "_targets",
        "breaker",
        "client",
        "deadlines",
        "formats",
        "headers",
        "max_retries",
        "models",
        "name",
        "priority",
        "provider",
        "provider_id",
        "seen",
        "timeout_s",
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
        self.timeout_s = deadlines.whole_s or 600.0
        self.headers, self.weight, self.priority, self.max_retries = headers, weight, priority, max_retries
        self._credential = credential
        # Asking whether something fits a protocol is slow: once is enough.
        self.formats: dict[Operation, WireFormat] | None = None
        if isinstance(provider, HttpProvider):
            self.formats = {operation: format_named(name) for operation, name in provider.formats.items()}
        self._targets: dict[tuple[Operation, str], Target] = {}

    def target(self, operation: Operation, model: str) -> Target:
        """Where the provider wants this sent; asked once for each operation and model."""
        key = (operation, model)
        found = self._targets.get(key)
        if found is None:
            assert isinstance(self.provider, HttpProvider)
            found = self.provider.target(self.seen, operation, model)
            self._targets[key] = found
        return found

    def with_credential(self, outgoing: OutgoingRequest, target: Target) -> OutgoingRequest:
        """The request as it leaves: only here do the secret and the operator's headers, which may be secrets too, meet
        the others, and only for the target's own origin."""
        own = self._own_headers(target)
        if not own or origin_of(outgoing.url) != origin_of(target.url):
            return outgoing
        names = {name for name, _ in own}
        headers = (*(pair for pair in outgoing.headers if pair[0] not in names), *own)
        return OutgoingRequest(outgoing.method, outgoing.url, headers, outgoing.body)

    def _own_headers(self, target: Target) -> Headers:
        if target.credential is None or self._credential is None:
            return self.headers
        name, template = target.credential
        return (*self.headers, (name, template.replace(b"{}", self._credential.encode("latin-1"))))


def origin_of(url: str) -> str:
    """Scheme and authority."""
    return "/".join(url.split("/", 3)[:3]).lower()


class Routes:
    """Model names to candidates, in order of priority."""

    __slots__ = ("_by_model", "links")

    def __init__(self, links: Iterable[UpstreamLink]) -> None:
        self.links = {link.name: link for link in links}
        by_model: dict[str, list[Candidate]] = {}
        for link in self.links.values():
            for name, upstream_model in link.models.items():
                by_model.setdefault(name, []).append(
                    Candidate(
                        upstream=link.name,
                        model=upstream_model,
                        provider=link.provider_id,
                        priority=link.priority,
                        weight=link.weight,
                    )
                )
        self._by_model = {
            name: tuple(sorted(candidates, key=lambda candidate: candidate.priority))
            for name, candidates in by_model.items()
        }

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self._by_model)

    def candidates(self, model: str) -> tuple[Candidate, ...]:
        """Raises `ModelNotFound` that names the models closest in spelling."""
        found = self._by_model.get(model)
        if found is None:
            raise ModelNotFound(self._unknown(model), param="model")
        return found

    def _unknown(self, model: str) -> str:
        shown = model if len(model) <= 100 else model[:100] + "…"
        close = difflib.get_close_matches(model[:200], self._by_model, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
        return f"The model {shown!r} does not exist{hint}"
