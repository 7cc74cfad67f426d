"""Every setting, its type and its default. Closed: an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic_core import PydanticCustomError

from jackfield.settings.secret import Secret, SecretUrl, conceal

Count = Annotated[int, Field(strict=True, ge=0)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]
Table = dict[str, Any]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST_PATTERN = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_ORIGIN = re.compile(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?")
_FRAMING_HEADERS = re.compile(
    "connection|content-length|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade", re.IGNORECASE
)


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise PydanticCustomError("variable", "expected the name of an environment variable, never the key itself")
    return name


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise PydanticCustomError("url", "is not a URL: {reason}", {"reason": str(error)}) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PydanticCustomError("url", "expected a URL that begins with http:// or https:// and names a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise PydanticCustomError("url", "must not carry credentials, a query or a fragment")
    return url.rstrip("/")


def _check_headers(headers: dict[str, Any]) -> dict[str, Any]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise PydanticCustomError("header", "is not a header name", {"at": name})
        if _FRAMING_HEADERS.fullmatch(name):
            raise PydanticCustomError("header", "is the gateway's own to set", {"at": name})
        if isinstance(value, str) and re.search(r"[\r\n\0]", value):
            raise PydanticCustomError("header", "must not contain line breaks or NUL", {"at": name})
    return headers


def _name_models(models: Any) -> Any:
    """A list of names becomes the table of each name to itself."""
    if not isinstance(models, list | tuple):
        return models
    for index, name in enumerate(models):
        if not isinstance(name, str) or not name:
            raise PydanticCustomError("model_name", "expected the name of a model", {"at": index})
        if name in models[:index]:
            raise PydanticCustomError("model_twice", "model '{name}' is listed twice", {"at": index, "name": name})
    return {name: name for name in models}


def _check_host_pattern(pattern: str) -> str:
    if not _HOST_PATTERN.fullmatch(pattern):
        raise PydanticCustomError("host_pattern", "expected a host such as api.example.com, or *.example.com")
    return pattern.lower()


def _check_origin(origin: str) -> str:
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise PydanticCustomError("origin", "expected an origin such as https://app.example.com, or *")
    return origin


Origin = Annotated[str, AfterValidator(_check_origin)]
Variable = Annotated[str, AfterValidator(_check_variable)]
HostPattern = Annotated[str, AfterValidator(_check_host_pattern)]
HttpUrl = Annotated[str, AfterValidator(_check_url)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SignInName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
AccountName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(/[^/]{1,100})?$")]
Models = Annotated[dict[Text, Text], Field(min_length=1), BeforeValidator(_name_models)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, conceal(value, name or "")


class FromVariable(Section):
    """A header's value that is read from an environment variable."""

    env: Variable


class ServerSettings(Section):
    host: Text = "127.0.0.1"
    port: Annotated[int, Field(strict=True, ge=0, le=65_535)] = 8090
    workers: Annotated[int, Field(strict=True, ge=1, le=256)] = 1
    max_body_mb: Annotated[float, Field(strict=True, gt=0, le=1024, allow_inf_nan=False)] = 10
    drain_s: Annotated[float, Field(strict=True, ge=0, le=86_400, allow_inf_nan=False)] = 30
    request_timeout_s: Seconds = 600
    cors_origins: tuple[Origin, ...] = ()

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)


class StoreSettings(Section):
    url: SecretUrl = SecretUrl("sqlite")
    redis: SecretUrl | None = None
    data_dir: Path = Path(".jackfield")


class Upstream(Section):
    """`models` maps the name that clients ask for to the upstream's own."""

    name: Name
    provider: Name
    models: Models
    base_url: HttpUrl | None = None
    format: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    api_key_env: Variable | None = None
    api_key_file: Path | None = None
    account: AccountName | None = None
    weight: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 1
    priority: Annotated[int, Field(strict=True)] = 0
    timeout_s: Seconds = 600
    first_byte_s: Seconds = 600
    connect_s: Seconds = 10
    idle_s: Seconds = 120
    max_retries: Annotated[int, Field(strict=True, ge=0, le=20)] = 2
    headers: Annotated[dict[str, FromVariable | str], AfterValidator(_check_headers)] = {}
    tls_ca_file: Path | None = None
    options: Table = {}

    _api_key: Secret | None = PrivateAttr(None)
    _header_values: tuple[tuple[str, Secret], ...] = PrivateAttr(())

    @property
    def api_key(self) -> Secret | None:
        """The key that `api_key_env` or `api_key_file` led to when the settings were loaded."""
        return self._api_key

    @property
    def header_values(self) -> tuple[tuple[str, Secret], ...]:
        """`headers` with the values of environment variables filled in; any of them may be a secret."""
        return self._header_values

    def take_secrets(self, api_key: Secret | None, header_values: tuple[tuple[str, Secret], ...]) -> None:
        self._api_key, self._header_values = api_key, header_values


