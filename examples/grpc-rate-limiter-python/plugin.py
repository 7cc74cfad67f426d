"""Rate limiter: so many requests a minute for each app."""

from __future__ import annotations

import html
import time

from fastapi.responses import HTMLResponse
from pydantic import Field

from jackfield.sdk import Exchange, Outcome, Plugin, PluginConfig, Reject, Replace, hook, route

from .limiter import Limiter, Standing

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Rate limits</title>
<h1>Rate limits</h1>
<table>
  <thead><tr><th>App</th><th>Requests in this window</th></tr></thead>
  <tbody>{rows}</tbody>
</table>
"""


class Limits(PluginConfig):
    requests: int = Field(default=60, ge=1, description="How many requests an app may send within a window")
    window_s: int = Field(default=60, ge=1, le=86_400, description="How long a window is, in seconds")


class Counted:
    """What one exchange was counted as, for the headers of its answer."""

    standing: Standing | None = None


class RateLimiter(Plugin[Limits]):
    async def on_load(self) -> None:
        self.limiter = Limiter(self.services.kv, self.config.requests, self.config.window_s, time.time)

    @hook("pre_flight", on_failure="closed", priority=20)
    async def count(self, exchange: Exchange) -> Outcome | None:
        """A store that fails is an error, and so refuses: the hook is closed."""
        if exchange.synthetic:
            return None
        standing = await self.limiter.take(app_of(exchange))
        if not standing.passed:
            message = f"{self.config.requests} requests within {self.config.window_s} seconds are allowed."
            return Reject(429, "rate_limit_exceeded", message, retry_after_s=standing.wait_s)
        exchange.local(Counted).standing = standing
        return None

    @hook("response_head", on_failure="open")
    async def tell(self, exchange: Exchange) -> Outcome | None:
        standing = exchange.local(Counted).standing
        if standing is None or exchange.head is None:
            return None
        head = exchange.head.with_header("x-ratelimit-limit", str(self.config.requests))
        return Replace(head.with_header("x-ratelimit-remaining", str(standing.left)))

    @route("/", response_class=HTMLResponse)
    async def show(self) -> str:
        """How much of the window each app has used, as far as this process knows."""
        rows = (f"<tr><td>{html.escape(app)}</td><td>{count}</td></tr>" for app, count in self.limiter.usage().items())
        return PAGE.format(rows="".join(rows))


def app_of(exchange: Exchange) -> str:
    identity = exchange.identity
    if identity is None:
        return "nobody"
    return f"app/{identity.app}" if identity.app is not None else f"credential/{identity.credential}"
