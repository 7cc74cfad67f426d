"""Sign-in providers of plugins, and tokens for the adapters that need one: both by the accounts of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jackfield.sdk.services import Services
from jackfield.sdk.sign_in import SignIn

_PLAIN = ("token_url", "authorize_url", "device_url", "revoke_url", "client_id", "audience", "callback_path")


def read_sign_in(provider: Any, config: Any) -> SignIn | None:
    """What the provider, its config or the plugin's says of the addresses and the client. `None` where that is not
    said: then only the plugin itself can sign somebody in. Raises `ValueError` for what cannot be."""
    owners = (provider, getattr(provider, "config", None), config)
    said: dict[str, Any] = {name: value for name in _PLAIN if isinstance(value := _first(owners, name), str) and value}
    if provider is None or not {"token_url", "client_id"} <= set(said):
        return None
    scopes, port = _first(owners, "scopes"), _first(owners, "callback_port")
    return SignIn(
        **said,
        name=str(provider.provider_name),
        title=str(getattr(provider, "provider_display_name", "") or ""),
        scopes=tuple(str(scope) for scope in scopes) if isinstance(scopes, list | tuple) else (),
        callback_port=port if isinstance(port, int) else 0,
        callback_host="localhost" if isinstance(port, int) and port else "127.0.0.1",
    )


def _first(owners: Iterable[Any], name: str) -> Any:
    return next((value for owner in owners if (value := getattr(owner, name, None)) is not None), None)


class AccountTokens:
    """A token manager that has no token of its own: each time it asks the gateway for one of the account whose turn it
    is. `find` gives the name of the sign-in that is meant by that of a manager."""

    def __init__(self, services: Services, name: str, find: Callable[[str], str]) -> None:
        self._services, self._name, self._find = services, name, find

    async def get_access_token(self) -> str:
        """Raises `NotGranted` and what `Credentials.header` raises."""
        header = await self._services.credentials.header(self._find(self._name))
        return header.value.rpartition(" ")[2]

    async def get_access_token_with_refresh(self) -> str:
        return await self.get_access_token()

    async def get_auth_headers(self) -> dict[str, str]:
        header = await self._services.credentials.header(self._find(self._name))
        return dict(((header.name, header.value), *header.headers))