class NamedSecret(Section):
    """A secret that plugins name in the headers of their requests, and never see."""

    env: Variable | None = None
    file: Path | None = None
    plugins: Annotated[tuple[Text, ...], Field(min_length=1)]
    hosts: Annotated[tuple[HostPattern, ...], Field(min_length=1)]

    _value: Secret | None = PrivateAttr(None)

    @property
    def value(self) -> Secret | None:
        """What `env` or `file` led to when the settings were loaded."""
        return self._value

    def take_value(self, value: Secret | None) -> None:
        self._value = value


class PluginConfig(Section):
    """The host's reserved keys; every other key is the plugin's own and is checked by its config model."""

    model_config = ConfigDict(extra="allow")

    enabled: Flag | None = None
    priority: Annotated[int, Field(strict=True)] | None = None
    timeout_ms: Annotated[int, Field(strict=True, ge=1)] | None = None
    on_failure: Literal["open", "closed"] | None = None
    runtime: Text | None = None
    approve: Literal["auto", "ask"] | tuple[Text, ...] | None = None

    @property
    def own(self) -> Mapping[str, Any]:
        return self.model_extra or {}


class PluginSettings(Section):
    dirs: tuple[Path, ...] = ()
    disable_local_discovery: Flag = False
    entry_points: Flag = True
    approve: Literal["auto", "ask"] = "auto"
    required: tuple[Text, ...] = ()
    start_patience_s: Seconds = 5
    config: dict[str, PluginConfig] = {}


def _check_environment(env: dict[str, Any]) -> dict[str, Any]:
    for name, value in env.items():
        if not _VARIABLE.fullmatch(name):
            raise PydanticCustomError("variable", "is not the name of an environment variable", {"at": name})
        if isinstance(value, str) and "\0" in value:
            raise PydanticCustomError("variable", "must not contain NUL", {"at": name})
    return env


class McpServer(Section):
    """An MCP server that plugins may mount: at `url`, or a `command` that speaks over its standard streams."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$")]
    url: HttpUrl | None = None
    headers: Annotated[dict[str, FromVariable | str], AfterValidator(_check_headers)] = {}
    command: Text | None = None
    args: tuple[str, ...] = ()
    env: Annotated[dict[str, FromVariable | str], AfterValidator(_check_environment)] = {}
    tools: tuple[Text, ...] = ("*",)
    timeout_s: Annotated[float, Field(strict=True, gt=0, le=30, allow_inf_nan=False)] = 30

    _header_values: tuple[tuple[str, Secret], ...] = PrivateAttr(())
    _env_values: tuple[tuple[str, Secret], ...] = PrivateAttr(())

    @property
    def header_values(self) -> tuple[tuple[str, Secret], ...]:
        """`headers` with the values of environment variables filled in."""
        return self._header_values

    @property
    def env_values(self) -> tuple[tuple[str, Secret], ...]:
        """`env` likewise: all that the process finds in its environment."""
        return self._env_values

    def take_secrets(
        self, header_values: tuple[tuple[str, Secret], ...], env_values: tuple[tuple[str, Secret], ...]
    ) -> None:
        self._header_values, self._env_values = header_values, env_values


class McpSettings(Section):
    hosts: tuple[Text, ...] = ()
    origins: tuple[HttpUrl, ...] = ()
    servers: tuple[McpServer, ...] = ()


class SignInSettings(Section):
    """How operators sign in to one provider with an account, over OAuth 2."""

    client_id: Text
    token_url: HttpUrl
    authorize_url: HttpUrl | None = None
    device_url: HttpUrl | None = None
    revoke_url: HttpUrl | None = None
    client_secret_env: Variable | None = None
    scopes: tuple[Text, ...] = ()
    title: str = ""
    audience: str = ""
    parameters: dict[str, str] = {}
    header: Text = "authorization"
    template: Text = "Bearer {}"
    headers: dict[str, str] = {}
    callback_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    callback_port: Annotated[int, Field(strict=True, ge=0, le=65_535)] = 0
    callback_path: Text = "/callback"
    manual_redirect_url: HttpUrl | None = None
    json_bodies: Flag = False

    _client_secret: Secret | None = PrivateAttr(None)

    @property
    def client_secret(self) -> Secret | None:
        """What `client_secret_env` led to when the settings were loaded."""
        return self._client_secret

    def take_secret(self, client_secret: Secret | None) -> None:
        self._client_secret = client_secret


class AccountSettings(Section):
    public_url: HttpUrl | None = None
    plugins: dict[SignInName, tuple[Text, ...]] = {}


class MemorySettings(Section):
    embedding_model: Text | None = None


Megabytes = Annotated[int, Field(strict=True, ge=64, le=65_536)]


class PluginIsolation(Section):
    """How one plugin is isolated."""

    workers: Annotated[int, Field(strict=True, ge=1, le=32)] = 1
    spares: Annotated[int, Field(strict=True, ge=0, le=8)] = 0
    memory_mb: Megabytes | None = None


class IsolationSettings(Section):
    memory_mb: Megabytes = 256
    minimum: tuple[Text, ...] = ()
    offline: Flag = False
    plugins: dict[str, PluginIsolation] = {}


class CatalogueSettings(Section):
    """A signed index of plugins, at `url` or in the file `path`."""

    name: Name
    url: HttpUrl | None = None
    path: Path | None = None
    key: Text

    _key_text: str = PrivateAttr("")

    @property
    def key_text(self) -> str:
        """The public key that `key` is, or that it led to when the settings were loaded."""
        return self._key_text

    def take_key(self, text: str) -> None:
        self._key_text = text


class InstallSettings(Section):
    trusted_keys: dict[Name, Text] = {}
    require_signature: Flag = True
    hosts: tuple[HostPattern, ...] = ()
    catalogues: tuple[CatalogueSettings, ...] = ()
    stop_revoked: Flag = False
    cooldown_days: Annotated[float, Field(strict=True, ge=0, le=365, allow_inf_nan=False)] = 3
    max_mb: Annotated[float, Field(strict=True, gt=0, le=2048, allow_inf_nan=False)] = 128

    _key_texts: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def key_texts(self) -> Mapping[str, str]:
        """The public keys that `trusted_keys` are, or that they led to when the settings were loaded."""
        return self._key_texts

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * 1024 * 1024)

    def take_keys(self, texts: Mapping[str, str]) -> None:
        self._key_texts = texts


class LogSettings(Section):
    """Format `auto` is `console` on a terminal and `json` elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class UsageSettings(Section):
    prices: tuple[Path, ...] = ()
    retention_days: Annotated[int, Field(strict=True, ge=1)] = 90


