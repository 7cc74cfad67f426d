"""The upstreams as ring plugins know them: endpoints of a pool, and breakers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Protocol


class _Place(Protocol):
    @property
    def base_url(self) -> str: ...


class _Breaker(Protocol):
    @property
    def state(self) -> str: ...


class Link(Protocol):
    """What is told of a configured upstream. Its credential is not among it."""

    @property
    def name(self) -> str: ...
    @property
    def seen(self) -> _Place: ...
    @property
    def models(self) -> Mapping[str, str]: ...
    @property
    def provider_id(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def breaker(self) -> _Breaker: ...


class Endpoint:
    """`id` is the upstream's name."""

    __slots__ = ("id", "metadata", "url")

    def __init__(self, link: Link) -> None:
        self.id, self.url = link.name, link.seen.base_url
        self.metadata: dict[str, Any] = {
            "models": list(link.models),
            "provider": link.provider_id,
            "priority": link.priority,
        }

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"Endpoint({self.id!r})"


class Pool(list[Endpoint]):
    """A list that may also be awaited: callers write it either way."""

    def __await__(self) -> Generator[Any, None, Pool]:
        return self
        yield


class Verdict:
    """Yes or no, which may also be awaited."""

    __slots__ = ("_yes",)

    def __init__(self, yes: bool) -> None:
        self._yes = yes

    def __bool__(self) -> bool:
        return self._yes

    def __await__(self) -> Generator[Any, None, bool]:
        return self._yes
        yield


class EndpointBreaker:
    """Asking it changes nothing: whether a trial call is let through is for the gateway to decide."""

    __slots__ = ("can_execute",)

    def __init__(self, link: Link | None) -> None:
        def can_execute() -> Verdict:
            return Verdict(link is not None and link.breaker.state != "open")

        # A closure and no attribute: the link leads to the upstream's credential.
        self.can_execute = can_execute

    def __await__(self) -> Generator[Any, None, EndpointBreaker]:
        return self
        yield


class Breakers:
    """`rotator.circuit_manager`."""

    __slots__ = ("get_breaker",)

    def __init__(self, links: Callable[[], Iterable[Link]]) -> None:
        def get_breaker(endpoint_id: object) -> EndpointBreaker:
            wanted = str(endpoint_id)
            return EndpointBreaker(next((link for link in links() if link.name == wanted), None))

        self.get_breaker = get_breaker
