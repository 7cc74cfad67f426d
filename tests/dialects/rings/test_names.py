"""The modules that ring plugins import as `core.…`."""

from __future__ import annotations

import hashlib
import logging

import pytest

from jackfield.dialects.rings.names import plugin_engine, plugin_sdk, pricing, tokenizer
from jackfield.dialects.rings.names.plugin_engine import PluginContext, PluginState
from jackfield.dialects.rings.names.plugin_sdk import (
    BasePlugin,
    PluginAction,
    PluginHook,
    PluginResponse,
    PluginResponseError,
)


def test_a_plugin_has_the_guides_attributes_where_it_says_nothing() -> None:
    assert (BasePlugin.name, BasePlugin.hook) == ("unnamed_plugin", PluginHook.BACKGROUND)
    assert (BasePlugin.version, BasePlugin.author) == ("0.0.1", "unknown")
    assert (BasePlugin.description, BasePlugin.timeout_ms) == ("", 50)
    assert BasePlugin.__name__ == "BasePlugin"


async def test_a_plugin_works_without_a_host() -> None:
    class Mine(BasePlugin):
        name = "mine"

    plugin = Mine(config={"a": 1})
    assert (plugin.config, plugin.logger.name) == ({"a": 1}, "plugin.mine")
    assert Mine().config == {}
    assert await plugin.execute(PluginContext()) == PluginResponse.passthrough()
    assert (await plugin.on_load(), await plugin.on_unload()) == (None, None)
    assert plugin.stats["invocations"] == 0


def test_both_modules_have_the_same_rings() -> None:
    assert plugin_engine.PluginHook is plugin_sdk.PluginHook
    assert [hook.value for hook in PluginHook] == ["ingress", "pre_flight", "routing", "post_flight", "background"]


def test_a_response_passes_unless_it_says_otherwise() -> None:
    response = PluginResponse()
    assert response.action == "passthrough" == str(response.action)
    assert (response.status_code, response.error_type, response.message) == (200, None, None)
    assert (response.body, response.response) == (None, None)


def test_the_factories_of_responses() -> None:
    assert PluginResponse.modify(body={"a": 1}, message="m") == PluginResponse("modify", 200, None, "m", {"a": 1})
    assert PluginResponse.modify().body is None
    block = PluginResponse.block()
    assert (block.status_code, block.error_type, block.message) == (403, "plugin_block", "Blocked by plugin")
    assert PluginResponse.cache_hit("kept").response == "kept"
    assert PluginResponse(action="modify", body=1).action is PluginAction.MODIFY


def test_a_block_that_looks_like_an_answer_becomes_a_403(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert PluginResponse.block(status_code=200).status_code == 403
    assert "403" in caplog.text
    assert PluginResponse.block(status_code=429).status_code == 429


@pytest.mark.parametrize(
    ("stated", "told"), [("429", 429), ("no", 403), (None, 403), (599, 599), (600, 403), (True, 403), (1e400, 403)]
)
def test_a_block_has_the_status_of_an_error_and_texts(stated: object, told: int) -> None:
    block = PluginResponse("block", stated, 7, {"why": "\ud800"})  # type: ignore[arg-type]
    assert (block.status_code, block.error_type) == (told, "7")
    assert isinstance(block.message, str)
    assert PluginResponse("modify", stated, message=5).message == 5  # type: ignore[arg-type, comparison-overlap]


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(PluginResponseError, match=r"Invalid PluginResponse action 'stop'\. Must be one of: passthr"):
        PluginResponse(action="stop")
    assert issubclass(PluginResponseError, ValueError)


def test_contexts_share_nothing_by_accident() -> None:
    one, other = PluginContext(), PluginContext()
    one.body["a"] = one.metadata["a"] = 1
    assert (other.body, other.metadata, other.session_id) == ({}, {}, "default")
    assert (other.request, other.response, other.error, other.stop_chain, other.state) == (
        None,
        None,
        None,
        False,
        None,
    )
    state = PluginState()
    assert (state.cache, state.metrics, state.config, state.extra) == (None, None, {}, {})


def test_the_hash_of_a_source_is_that_of_its_text() -> None:
    assert plugin_engine.compute_plugin_sha256("é\n") == hashlib.sha256("é\n".encode()).hexdigest()


def test_tokens_are_counted_for_texts_and_messages() -> None:
    assert tokenizer.count_tokens("") == 0
    assert tokenizer.count_tokens("twelve chars", "gpt-4o") == 3
    plain = tokenizer.count_messages_tokens([{"role": "user", "content": "hello there"}])
    parts = tokenizer.count_messages_tokens([{"role": "user", "content": [{"type": "text", "text": "hello there"}]}])
    assert plain == parts > 3
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    assert tokenizer.count_messages_tokens([picture]) > 1_000


@pytest.mark.parametrize("odd", [None, 5, "text", {}, {"content": None}, {"content": 5}, {"content": [None, 5]}])
def test_odd_messages_do_not_stop_the_count(odd: object) -> None:
    assert tokenizer.count_messages_tokens([odd, {"content": "four"}]) >= 5  # type: ignore[list-item]


def test_a_tool_call_counts() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"place": "Leipzig"}'}}
    called = tokenizer.count_messages_tokens([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert called > tokenizer.count_messages_tokens([{"role": "assistant", "content": None}]) + 10


def test_prices_come_from_the_gateways_table() -> None:
    assert pricing.get_pricing("gpt-4o") == {"input": 2.5, "output": 10.0}
    assert pricing.estimate_cost("gpt-4o", 1_000_000, 100_000) == 3.5
    assert pricing.estimate_cost_pre_flight("gpt-4o", 1_000_000) == 7.5
    assert pricing.estimate_cost_pre_flight("gpt-4o", 1_000_000, 0.1) == 3.5
    assert pricing.estimate_cost_pre_flight("gpt-4o", 1_000_000, ratio=0.1) == 3.5
    assert pricing.estimate_cost_pre_flight("gpt-4o", 1_000_000, output_ratio=0.1) == 3.5


def test_the_longest_known_beginning_of_a_name_gives_its_price() -> None:
    assert pricing.get_pricing("gpt-4o-mini-of-ours") == pricing.get_pricing("gpt-4o-mini")
    assert pricing.get_pricing("gpt-4o-mini") != pricing.get_pricing("gpt-4o")


def test_an_unknown_model_has_a_price_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="pricing"):
        assert pricing.get_pricing("nobody-knows-1") == {"input": 1.0, "output": 3.0}
        pricing.get_pricing("nobody-knows-1")
    assert caplog.text.count("nobody-knows-1") == 1
    assert pricing.get_pricing("") == {"input": 1.0, "output": 3.0}