class ResponseSettings(Section):
    """Answers of the Responses API that are kept for their callers. `max_mb` is of one with its conversation,
    `max_count` and `max_total_mb` are of all of one caller."""

    store_by_default: Flag = False
    max_mb: Annotated[float, Field(strict=True, gt=0, le=64, allow_inf_nan=False)] = 2
    max_count: Count = 1000
    max_total_mb: Annotated[float, Field(strict=True, gt=0, le=65_536, allow_inf_nan=False)] = 100
    retention_days: Annotated[float, Field(strict=True, gt=0, le=3650, allow_inf_nan=False)] = 30

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * 1024 * 1024)

    @property
    def max_total_bytes(self) -> int:
        return int(self.max_total_mb * 1024 * 1024)


class TelemetrySettings(Section):
    otlp_endpoint: HttpUrl | None = None
    service_name: Text = "jackfield"


ECHO = Upstream(name="echo", provider="echo", models={"echo": "echo"})


def _fall_back_to_echo(upstreams: Any) -> Any:
    return upstreams if upstreams != [] else (ECHO,)


class Settings(Section):
    """All settings of one process. With no upstream configured there is `echo`."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    upstreams: Annotated[tuple[Upstream, ...], BeforeValidator(_fall_back_to_echo)] = (ECHO,)
    plugins: PluginSettings = PluginSettings()
    secrets: dict[Name, NamedSecret] = {}
    mcp: McpSettings = McpSettings()
    sign_in: dict[SignInName, SignInSettings] = {}
    accounts: AccountSettings = AccountSettings()
    memory: MemorySettings = MemorySettings()
    isolation: IsolationSettings = IsolationSettings()
    install: InstallSettings = InstallSettings()
    logs: LogSettings = LogSettings()
    usage: UsageSettings = UsageSettings()
    responses: ResponseSettings = ResponseSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    _sources: Mapping[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)
    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """The config file these settings were read from."""
        return self._file

    @property
    def sources(self) -> Mapping[tuple[str | int, ...], str]:
        """Where every given value comes from; what is not in it is a default."""
        return self._sources

    def take_sources(self, file: Path | None, sources: Mapping[tuple[str | int, ...], str]) -> None:
        self._file, self._sources = file, sources
