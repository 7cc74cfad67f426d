"""What hosts of such providers have to do, point by point, and the test that shows each.

T29 to T39 are of a registry of manifests to download; here that is a signed catalogue of sealed archives: a plugin is
searched, shown and installed by its name, and what is not in order is refused with nothing written.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from jackfield.dialects.provider.dialect import ProviderDialect
from jackfield.dialects.provider.manifest import example_manifest, load_manifest, write_manifest
from jackfield.errors import ConfigError
from jackfield.sources.folder import FolderSource

from .gateways import OpenGateway
from .manifests import COMPLETE, manifest
from .stub import Reply, Stub, answer, fault, lines
from .test_lives import change
from .test_serving import CAPABLE, chat, text_of

TESTS = Path(__file__).parents[2]
HERE = "dialects/provider/"
HTTP, CATALOGUE, INSTALLER = "runtimes/test_http_", "sources/archives/test_catalogue", "host/test_installer"

SHOWN_BY = {
    "T1": f"{HERE}test_manifest::test_json_and_yaml_are_read_alike",
    "T2": f"{HERE}test_manifest::test_what_is_wrong_is_named",
    "T3": f"{HERE}test_manifest::test_what_cannot_be_read_is_told_with_its_place",
    "T4": f"{HERE}test_manifest::test_what_is_wrong_is_named",
    "T5": f"{HERE}test_manifest::test_what_is_written_is_read_again",
    "T6": f"{HERE}test_checklist::test_an_example_is_written_into_folders_that_are_made_for_it",
    "T7": f"{HERE}test_manifest::test_json_and_yaml_are_read_alike",
    "T8": f"{HERE}test_lives::test_each_folder_is_one_and_what_is_deeper_or_a_tools_is_none",
    "T9": f"{HERE}test_checklist::test_where_nothing_is_nothing_is_found",
    "T10": f"{HERE}test_checklist::test_where_nothing_is_nothing_is_found",
    "T11": f"{HERE}test_lives::test_each_folder_is_one_and_what_is_deeper_or_a_tools_is_none",
    "T12": f"{HERE}test_lives::test_each_folder_is_one_and_what_is_deeper_or_a_tools_is_none",
    "T13": f"{HERE}test_checklist::test_one_that_nobody_knows_is_not_found",
    "T14": f"{HERE}test_manifest::test_what_is_wrong_is_named",
    "T15": f"{HERE}test_lives::test_without_auto_start_nobody_is_asked_until_it_is_enabled",
    "T16": f"{HERE}test_lives::test_of_two_with_one_type_the_second_is_reported",
    "T17": f"{HERE}test_lives::test_it_is_loaded_looked_at_and_unloaded_in_the_order_of_the_guide",
    "T18": f"{HERE}test_lives::test_an_ill_one_is_told_of_by_the_load_and_served_once_it_is_well",
    "T19": f"{HERE}test_lives::test_each_reason_is_told_and_it_is_tried_again",
    "T20": f"{HERE}test_manifest::test_what_is_wrong_is_named",
    "T21": f"{HERE}test_lives::test_one_that_is_not_there_yet_delays_nobody_and_is_found_later",
    "T22": f"{HERE}test_reading::test_health_is_read_and_nonsense_is_ill_health",
    "T23": f"{HERE}test_lives::test_a_new_config_is_sent_and_one_that_is_rejected_leaves_the_old",
    "T24": f"{HERE}test_serving::test_an_answer_may_be_small_and_its_status_any_success",
    "T25": f"{HERE}test_checklist::test_models_that_are_not_told_are_none_and_it_serves_all_the_same",
    "T26": f"{HERE}test_checklist::test_a_clean_up_that_fails_does_not_keep_it",
    "T27": f"{HTTP}errors::test_without_a_code_the_status_tells",
    "T28": f"{HERE}test_serving::test_its_models_join_the_gateways_and_its_bytes_pass_as_they_are",
    "T29": f"{CATALOGUE}::test_an_index_is_a_file_that_people_can_read",
    "T30": f"{CATALOGUE}::test_an_index_lists_a_version_once",
    "T31": f"{CATALOGUE}::test_words_are_searched_in_all_that_is_told",
    "T32": f"{CATALOGUE}::test_the_newest_is_chosen_by_what_versions_mean",
    "T33": f"{CATALOGUE}::test_what_is_not_listed_is_not_found",
    "T34": "cli/test_plugin_install::test_a_catalogue_that_cannot_be_read_is_told_of",
    "T35": f"{INSTALLER}::test_what_the_catalogue_leads_to_is_what_it_lists",
    "T36": f"{INSTALLER}::test_the_newest_of_a_catalogue_is_installed_by_name",
    "T37": "sources/archives/test_shelf::test_one_that_is_not_there_is_told_of",
    "T38": f"{CATALOGUE}::test_words_are_searched_in_all_that_is_told",
    "T39": "sources/archives/test_shelf::test_looking_writes_nothing_and_keeping_outlives_a_restart",
    "T40": "sdk/test_serve_endpoints::test_metadata_is_what_the_class_says",
    "T41": "sdk/test_serve_endpoints::test_types_are_told_in_the_words_of_hosts",
    "T42": f"{HERE}test_schema::test_each_violation_names_its_field",
    "T43": "sdk/test_serve_faults::test_each_failure_has_a_code_a_status_and_says_whether_it_may_pass",
    "T44": "sdk/test_serve_lives::test_health_is_told_with_a_time_in_its_zone",
    "T45": f"{HERE}test_reading::test_a_price_is_for_a_million_tokens",
    "T46": "sdk/test_serve_endpoints::test_unknown_fields_of_a_request_reach_the_class",
    "N1": f"{HERE}test_manifest::test_the_guides_complete_manifest_is_read_with_every_field",
    "N2": f"{HERE}test_checklist::test_the_python_example_is_loaded_asked_and_unloaded",
    "N3": f"{HERE}test_reading::test_times_are_read_in_each_way_that_the_guide_writes_them",
    "N4": f"{HERE}test_lives::test_its_config_reaches_it_whole_and_its_secret_nobody_else",
    "N5": f"{HERE}test_commands::test_it_is_started_in_its_folder_and_ended_when_it_is_disabled",
    "N6": f"{HERE}test_commands::test_killed_in_the_middle_of_a_request_it_is_back_and_initialized",
    "N7": f"{HERE}test_serving::test_one_that_does_not_answer_in_time_is_a_timeout",
    "N8": f"{HERE}test_lives::test_three_failures_in_a_row_take_it_out_and_one_success_brings_it_back",
    "N9": f"{HERE}test_lives::test_an_edit_is_taken_in_and_a_broken_one_keeps_the_old_serving",
    "N10": f"{HERE}test_serving::test_a_stream_comes_in_each_framing_to_clients_of_each_api",
    "N11": f"{HERE}test_serving::test_what_passes_is_tried_again_when_it_asks_for_it",
    "N12": f"{HERE}test_serving::test_its_own_cost_counts_else_its_price_and_nonsense_does_not",
    "N13": f"{HERE}test_serving::test_an_answer_may_be_small_and_its_status_any_success",
    "N14": f"{HERE}test_checklist::test_a_slash_at_the_end_of_an_endpoint_does_no_harm",
    "N15": f"{HERE}test_reading::test_the_same_major_version_is_spoken",
    "N16": f"{HERE}test_schema::test_all_violations_are_told",
    "N17": f"{HERE}test_lives::test_a_dead_one_is_unloaded_too",
    "N18": f"{INSTALLER}::test_what_is_not_in_order_writes_nothing",
    "N19": f"{HERE}test_lives::test_of_two_with_one_type_the_second_is_reported",
    "N20": f"{HERE}test_lives::test_each_folder_is_one_and_what_is_deeper_or_a_tools_is_none",
    "N21": f"{HERE}test_reading::test_models_come_as_a_list_or_below_a_name",
    "N22": f"{HERE}test_checklist::test_that_it_was_loaded_is_told_in_the_log",
}


@cache
def named_in(module: str) -> frozenset[str]:
    tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_each_point_is_shown_by_a_test_that_there_is() -> None:
    assert list(SHOWN_BY) == [*(f"T{n}" for n in range(1, 47)), *(f"N{n}" for n in range(1, 23))]
    for point, (module, _, name) in ((key, place.partition("::")) for key, place in SHOWN_BY.items()):
        assert name in named_in(module), point


def test_an_example_is_written_into_folders_that_are_made_for_it(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "example" / "plugin.yaml"
    write_manifest(example_manifest(), file)
    found = load_manifest(file)[0]
    assert found.metadata.name == "Example Plugin"
    assert found.metadata.config_schema


def test_where_nothing_is_nothing_is_found(tmp_path: Path) -> None:
    """A folder that is configured and not there is named, and not made: more likely it is a slip."""
    assert FolderSource(tmp_path, [ProviderDialect().find]).find() == ()
    missing = tmp_path / "missing"
    with pytest.raises(ConfigError, match="cannot read the plugins folder"):
        FolderSource(missing, [ProviderDialect().find]).find()
    assert not missing.exists()


async def test_one_that_nobody_knows_is_not_found(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({})
    assert (await gateway.admin("/api/v1/plugins/nobody")).status == 404
    await change(gateway, "toggle", {"name": "nobody", "enabled": False}, 404)
    await change(gateway, "hot-swap", {"names": ["nobody"]}, 404)


async def test_models_that_are_not_told_are_none_and_it_serves_all_the_same(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    stub.replies["/models"] = Reply(500, b"oops", "text/plain")
    named = {"name": "named", "provider": "stub", "models": ["stub-1"]}
    gateway = await open_gateway({"test": manifest(stub.url)}, upstreams=[named])
    assert (await gateway.plugin("test"))["process"]["models"] == []
    assert (await chat(gateway)).status == 200


async def test_a_clean_up_that_fails_does_not_keep_it(open_gateway: OpenGateway, stub: Stub) -> None:
    stub.replies["/cleanup"] = fault(500, "internal_error")
    gateway = await open_gateway({"test": manifest(stub.url)})
    await change(gateway, "toggle", {"name": "test", "enabled": False})
    await stub.reached("/cleanup")
    assert (await gateway.plugin("test"))["state"] == "disabled"


async def test_a_slash_at_the_end_of_an_endpoint_does_no_harm(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(f"{stub.url}/")})
    assert (await chat(gateway)).status == 200
    assert not any(path.startswith("//") for path in stub.paths())


async def test_that_it_was_loaded_is_told_in_the_log(
    open_gateway: OpenGateway, stub: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    await open_gateway({"test": manifest(stub.url)})
    assert "Plugin loaded: test" in "".join(capfd.readouterr())


EXAMPLE_MODELS = [
    {"id": name, "cost_per_mtoken": 30.0, "capabilities": {"streaming": True, "function_calling": True}}
    for name in ("gpt-4", "gpt-3.5-turbo")
]


async def test_the_python_example_is_loaded_asked_and_unloaded(open_gateway: OpenGateway, tmp_path: Path) -> None:
    """As one that starts by hand, does not stream, writes times without a zone, and whose models say that they do what
    it does not."""
    can = {"streaming": False, "function_calling": True, "vision": False}
    async with Stub(name="Python Example Plugin", provider_type="example-python", capabilities=can) as example:
        example.replies["/health"] = answer({"healthy": True, "message": "OK", "timestamp": "2026-01-21T10:00:00.123"})
        example.replies["/models"] = answer(EXAMPLE_MODELS)
        own = COMPLETE.replace("http://localhost:8090", example.url).replace("my-ai-provider", "example-python")
        own = own[: own.index("# Optional: Command")].replace("auto_start: true", "auto_start: false  # by hand")
        gateway = await open_gateway({"example-python": own}, {"example-python": {"api_key": "sk-any"}})
        assert example.asked == []
        await change(gateway, "toggle", {"name": "example-python", "enabled": True})
        assert example.last("/initialize").json == {
            "api_key": "sk-any", "endpoint": "https://api.example.com", "timeout": 30,
        }  # fmt: skip
        called = await chat(gateway, model="gpt-4", stream=True, stream_options={"include_usage": True})
        assert text_of(called) == "Hello!"
        assert not {"stream", "stream_options"} & example.last("/chat/completions").json.keys()
        await change(gateway, "toggle", {"name": "example-python", "enabled": False})
        await example.reached("/cleanup")


async def test_lines_are_a_stream_for_who_says_that_it_streams(open_gateway: OpenGateway, stub: Stub) -> None:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}}], "done": True}
    stub.replies["/chat/completions"] = lines(chunk)
    gateway = await open_gateway({"test": manifest(stub.url, metadata=CAPABLE)})
    assert text_of(await chat(gateway, stream=True)) == "Hi"
