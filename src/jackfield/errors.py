"""The one tree of exceptions.

    JackfieldError
    ├── ConfigError            a setting, manifest or plugin config is wrong; names file, field and line
    │   └── ManifestError
    ├── RequestError           the caller's fault
    │   ├── Malformed          400
    │   ├── Unauthenticated    401
    │   ├── BudgetExceeded     402
    │   ├── Forbidden          403
    │   ├── NotFound           404
    │   │   └── ModelNotFound
    │   ├── MethodNotAllowed   405
    │   ├── Conflict           409
    │   ├── TooLarge           413
    │   ├── Unprocessable      422
    │   ├── RateLimited        429
    │   └── ClientGone         499, in records only
    ├── Refused                a plugin decided; status, code and message are the plugin's
    ├── PluginError            a plugin broke
    │   ├── PluginFailed       502
    │   ├── PluginTimeout      504
    │   ├── PluginQuarantined  503
    │   ├── SessionLost        502, the process that it runs in is gone
    │   └── SessionDenied      502, its code answered with an error
    ├── UpstreamError          an upstream, or the way to it, broke
    │   ├── EgressRefused      502, the address is not allowed
    │   ├── ConnectFailed      502
    │   ├── UpstreamTimeout    504
    │   ├── UpstreamBroken     502, the answer is not HTTP, not whole, or not what was promised
    │   └── UpstreamRejected   the upstream answered with an error status
    ├── Unavailable            503, nothing is able to serve
    └── DeadlineExceeded       504

`code` is the stable machine name, `status` the HTTP status, `transient` whether trying again may help.
"""

from __future__ import annotations

from typing import ClassVar


class JackfieldError(Exception):
    """The root. `retry_after_s` becomes a `Retry-After` header; `plugin` is the id of the one that decided."""

    code: str = "internal_error"
    status: int = 500
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        retry_after_s: float | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.plugin = plugin
        self.retry_after_s = retry_after_s
        self.param = param


class ConfigError(JackfieldError):
    """Something an operator or author wrote is wrong. `str()` reads `file:line: field: message`."""

    code = "invalid_config"
    status = 422

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        plugin: str | None = None,
    ) -> None:
        place = f"{file}:{line}" if file and line else file
        super().__init__(": ".join(part for part in (place, field, message) if part), plugin=plugin, param=field)
        self.file, self.line, self.field = file, line, field


class ManifestError(ConfigError):
    code = "invalid_manifest"


class RequestError(JackfieldError):
    code = "invalid_request_error"
    status = 400


class Malformed(RequestError):
    pass


class Unauthenticated(RequestError):
    code = "invalid_api_key"
    status = 401


class BudgetExceeded(RequestError):
    code = "budget_exceeded"
    status = 402


class Forbidden(RequestError):
    code = "forbidden"
    status = 403


class NotFound(RequestError):
    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(RequestError):
    code = "method_not_allowed"
    status = 405


class Conflict(RequestError):
    code = "conflict"
    status = 409


class TooLarge(RequestError):
    code = "request_too_large"
    status = 413


class Unprocessable(RequestError):
    code = "unprocessable"
    status = 422


class RateLimited(RequestError):
    code = "rate_limit_exceeded"
    status = 429
    transient = True


class ClientGone(RequestError):
    code = "client_gone"
    status = 499


class Refused(JackfieldError):
    """A plugin refused the exchange with its own status, code and message."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        plugin: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, plugin=plugin, retry_after_s=retry_after_s)
        self.status = status
        self.code = code


class PluginError(JackfieldError):
    code = "plugin_error"
    status = 502


class PluginFailed(PluginError):
    code = "plugin_failed"


class PluginTimeout(PluginError):
    code = "plugin_timeout"
    status = 504


class PluginQuarantined(PluginError):
    code = "plugin_quarantined"
    status = 503
    transient = True


class SessionLost(PluginError):
    code = "plugin_lost"
    transient = True


class SessionDenied(PluginError):
    """The message is the plugin's own; `told` is the code that came with it: that of the error, or its class's name."""

    code = "plugin_failed"

    def __init__(self, message: str, *, plugin: str | None = None, told: str = "") -> None:
        super().__init__(message, plugin=plugin)
        self.told = told


class UpstreamError(JackfieldError):
    """`sent` tells whether the upstream may have begun to act on the request."""

    code = "upstream_error"
    status = 502
    transient = True

    def __init__(self, message: str, *, sent: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.sent = sent


class EgressRefused(UpstreamError):
    code = "egress_refused"
    transient = False


class ConnectFailed(UpstreamError):
    code = "upstream_unreachable"

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    status = 504


class UpstreamBroken(UpstreamError):
    code = "upstream_broken"


class UpstreamRejected(UpstreamError):
    """The upstream answered with an error status of its own. `body` is what it said, in the wire format named
    `format`. `again` is whether the same upstream may do better later, where it said so itself."""

    code = "upstream_rejected"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        body: bytes = b"",
        format: str | None = None,  # noqa: A002 - the word of the field
        retry_after_s: float | None = None,
        again: bool | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message, sent=sent, retry_after_s=retry_after_s)
        self.status = status
        self.code = code or self.code
        self.body = body
        self.format = format
        self.again = again


class Unavailable(JackfieldError):
    code = "unavailable"
    status = 503
    transient = True


class DeadlineExceeded(JackfieldError):
    code = "deadline_exceeded"
    status = 504
    transient = True
