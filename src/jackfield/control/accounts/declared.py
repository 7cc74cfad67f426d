"""The sign-ins that there are: the operator's own, and those of the plugins that run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

import msgspec

from jackfield.errors import ConfigError, NotFound
from jackfield.sdk.sign_in import SignIn
from jackfield.settings import Secret, SignInSettings

OPERATOR = "operator"


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in and who declares it: a plugin by its id, or `OPERATOR`, who alone may have a client secret."""

    sign_in: SignIn
    owner: str = OPERATOR
    client_secret: Secret | None = None

    @property
    def name(self) -> str:
        return self.sign_in.name

    @property
    def is_trusted(self) -> bool:
        """Whether its addresses may be anywhere. A plugin's are public ones."""
        return self.owner == OPERATOR

    @property
    def binding(self) -> str:
        """What an account is bound to: who takes over a name, or has tokens sent elsewhere, gets none of them. The
        operator may add an address that revokes; a plugin that did would be sent what it never sees."""
        bound = (self.owner, self.name, self.sign_in.client_id, self.sign_in.token_url)
        if self.is_trusted or not self.sign_in.revoke_url:
            return "\n".join(bound)
        return "\n".join((*bound, self.sign_in.revoke_url))


def own_sign_ins(settings: Mapping[str, SignInSettings]) -> dict[str, Declared]:
    """The operator's. Raises `ConfigError`."""
    return {name: Declared(sign_in=_read(name, one), client_secret=one.client_secret) for name, one in settings.items()}


def _read(name: str, given: SignInSettings) -> SignIn:
    try:
        return SignIn(
            name=name,
            client_id=given.client_id,
            token_url=given.token_url,
            authorize_url=given.authorize_url or "",
            device_url=given.device_url or "",
            revoke_url=given.revoke_url or "",
            scopes=given.scopes,
            title=given.title,
            header=(given.header, given.template),
            headers=tuple(given.headers.items()),
            audience=given.audience,
            parameters=given.parameters,
            callback_host=given.callback_host,
            callback_port=given.callback_port,
            callback_path=given.callback_path,
            manual_redirect_url=given.manual_redirect_url or "",
            json_bodies=given.json_bodies,
        )
    except ValueError as error:
        raise ConfigError(str(error), field=f"sign_in.{name}") from error


# By the plugins' ids, in the order in which they started.
OfPlugins = Callable[[], Iterable[tuple[str, tuple[SignIn, ...]]]]


class SignIns:
    def __init__(self, own: Mapping[str, Declared], of_plugins: OfPlugins) -> None:
        self.own, self._of_plugins = dict(own), of_plugins

    def find(self, name: str) -> Declared | None:
        """Of several with one name the operator's has it, then that of the plugin that started first."""
        if name in self.own:
            return self.own[name]
        return next((declared for declared in self._declared() if declared.name == name), None)

    def get(self, name: str) -> Declared:
        """Raises `NotFound` that tells the closest name."""
        found = self.find(name)
        if found is not None:
            return found
        known = [declared.name for declared in self.all()]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; the nearest is {close[0]!r}" if close else f"; there are {', '.join(known)}" if known else ""
        raise NotFound(f"there is no sign-in {name!r:.100}{hint}")

    def all(self) -> tuple[Declared, ...]:
        """Each name once."""
        found = dict(self.own)
        for declared in self._declared():
            found.setdefault(declared.name, declared)
        return tuple(found[name] for name in sorted(found))

    def _declared(self) -> Iterable[Declared]:
        return (
            Declared(sign_in=sign_in, owner=plugin) for plugin, sign_ins in self._of_plugins() for sign_in in sign_ins
        )
