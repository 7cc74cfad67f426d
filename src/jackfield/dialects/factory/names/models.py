"""Details of health, and the shapes of what a provider brings."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from jackfield.sdk.context import CREDENTIAL_HEADERS

__all__ = [
    "Adapter",
    "AuthHealth",
    "CLIHealth",
    "ConfigHealth",
    "DetectionServiceProtocol",
    "HealthCheckResult",
    "HttpAdapter",
    "ProfiledTokenManagerProtocol",
    "ProviderHealthDetails",
    "TokenManagerProtocol",
]


class _Details(BaseModel):
    model_config = ConfigDict(extra="allow")


class CLIHealth(_Details):
    available: bool = False
    status: str = "unknown"
    version: str | None = None
    path: str | None = None


class AuthHealth(_Details):
    configured: bool = False
    token_available: bool = False
    token_expired: bool = False
    account_id: str | None = None


class ConfigHealth(_Details):
    valid: bool = True
    error: str | None = None


class ProviderHealthDetails(_Details):
    provider: str = ""
    enabled: bool = True
    base_url: str | None = None
    cli: CLIHealth | None = None
    auth: AuthHealth | None = None
    config: ConfigHealth | None = None


class HealthCheckResult(_Details):
    """Health as it is told over HTTP."""

    status: Literal["pass", "warn", "fail"]
    componentId: str = ""  # noqa: N815 - the name in that format
    componentType: str = ""  # noqa: N815
    version: str | None = None
    output: str | None = None
    details: dict[str, Any] | None = None


@runtime_checkable
class DetectionServiceProtocol(Protocol):
    async def initialize_detection(self) -> Any: ...
    def get_version(self) -> str | None: ...


@runtime_checkable
class TokenManagerProtocol(Protocol):
    async def get_access_token(self) -> str | None: ...


@runtime_checkable
class ProfiledTokenManagerProtocol(TokenManagerProtocol, Protocol):
    async def get_profile_quick(self) -> Any: ...


class Adapter:
    """What serves a provider's own routes. `config` and the like are what its constructor was given."""

    def __init__(self, config: Any = None, **given: Any) -> None:
        self.__dict__.update(given, config=config)

    async def handle_request(self, request: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: write handle_request")

    async def cleanup(self) -> None: ...


class HttpAdapter(Adapter):
    """The parent of an adapter that asks over HTTP: it says where a request goes, how it is made, and what the answer
    is."""

    async def get_target_url(self, endpoint: str) -> str:
        raise NotImplementedError(f"{type(self).__name__}: write get_target_url")

    async def prepare_provider_request(
        self, body: bytes, headers: dict[str, str], endpoint: str
    ) -> tuple[bytes, dict[str, str]]:
        raise NotImplementedError(f"{type(self).__name__}: write prepare_provider_request")

    async def process_provider_response(self, response: Any, endpoint: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: write process_provider_response")

    async def handle_request(self, request: Any) -> Any:
        """One request of a route, to the provider and back; the answer comes whole. The key that the caller showed the
        gateway is nobody else's business."""
        told = getattr(request.state, "context", None)
        endpoint = str((told.metadata if told is not None else {}).get("endpoint") or request.url.path)
        own = {name.decode("latin-1") for name in CREDENTIAL_HEADERS}
        given = {name: value for name, value in request.headers.items() if name not in own and name != "host"}
        body, headers = await self.prepare_provider_request(await request.body(), given, endpoint)
        url = await self.get_target_url(endpoint)
        client = self.__dict__["context"].http_client
        response = await client.request(request.method, url, content=body, headers=headers)
        return await self.process_provider_response(response, endpoint)
