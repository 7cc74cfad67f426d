"""Which upstreams serve which model, and how to reach each of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import msgspec

from jackfield.breaker import Breaker
from jackfield.control.accounts.accounts import AccountUse
from jackfield.errors import ConfigError, Malformed, ModelNotFound, Unavailable, UpstreamError, UpstreamRejected
from jackfield.host.formats import NO_FORMATS, AddedFormat, Formats
from jackfield.sdk.context import CREDENTIAL_HEADERS, Candidate
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.providers import (
    AnswerReader,
    ChatProvider,
    EmbeddingsProvider,
    ErrorReader,
    HttpProvider,
    LiveProvider,
    ManyFormats,
    PatientProvider,
    PricedProvider,
    Provider,
    RequestShaper,
    Target,
    Upstream,
)
from jackfield.sdk.shapes import is_sound
from jackfield.sdk.sign_in import CredentialHeader
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.wire.base import OPERATIONS, Operation, WireFormat


class UpstreamLink:
    """One upstream with its provider, its breaker and its credential, which with `account` is another for each request.
    Without `models` they are what the provider offers. `live`, `shapes`, `answers`, `patient` and `prices` are the
    provider itself where it does more than it must, and `None` where it does not."""

    __slots__ = (
        "_added",
        "_credential",
        "_destinations",
        "_errors",
        "_models",
        "_spoken",
        "account",
        "answers",
        "breaker",
        "client",
        "deadlines",
        "forwards",
        "headers",
        "live",
        "max_retries",
        "name",
        "operations",
        "patient",
        "prices",
        "priority",
        "provider",
        "provider_id",
        "seen",
        "shapes",
        "weight",
    )

    def __init__(
        self,
        seen: Upstream,
        provider_id: str,
        provider: Provider,
        *,
        models: Mapping[str, str] | None,
        client: HttpClient,
        deadlines: Deadlines,
        breaker: Breaker,
        credential: str | None = None,
        account: AccountUse | None = None,
        headers: Headers = (),
        weight: float = 1,
        priority: int = 0,
        max_retries: int = 2,
        formats: Formats = NO_FORMATS,
        only: str | None = None,
    ) -> None:
        self.name, self.seen = seen.name, seen
        self.provider_id, self.provider = provider_id, provider
        self._models, self.client, self.deadlines, self.breaker = models, client, deadlines, breaker
        self.headers, self.weight, self.priority, self.max_retries = headers, weight, priority, max_retries
        self._credential, self.account = credential, account
        self.forwards = frozenset(getattr(provider, "forwards", ())) - CREDENTIAL_HEADERS
        # Asking whether something fits a protocol is slow: once is enough.
        self._spoken = _formats_of(provider, seen, formats)
        self._added: AddedFormat | None = None
        if only is not None:
            self._speak_only(formats.named(only))
        self.operations = _operations_of(provider)
        self.live = provider if isinstance(provider, LiveProvider) else None
        self.shapes = provider if isinstance(provider, RequestShaper) else None
        self.answers = provider if isinstance(provider, AnswerReader) else None
        self.patient = provider if isinstance(provider, PatientProvider) else None
        self.prices = provider if isinstance(provider, PricedProvider) else None
        self._errors = provider if isinstance(provider, ErrorReader) else None
        self._destinations: dict[tuple[Operation, str, str], Destination] = {}

    def _speak_only(self, format_: WireFormat) -> None:
        """What the operator says of the upstream. The provider knows where its own formats are taken; where one that a
        plugin added is, that plugin does."""
        operation, field = format_.operation, f"upstream {self.name}.format"
        spoken = self._spoken.get(operation, {})
        if isinstance(format_, AddedFormat) and format_.name not in spoken:
            if not isinstance(self.provider, HttpProvider) or not self.seen.base_url:
                raise ConfigError("needs a base_url, and a provider over HTTP for its credential", field=field)
            self._added = format_
        elif format_.name not in spoken:
            raise ConfigError(f"the provider {self.provider_id} does not speak {format_.name}", field=field)
        self._spoken = {**self._spoken, operation: {format_.name: format_}}

    def format_for(self, operation: Operation, client_format: str) -> WireFormat | None:
        """The format that the upstream is asked in over HTTP: the client's own wherever it speaks that. `None` where
        the provider does this in process, or not at all."""
        spoken = self._spoken.get(operation)
        if spoken is None:
            return None
        return spoken.get(client_format) or next(iter(spoken.values()))

    def speaks(self, operation: Operation, client_format: str) -> bool:
        return client_format in self._spoken.get(operation, ())

    @property
    def models(self) -> Mapping[str, str]:
        """The names that clients ask for, and the upstream's own."""
        if self._models is not None:
            return self._models
        return {} if self.live is None else {name: name for name in self.live.offered()}

    @property
    def trouble(self) -> str | None:
        """Why it is not to be asked now, where its provider says so."""
        return None if self.live is None else self.live.trouble()

    def read_error(self, status: int, body: bytes) -> UpstreamError | None:
        """The error in the provider's own words, where it has such."""
        return None if self._errors is None else self._errors.read_error(status, body)

    def explain(self, error: UpstreamError) -> UpstreamError:
        """An answer that did not come, in the provider's words where it has such."""
        if self._errors is None or isinstance(error, UpstreamRejected):
            return error
        return self._errors.read_loss(error)

    def destination(self, operation: Operation, model: str, format_name: str = "") -> Destination:
        """Where the provider wants this sent; asked once for each operation, model and format."""
        key = (operation, model, format_name)
        found = self._destinations.get(key)
        if found is None:
            assert isinstance(self.provider, HttpProvider)
            added = self._added if self._added is not None and self._added.name == format_name else None
            seen = msgspec.structs.replace(self.seen, format="" if added is not None else format_name)
            target = self.provider.target(seen, operation, model)
            if not isinstance(target, Target) or not is_sound(target):
                raise TypeError(f"target gave {type(target).__name__}, and no sound Target")
            if added is not None:
                target = msgspec.structs.replace(target, url=self.seen.base_url + added.upstream_path)
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

    def signed_in(self, used: CredentialHeader) -> Destination:
        """The same for one request, with an account's credential."""
        secret = tuple(
            (name.lower().encode("ascii"), value.encode("ascii"))
            for name, value in ((used.name, used.value), *used.headers)
        )
        names = {name for name, _ in secret}
        return Destination(self.target, (*(pair for pair in self._own if pair[0] not in names), *secret))

    def prepared(self, url: str, secret: Headers) -> Destination:
        """The same for one request that its provider has made. What is the operator's goes only to the target's own
        origin."""
        own = self._own if origin_of(url) == origin_of(self.target.url) else ()
        names = {name for name, _ in own}
        target = msgspec.structs.replace(self.target, url=url)
        return Destination(target, (*own, *(pair for pair in secret if pair[0] not in names)))

    def seal(self, outgoing: OutgoingRequest) -> OutgoingRequest:
        """The request as it leaves: what is secret joins only where it goes to the target's own origin."""
        if not self._own or origin_of(outgoing.url) != origin_of(self.target.url):
            return outgoing
        return OutgoingRequest(outgoing.method, outgoing.url, self._join(outgoing.headers), outgoing.body)

    def _join(self, headers: Headers) -> Headers:
        return (*(pair for pair in headers if pair[0] not in self._own_names), *self._own)


