"""Embeddings that the gateway asks for itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct
from typing import Any

import msgspec
import pytest

from jackfield.breaker import Breaker
from jackfield.clock import SystemClock
from jackfield.control.prices import PriceTable
from jackfield.control.records import UsageRecord
from jackfield.errors import JackfieldError, ModelNotFound, Refused, Unavailable, UpstreamBroken
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.host.routes import Routes, UpstreamLink
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.embedding import GatewayEmbedder
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.plugins.echo import Echo, embed_text
from jackfield.sdk.caller import Caller, act_for, acting_for, current_caller
from jackfield.sdk.hooks import hook, hooks_of
from jackfield.sdk.outcomes import Reject
from jackfield.sdk.plugin import Plugin, PluginConfig
from jackfield.sdk.providers import Upstream
from jackfield.services.embedding import Embedder
from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines
from jackfield.wire.chat import EmbeddingsRequest, EmbeddingsResponse, Usage


class Ledger:
    """A recorder, and a meter, that keep what they are given."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []

    def add(self, record: UsageRecord) -> None:
        self.records.append(record)

    def count(self, record: UsageRecord) -> None:
        pass

    def trace(self, body: Any) -> None:
        pass


class Scripted(Echo):
    """Answers as it is told, or like any echo."""

    data: tuple[bytes, ...] | None = None
    hangs = False

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse:
        if self.hangs:
            await asyncio.Event().wait()
        if self.data is None:
            return await super().embed(request, upstream)
        data = tuple(map(msgspec.Raw, self.data))
        return EmbeddingsResponse(model=request.model, data=data, usage=Usage(input=3))


class Gateway:
    """As much of one as embeds."""

    def __init__(self, *plugins: Plugin[Any]) -> None:
        self.provider, self.ledger, clock = Scripted("echo", PluginConfig()), Ledger(), SystemClock()
        link = UpstreamLink(
            Upstream(name="local", base_url="", options={}),
            "echo",
            self.provider,
            models={"embed": "embed-1"},
            client=HttpClient(policy=EgressPolicy.anywhere()),
            deadlines=Deadlines(),
            breaker=Breaker(clock.monotonic),
            max_retries=0,
        )
        table = HookTable([bound for plugin in plugins for bound in _bind(plugin, clock)])
        self.snapshot = Snapshot(generation=1, plugins={}, table=table, routes=Routes((link,)))
        settler = Settler(self.ledger, PriceTable.load(), self.ledger, "worker-1", together=1)  # type: ignore[arg-type]
        pipeline = Pipeline(None, settler, 600)  # type: ignore[arg-type]
        self.embed = GatewayEmbedder(pipeline, lambda: self.snapshot, "embed")

    @property
    def record(self) -> UsageRecord:
        (record,) = self.ledger.records
        return record


def _bind(plugin: Plugin[Any], clock: SystemClock) -> list[BoundHook]:
    guard = PluginGuard(plugin.id, clock)
    return [
        BoundHook(
            plugin.id,
            spec,
            getattr(plugin, spec.name),
            guard,
            priority=100,
            timeout_ms=30_000,
            closed=spec.on_failure == "closed",
        )
        for spec in hooks_of(type(plugin))
    ]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_each_text_is_embedded_in_its_place(gateway: Gateway) -> None:
    one, other = await gateway.embed(["likes tea", "likes coffee"])
    assert one == pytest.approx(embed_text("likes tea", len(one)))
    assert other == pytest.approx(embed_text("likes coffee", len(one)))


async def test_it_is_on_record_as_the_gateways_own(gateway: Gateway) -> None:
    await gateway.embed(["likes tea"])
    record = gateway.record
    assert (record.app, record.key_id, record.user, record.status) == ("jackfield", None, None, 200)
    assert (record.operation, record.model, record.upstream, record.upstream_model) == (
        "embeddings",
        "embed",
        "local",
        "embed-1",
    )
    assert record.input_tokens == 3
    assert (record.response_bytes or 0) > 100
    assert gateway.snapshot.pins == 0


def packed(*numbers: float) -> bytes:
    return msgspec.json.encode(base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode())


