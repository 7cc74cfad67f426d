"""Fills in or bounds `max_tokens`, whatever it is called in the API that the client speaks.

It works on the request before an upstream is chosen: models are named as clients name them. A limit of zero is left
alone, since with some upstreams it warms the prompt cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from jackfield.sdk import ChatRequest, Exchange, Health, HookSpec, Plugin, PluginConfig, Reject, Replace, hook
from jackfield.sdk.prices import Shelf, find_listed

HEADER = "x-jackfield-max-tokens"
OLDER = "max_tokens"
Tokens = Annotated[int, Field(ge=1, le=1_000_000_000)]
Default = Tokens | Literal["most"] | None


@runtime_checkable
class Facts(Protocol):
    """What it wants of the service `pricing`."""

    def max_output(self, provider: str | None, model: str) -> int | None: ...


class ModelLimit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    most: Tokens | None = Field(default=None, description="What a request may ask for at most")
    default: Default = Field(default=None, description='What one without a limit gets: a number, or "most"')


class MaxTokensConfig(PluginConfig):
    """Models are named as clients name them."""

    models: Mapping[str, ModelLimit] = Field(
        default_factory=dict, description="By model, or by a beginning that ends in *; the closest counts"
    )
    most: Tokens | None = Field(default=None, description="What a request may ask for at most, of all other models")
    default: Default = Field(default=None, description='What one without a limit gets: a number, or "most"')
    facts: bool = Field(default=True, description="Whether what the service `pricing` knows of a model bounds it too")
    on_excess: Literal["lower", "refuse"] = Field(
        default="lower", description="What becomes of a request that asks for more"
    )
    header: bool = Field(default=True, description=f"Whether {HEADER} tells the client of a change")


class Entry(NamedTuple):
    models: tuple[str, ...]
    limit: ModelLimit
    provider: str | None = None


class Change:
    """What was done to the request of one exchange."""

    told: str | None = None


class MaxTokens(Plugin[MaxTokensConfig]):
    id = "max_tokens"

    async def on_load(self) -> None:
        self._shelves = [Shelf([Entry((name,), limit) for name, limit in self.config.models.items()])]
        self._facts: Facts | None = None
        self._trouble = ""
        if self.config.facts:
            self._find_facts()
            self.services.shared.watch("pricing", lambda service: self._find_facts())

    def _find_facts(self) -> None:
        try:
            found = self.services.shared.find("pricing", Facts)  # type: ignore[type-abstract]
            self._facts, self._trouble = found, ""
        except TypeError as error:
            self._facts, self._trouble = None, str(error)
        self.report(not self._trouble, self._trouble)

    async def health(self) -> Health:
        return Health(not self._trouble, self._trouble)

    def hears(self, spec: HookSpec) -> bool:
        return self.config.header or spec.point != "response_head"

    @hook("pre_flight", on_failure="closed", operations=("chat",))
    async def bound(self, exchange: Exchange) -> Replace | Reject | None:
        request = exchange.request
        assert isinstance(request, ChatRequest), "no other is asked for in a chat"
        asked, (most, default) = _highest(request), self._limit(request.model)
        if asked is None:
            wanted = most if default == "most" else default
            if wanted is None:
                return None
            wanted = wanted if most is None else min(wanted, most)
        elif most is None or asked <= most:
            return None
        elif self.config.on_excess == "refuse":
            told = f"max_tokens: {asked} is more than the {most} that {request.model!r:.200} may write"
            return Reject(400, "max_tokens_exceeded", told)
        else:
            wanted = most
        if self.config.header:
            exchange.local(Change).told = f"{wanted}; was={'none' if asked is None else asked}"
        return Replace(_bounded(request, wanted))

    @hook("response_head", on_failure="open", operations=("chat",))
    async def tell(self, exchange: Exchange) -> Replace | None:
        told, head = exchange.local(Change).told, exchange.head
        return Replace(head.with_header(HEADER, told)) if told is not None and head is not None else None

    def _limit(self, model: str) -> tuple[int | None, Any]:
        """The most that it may write, and what is meant where the client says nothing."""
        entry = find_listed(self._shelves, None, model)
        own = entry.limit if entry is not None else ModelLimit()
        default = own.default if own.default is not None else self.config.default
        if own.most is not None:
            return own.most, default
        known = (self.config.most, self._facts.max_output(None, model) if self._facts is not None else None)
        # What another plugin says is only as good as that plugin.
        bounds = [most for most in known if type(most) is int and most > 0]
        return min(bounds, default=None), default


def _highest(request: ChatRequest) -> int | None:
    """What the client wants to have at most. In a chat it may say that by the older name beside the newer one, and it
    depends on the upstream which of the two counts."""
    older = _older(request)
    return request.max_tokens if older is None else max(older, request.max_tokens or 0)


def _bounded(request: ChatRequest, most: int) -> ChatRequest:
    older, newer = _older(request), request.max_tokens
    lowered = msgspec.structs.replace(request, max_tokens=most if newer is None else min(newer, most))
    if older is None:
        return lowered
    extra = {**request.extra, OLDER: msgspec.Raw(b"%d" % min(older, most))}
    return msgspec.structs.replace(lowered, extra=MappingProxyType(extra))


def _older(request: ChatRequest) -> int | None:
    """What stands there where no other name does is `max_tokens` already, and is a null here."""
    told = msgspec.json.decode(request.extra.get(OLDER, b"null"))
    return told if type(told) is int else None
