"""Writes what was asked and what was answered to disk, one file for each exchange, without the credentials.

What users and models wrote is in these files: that is what they are for. Taken out of it, wherever it stands, is the
credential that the request came with, what stands under names such as `password`, what looks like a key, and every
secret of the gateway.
"""

from __future__ import annotations

import hashlib
import re
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from jackfield.plugins.request_tracer.folder import Bounds, Folder
from jackfield.plugins.request_tracer.record import Kept, describe
from jackfield.plugins.request_tracer.writer import Writer
from jackfield.sdk import Exchange, Health, OutgoingRequest, Plugin, PluginConfig, hook, secrets_of
from jackfield.sdk.hooks import HookSpec

Glob = Annotated[str, Field(min_length=1, max_length=200)]
# Its hooks run around all others: the first on the way in, the last on the way back.
OUTERMOST = -1_000_000
# Those of the request: an answer that takes several exchanges has its credentials only in the first.
_SECRETS: ContextVar[frozenset[str]] = ContextVar("request_tracer_secrets", default=frozenset())


class RequestTracerConfig(PluginConfig):
    folder: Path = Field(Path("request-traces"), description="Where files are written; it is made")
    sample: float = Field(1.0, ge=0, le=1, description="The share of exchanges that is written")
    paths: tuple[Glob, ...] = Field(("*",), description="Paths that are written; `*` stands for anything")
    exclude_paths: tuple[Glob, ...] = Field((), description="Of these, those that are not")
    models: tuple[Glob, ...] = Field(("*",), description="Models, as clients name them, that are written")
    exclude_models: tuple[Glob, ...] = Field((), description="Of these, those that are not")
    upstream_requests: bool = Field(False, description="Whether what was sent to upstreams is written, too")
    max_files: int = Field(1000, ge=1, le=100_000, description="How many files are kept; the oldest go first")
    max_total_bytes: int = Field(100_000_000, ge=100_000, description="How much all files may take together")
    max_age_s: float = Field(7 * 86400, gt=0, description="How many seconds a file is kept")
    max_body_bytes: int = Field(256_000, ge=1000, le=10_000_000, description="Larger bodies are left out")
    max_text_chars: int = Field(20_000, ge=100, description="Longer texts inside of bodies are cut")


class Sent:
    """What went to upstreams."""

    def __init__(self) -> None:
        self.requests: tuple[OutgoingRequest, ...] = ()


class RequestTracer(Plugin[RequestTracerConfig]):
    id = "request_tracer"

    async def on_load(self) -> None:
        """Raises `OSError` where the folder cannot be written."""
        config = self.config
        self._paths = _matcher(config.paths), _matcher(config.exclude_paths)
        self._models = _matcher(config.models), _matcher(config.exclude_models)
        folder = Folder(config.folder, Bounds(config.max_files, config.max_total_bytes, config.max_age_s))
        write = partial(describe, max_body_bytes=config.max_body_bytes, max_text_chars=config.max_text_chars)
        self._writer = Writer(folder, write, self._tell)
        await self._writer.open()

    async def on_unload(self) -> None:
        await self._writer.aclose()

    async def health(self) -> Health:
        return Health(not self._writer.problem, self._writer.problem)

    def hears(self, spec: HookSpec) -> bool:
        return spec.point != "attempt" or self.config.upstream_requests

    @hook("ingress", priority=OUTERMOST)
    async def remember(self, exchange: Exchange) -> None:
        """The only moment at which credentials are seen: to know them again in what is written."""
        if not exchange.synthetic:
            _SECRETS.set(secrets_of(exchange.inbound))

    @hook("attempt", priority=-OUTERMOST)
    async def note(self, exchange: Exchange) -> None:
        if exchange.outgoing is not None and not exchange.synthetic:
            exchange.local(Sent).requests += (exchange.outgoing,)

    @hook("background", priority=OUTERMOST, sees_answer=True)
    async def keep(self, exchange: Exchange) -> None:
        if self._is_wanted(exchange):
            sent = exchange.local(Sent).requests if self.config.upstream_requests else ()
            self._writer.add(Kept.of(exchange, _SECRETS.get(), sent))

    def _is_wanted(self, exchange: Exchange) -> bool:
        return (
            _lets_through(self._paths, exchange.inbound.path)
            and _lets_through(self._models, _model_of(exchange))
            and _share_of(exchange.id) < self.config.sample
        )

    def _tell(self, problem: str) -> None:
        if problem:
            self.log.error("traces_not_written", reason=problem)
        self.report(not problem, problem)


def _matcher(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Matches nothing where there are none."""
    return re.compile("|".join(re.escape(glob).replace(r"\*", ".*") for glob in globs) or "(?!)", re.DOTALL)


def _lets_through(pair: tuple[re.Pattern[str], re.Pattern[str]], name: str) -> bool:
    wanted, unwanted = pair
    return wanted.fullmatch(name) is not None and unwanted.fullmatch(name) is None


def _model_of(exchange: Exchange) -> str:
    """Nothing where the body was not what the path takes."""
    try:
        return exchange.model
    except Exception:  # noqa: BLE001 - whatever is wrong with the body, it is told elsewhere
        return ""


def _share_of(exchange_id: str) -> float:
    """From 0 on, below 1; all turns of one request have the same."""
    request = exchange_id.partition("-")[0]
    return int.from_bytes(hashlib.blake2b(request.encode(), digest_size=8).digest(), "big") / 2**64