def _formats_of(
    provider: Provider, upstream: Upstream, formats: Formats
) -> Mapping[Operation, Mapping[str, WireFormat]]:
    """What the provider speaks for each operation, the preferred format first; nothing for one in process. Raises
    `ConfigError` where the provider refuses the upstream's options."""
    if not isinstance(provider, HttpProvider):
        return {}
    spoken: Mapping[Operation, Iterable[str]] = {operation: (name,) for operation, name in provider.formats.items()}
    if isinstance(provider, ManyFormats):
        try:
            spoken = provider.speaks(upstream)
        except ValueError as error:
            raise ConfigError(str(error), field=f"upstream {upstream.name}.options") from error
    return {operation: {name: formats.named(name) for name in names} for operation, names in spoken.items()}


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
    does not run.

    Where a provider's models and health come and go this follows, without another snapshot.
    """

    __slots__ = ("_by_operation", "_ill", "_live", "_models", "_revision", "_without_provider", "links")

    def __init__(self, links: Iterable[UpstreamLink], without_provider: Iterable[str] = ()) -> None:
        self._without_provider = frozenset(without_provider)
        self.links = {link.name: link for link in links}
        self._live = tuple(link.live for link in self.links.values() if link.live is not None)
        self._revision = 0
        self._list()

    def _list(self) -> None:
        well = [link for link in self.links.values() if link.trouble is None]
        self._models = tuple(dict.fromkeys(model for link in well for model in link.models))
        every = (model for link in self.links.values() for model in link.models)
        self._ill = frozenset(every).difference(self._models)
        self._by_operation = {operation: _serving(well, operation) for operation in OPERATIONS}

    def _follow(self) -> None:
        """Revisions only grow, so that their sum stays only where each of them does."""
        revision = sum([live.revision for live in self._live])
        if revision != self._revision:
            self._revision = revision
            self._list()
            for link in self.links.values():
                if link.live is not None and link.trouble is None:
                    # Its provider looks after it, and says that it is well.
                    link.breaker.reset()

    @property
    def models(self) -> tuple[str, ...]:
        """Those that some upstream serves now."""
        if self._live:
            self._follow()
        return self._models

    def candidates(self, model: str, operation: Operation) -> tuple[Candidate, ...]:
        """Raises `ModelNotFound` that names the models closest in spelling, `Unavailable` where no upstream of the
        model has its provider or is well, or `Malformed` where none does this operation."""
        if self._live:
            self._follow()
        found = self._by_operation[operation].get(model)
        if found is None:
            self.check(model)
            raise Malformed(f"the model {model!r} does not offer {operation}", param="model")
        return found

    def check(self, model: str) -> None:
        """Raises `ModelNotFound` where no upstream has the model, `Unavailable` where none that has it can serve."""
        if model in self.models:
            return
        if model in self._ill:
            raise Unavailable(f"no upstream of the model {model!r} is able to serve now")
        if model in self._without_provider:
            raise Unavailable(f"no upstream of the model {model!r} has a provider that runs")
        raise ModelNotFound(self._unknown(model), param="model")

    def _unknown(self, model: str) -> str:
        shown = model if len(model) <= 100 else model[:100] + "…"
        close = difflib.get_close_matches(model[:200], self._models, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
        return f"The model {shown!r} does not exist{hint}"


def _serving(links: Iterable[UpstreamLink], operation: Operation) -> dict[str, tuple[Candidate, ...]]:
    found: dict[str, list[Candidate]] = {}
    for link in sorted(links, key=lambda link: link.priority):
        if operation in link.operations:
            for name, upstream_model in link.models.items():
                found.setdefault(name, []).append(_candidate(link, upstream_model))
    return {name: tuple(candidates) for name, candidates in found.items()}


def _candidate(link: UpstreamLink, model: str) -> Candidate:
    return Candidate(
        upstream=link.name, model=model, provider=link.provider_id, priority=link.priority, weight=link.weight
    )