async def test_numbers_and_base64_are_read(gateway: Gateway) -> None:
    gateway.provider.data = (b"[1, 0.5]", packed(1, 0.5))
    assert await gateway.embed(["a", "b"]) == ((1.0, 0.5), (1.0, 0.5))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ((b"[1]",), "1 embeddings for 2 texts"),
        ((b"[1]", b"[2]", b"[3]"), "3 embeddings for 2 texts"),
        ((b"[1]", b"[2, 3]"), r"embeddings of \[1, 2\] dimensions"),
        ((b"[]", b"[]"), r"embeddings of \[0\] dimensions"),
        ((b"[1]", b'["x"]'), "neither numbers nor base64"),
        ((b"[1]", b'"!!"'), "neither numbers nor base64"),
        ((b"[1]", b'"AAAAAAA="'), "neither numbers nor base64"),
    ],
)
async def test_what_is_no_embedding_for_each_text_is_refused(
    gateway: Gateway, data: tuple[bytes, ...], told: str
) -> None:
    gateway.provider.data = data
    with pytest.raises(UpstreamBroken, match=told):
        await gateway.embed(["a", "b"])
    assert gateway.snapshot.pins == 0
    assert len(gateway.ledger.records) == 1


async def test_a_model_that_is_not_served_is_named(gateway: Gateway) -> None:
    gateway.embed.model = "embedd"
    with pytest.raises(ModelNotFound, match="embedd"):
        await gateway.embed(["a"])
    assert (gateway.record.status, gateway.record.error) == (404, "model_not_found")


async def test_who_gives_up_leaves_a_record(gateway: Gateway) -> None:
    gateway.provider.hangs = True
    assert await Embedder(gateway.embed, SystemClock(), timeout_s=0.01).vectors(["a"]) is None
    assert (gateway.record.status, gateway.record.error) == (504, "deadline_exceeded")
    assert gateway.snapshot.pins == 0


class Refusing(Plugin[Any]):
    id = "refusing"

    @hook("pre_flight", on_failure="closed", operations=("embeddings",))
    async def refuse(self, exchange: Any) -> Reject | None:
        return Reject(403, "secret", "No secrets") if "secret" in exchange.request.text() else None


async def test_plugins_see_it_and_may_refuse() -> None:
    gateway = Gateway(Refusing("refusing", PluginConfig()))
    assert len(await gateway.embed(["likes tea"])) == 1
    with pytest.raises(Refused, match="No secrets"):
        await gateway.embed(["a secret"])
    assert gateway.ledger.records[-1].plugin == "refusing"


async def test_a_required_plugin_that_does_not_run_bars_it(gateway: Gateway) -> None:
    gateway.snapshot.table.row("embeddings").barred = ("guard", "plugin guard does not run")
    with pytest.raises(Unavailable, match="guard does not run"):
        await gateway.embed(["a"])
    assert (gateway.record.status, gateway.record.plugin) == (503, "guard")


class Watching(Plugin[Any]):
    id = "watching"
    seen: tuple[Caller | None, ...] = ()

    @hook("pre_flight", on_failure="open", operations=("embeddings",))
    async def watch(self, exchange: Any) -> None:
        self.seen += (current_caller(),)
        act_for(lambda: Caller(user="mallory"))


async def test_it_runs_on_nobodys_behalf_and_leaves_the_caller_as_it_was() -> None:
    watching = Watching("watching", PluginConfig())
    gateway = Gateway(watching)
    alice = Caller(user="alice")
    with acting_for(alice):
        await gateway.embed(["a"])
        assert current_caller() is alice
    (seen,) = watching.seen
    assert seen is not None
    assert (seen.user, seen.app) == (None, "jackfield")


async def test_a_swap_waits_for_it(gateway: Gateway) -> None:
    gateway.provider.hangs = True
    asked = asyncio.create_task(gateway.embed(["a"]))
    await asyncio.sleep(0)
    assert gateway.snapshot.pins == 1
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError, JackfieldError):
        await asked
    assert gateway.snapshot.pins == 0
