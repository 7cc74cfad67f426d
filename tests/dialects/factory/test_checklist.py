"""What the guide promises (S) and what its own host gets wrong (A), point by point, and the tests that show each."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from jackfield.dialects.factory.dialect import FactoryDialect
from jackfield.settings import LogSettings
from jackfield.sources.builtin import BuiltinSource
from jackfield.telemetry.logs import configure_logs
from jackfield.testing import until

from .guide import SKELETON, system
from .house import put

TESTS = Path(__file__).parents[2]
HERE = "dialects/factory/"
CLI = "cli/test_plugin_commands"
MIDDLEWARE, STATUS = "server/test_plugin_middleware", "server/test_admin_factory_status"
ORDER = f"{MIDDLEWARE}::test_the_lowest_layer_is_the_outermost_and_ties_go_by_plugin"
BOTH_STATUS = f"{STATUS}::test_order_services_and_each_plugin_are_told"
SIGNED_IN = f"{HERE}test_signing_in::test_a_sign_in_plugins_provider_is_signed_in_to_through_the_gateway"
PROVIDED = f"{HERE}test_providing::test_a_model_of_a_provider_is_asked_through_its_adapter"

SHOWN_BY: dict[str, tuple[str, ...]] = {
    "S01": (f"{HERE}test_names::test_a_factory_and_its_manifest_agree",),
    "S02": (SIGNED_IN, f"{HERE}test_every_event::test_every_event_is_told"),
    "S03": (PROVIDED, f"{HERE}test_signing_in::test_a_provider_uses_an_account_that_it_is_lent"),
    "S04": (f"{HERE}test_checklist::test_a_system_plugin_serves_no_models",),
    "S05": (f"{HERE}test_skeleton::test_it_runs_and_is_listed_as_a_provider", SIGNED_IN, BOTH_STATUS),
    "S06": (f"{HERE}test_serving::test_a_provider_factory_makes_its_parts",),
    "S07": (f"{HERE}test_names::test_a_factory_and_its_manifest_agree",),
    "S08": (
        f"{HERE}test_names::test_a_manifest_tells_what_it_lacks",
        f"{HERE}test_names::test_all_that_is_offered_is_there",
    ),
    "S09": (f"{HERE}test_services::test_without_what_it_requires_it_fails_and_its_routes_are_absent",),
    "S10": (f"{HERE}test_services::test_what_is_only_wished_for_orders_and_may_be_absent",),
    "S11": (
        f"{HERE}test_names::test_middleware_is_sorted_by_priority",
        f"{HERE}test_serving::test_routes_stand_where_they_were_declared",
        f"{HERE}test_serving::test_tasks_are_the_gateways_own",
        f"{HERE}test_hooks::test_they_are_told_by_priority_and_one_that_raises_harms_none",
    ),
    "S12": (f"{HERE}test_checklist::test_a_manifest_is_there_before_anything_is_initialised",),
    "S13": (f"{HERE}test_names::test_a_runtime_is_initialised_once_and_shut_down_only_then", SIGNED_IN),
    "S14": (f"{HERE}test_serving::test_every_promised_key_is_there",),
    "S15": (
        f"{HERE}test_names::test_a_context_is_a_mapping_of_attributes",
        f"{HERE}test_serving::test_a_router_in_the_context_stands_below_the_plugins_own_path",
    ),
    "S16": (
        f"{HERE}test_serving::test_routes_stand_where_they_were_declared",
        f"{HERE}test_services::test_what_was_not_declared_may_be_given_all_the_same",
        f"{HERE}test_shapes::test_a_body_is_completed_on_its_way_out",
    ),
    "S17": (
        f"{HERE}test_serving::test_health_is_read",
        f"{HERE}test_serving::test_validate_is_asked",
        f"{HERE}test_serving::test_what_waits_is_told_before_the_end",
    ),
    "S18": (f"{HERE}test_skeleton::test_it_runs_and_is_listed_as_a_provider",),
    "S19": (f"{HERE}test_discovery::test_a_folder_is_known_by_its_plugin_py",),
    "S20": (f"{HERE}test_discovery::test_an_installed_package_names_a_factory_or_what_makes_one",),
    "S21": (f"{HERE}test_checklist::test_of_a_folder_and_a_package_the_folder_counts_and_one_that_is_broken_is_told",),
    "S22": (f"{HERE}test_config::test_local_discovery_can_be_switched_off",),
    "S23": (
        f"{HERE}test_discovery::test_what_is_wrong_is_told",
        f"{HERE}test_discovery::test_a_broken_one_is_listed_and_harms_none",
    ),
    "S24": (f"{HERE}test_config::test_the_model_is_what_the_plugin_gets",),
    "S25": (f"{HERE}test_config::test_of_any_two_layers_the_upper_one_counts",),
    "S26": (
        f"{HERE}test_config::test_false_disables",
        f"{HERE}test_config::test_a_plugin_that_is_off_by_default_is_switched_on",
    ),
    "S27": (
        f"{HERE}test_serving::test_routes_stand_where_they_were_declared",
        f"{HERE}test_checklist::test_routes_without_tags_have_that_of_the_plugin",
    ),
    "S28": (f"{HERE}test_serving::test_middleware_stands_in_its_layer",),
    "S29": (ORDER,),
    "S30": (f"{HERE}test_hooks::test_they_are_told_by_priority_and_one_that_raises_harms_none",),
    "S31": (f"{HERE}test_names::test_the_events_are_all_of_the_guides", f"{HERE}test_events::test_of_a_stream"),
    "S32": (f"{HERE}test_hooks::test_they_are_told_by_priority_and_one_that_raises_harms_none",),
    "S33": (f"{HERE}test_services::test_what_is_required_starts_first_and_is_found_by_type",),
    "S34": (f"{HERE}test_services::test_what_is_required_starts_first_and_is_found_by_type",),
    "S35": (f"{HERE}test_client::test_a_plugin_has_one_client_which_ends_with_it",),
    "S36": (
        f"{HERE}test_serving::test_health_is_read",
        f"{HERE}test_names::test_a_runtime_is_initialised_once_and_shut_down_only_then",
    ),
    "S37": (BOTH_STATUS,),
    "S38": (f"{HERE}test_checklist::test_loggers_carry_the_name_of_their_plugin",),
    "S39": (
        f"{HERE}test_load::test_a_key_reaches_no_event_no_log_and_no_record",
        f"{HERE}test_shapes::test_requests_are_traced_without_credentials",
    ),
    "S40": (f"{HERE}test_checklist::test_what_plugins_log_keeps_the_gateways_level_and_form",),
    "S41": (
        f"{HERE}test_names::test_a_task_backs_off_and_stops",
        f"{HERE}test_serving::test_tasks_are_the_gateways_own",
    ),
    "S42": (
        "testing/test_factory_app::test_the_names_are_there_in_pytest",
        "testing/test_factory_app::test_two_applications_share_nothing",
    ),
    "S43": (
        "testing/test_factory_app::test_two_applications_share_nothing",
        f"{HERE}test_discovery::test_two_gateways_share_nothing",
    ),
    "S44": (
        f"{HERE}test_discovery::test_installed_packages_of_both_groups_are_found",
        f"{HERE}test_checklist::test_of_a_folder_and_a_package_the_folder_counts_and_one_that_is_broken_is_told",
    ),
    "S45": (
        f"{HERE}test_client::test_a_pool_has_the_one_client",
        f"{HERE}test_client::test_its_requests_are_the_gateways_own",
    ),
    "S46": (
        f"{HERE}test_skeleton::test_it_runs_and_is_listed_as_a_provider",
        f"{HERE}test_checklist::test_the_skeletons_config_comes_from_file_and_environment",
    ),
    "S47": (f"{HERE}test_checklist::test_what_the_guide_refers_to_is_there",),
    "A01": (f"{HERE}test_skeleton::test_it_runs_and_is_listed_as_a_provider",),
    "A02": (BOTH_STATUS, f"{HERE}test_services::test_what_is_required_starts_first_and_is_found_by_type"),
    "A03": (
        f"{HERE}test_services::test_without_what_it_requires_it_fails_and_its_routes_are_absent",
        f"{HERE}test_checklist::test_hooks_of_one_that_does_not_run_are_silent",
    ),
    "A04": (f"{HERE}test_services::test_a_cycle_is_told_with_its_path",),
    "A05": (f"{HERE}test_services::test_what_is_only_wished_for_orders_and_may_be_absent",),
    "A06": (f"{HERE}test_services::test_who_declares_and_does_not_register_is_degraded",),
    "A07": (f"{HERE}test_discovery::test_a_broken_one_is_listed_and_harms_none",),
    "A08": (f"{HERE}test_discovery::test_of_two_with_one_name_one_wins_and_the_other_is_reported",),
    "A09": (
        f"{HERE}test_checklist::test_of_a_folder_and_a_package_the_folder_counts_and_one_that_is_broken_is_told",
        f"{HERE}test_config::test_local_discovery_can_be_switched_off",
        f"{CLI}::test_one_that_is_off_has_none_and_is_not_run",
    ),
    "A10": (
        f"{HERE}test_config::test_of_any_two_layers_the_upper_one_counts",
        f"{HERE}test_config::test_the_environment_stands_over_the_file",
        f"{HERE}test_config::test_false_disables",
    ),
    "A11": (
        f"{CLI}::test_options_of_serve_reach_the_config_over_everything_else",
        f"{CLI}::test_the_plugin_that_is_served_has_what_was_given",
    ),
    "A12": (f"{HERE}test_config::test_keys_that_the_model_does_not_know_are_told",),
    "A13": (ORDER, f"{MIDDLEWARE}::test_who_may_ask_from_a_browser_is_told_before_any_of_them"),
    "A14": (
        f"{HERE}test_hooks::test_they_are_told_by_priority_and_one_that_raises_harms_none",
        f"{HERE}test_hooks::test_what_a_hook_does_wrong_leaves_all_as_it_was",
    ),
    "A15": (
        f"{HERE}test_every_event::test_every_event_is_told",
        f"{HERE}test_events::test_of_a_stream",
        f"{HERE}test_events::test_of_a_stream_that_breaks_off",
        f"{HERE}test_events::test_of_an_upstream_that_answers_with_an_error",
        f"{HERE}test_events::test_of_a_client_that_leaves",
    ),
    "A16": (
        f"{HERE}test_load::test_ten_thousand_requests_with_twenty_subscribers",
        f"{HERE}test_hooks::test_none_is_lost_uncounted_and_none_is_told_after_the_end",
        f"{HERE}test_serving::test_what_waits_is_told_before_the_end",
    ),
    "A17": (
        f"{HERE}test_hooks::test_a_prepared_request_is_changed",
        f"{HERE}test_hooks::test_the_raw_body_counts_where_it_was_changed",
    ),
    "A18": (
        f"{HERE}test_names::test_a_task_backs_off_and_stops",
        "services/test_scheduler::test_what_fails_in_a_row_is_tried_less_and_less_often",
    ),
    "A19": (
        f"{HERE}test_serving::test_health_is_read",
        f"{HERE}test_names::test_a_runtime_is_initialised_once_and_shut_down_only_then",
        "server/test_operations::test_a_plugin_in_trouble_is_noted",
    ),
    "A20": (
        f"{HERE}test_load::test_a_key_reaches_no_event_no_log_and_no_record",
        f"{HERE}test_shapes::test_requests_are_traced_without_credentials",
        f"{HERE}test_providing::test_events_are_told_of_it_as_of_others_and_hold_no_secret_of_its_adapter",
    ),
    "A21": (
        f"{HERE}test_serving::test_routes_stand_where_they_were_declared",
        f"{HERE}test_shapes::test_pages_and_static_files_are_served",
        "server/test_plugin_paths::test_without_a_key_only_what_is_public_and_approved",
    ),
    "A22": (
        "testing/test_factory_app::test_two_applications_share_nothing",
        f"{HERE}test_discovery::test_two_gateways_share_nothing",
    ),
    "A23": (
        f"{HERE}test_checklist::test_they_end_in_the_reverse_order_and_are_told_until_then",
        f"{HERE}test_serving::test_what_waits_is_told_before_the_end",
    ),
    "A24": (f"{HERE}test_discovery::test_its_code_runs_once_whoever_imports_it",),
    "A25": (
        f"{HERE}test_translators::test_what_is_asked_survives_every_pair",
        f"{HERE}test_translators::test_so_do_answers_and_errors",
        "wire/test_translation::test_a_request_is_translated",
        "wire/test_translation::test_an_error_is_translated",
    ),
    "A26": (
        f"{HERE}test_shapes::test_requests_are_written_down_as_commands",
        f"{HERE}test_shapes::test_a_body_is_completed_on_its_way_out",
        f"{HERE}test_shapes::test_tokens_are_counted_once_whether_they_stream_or_not",
        f"{HERE}test_shapes::test_prices_and_a_store_are_services_of_others",
        f"{HERE}test_shapes::test_requests_are_traced_without_credentials",
        f"{HERE}test_shapes::test_pages_and_static_files_are_served",
    ),
}


@cache
def named_in(module: str) -> frozenset[str]:
    tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_each_point_is_shown_by_tests_that_there_are() -> None:
    assert list(SHOWN_BY) == [*(f"S{n:02}" for n in range(1, 48)), *(f"A{n:02}" for n in range(1, 27))]
    for point, places in SHOWN_BY.items():
        assert places, point
        for module, _, name in (place.partition("::") for place in places):
            assert name in named_in(module), f"{point}: {module}::{name}"


async def test_a_system_plugin_serves_no_models(open_house: Any) -> None:
    house = await open_house(plugins={"plain": system("plain")})
    assert (await house.described("plain"))["type"] == "system"
    async with house.gateway.caller() as caller:
        assert [one["id"] for one in (await caller.get("/v1/models")).json["data"]] == ["echo"]


def test_a_manifest_is_there_before_anything_is_initialised(folder: Path) -> None:
    put(
        folder,
        "plain",
        system("plain", "    def __init__(self, manifest):\n        raise AssertionError", "provides=['x']"),
    )
    dialect = FactoryDialect()
    manifest = dialect.read(dialect.find(folder)[0]).manifest
    assert (manifest.id, manifest.version, manifest.provides) == ("plain", "1.2.3", ("x",))


def install(place: Path, name: str, source: str) -> None:
    """As a package with an entry point."""
    package, told = place / f"acme_{name}", place / f"acme_{name}-1.0.dist-info"
    package.mkdir(parents=True)
    told.mkdir()
    (package / "__init__.py").write_text(source)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[ccproxy.plugins]\n{name} = acme_{name}:factory\n")


async def test_of_a_folder_and_a_package_the_folder_counts_and_one_that_is_broken_is_told(
    open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for name in ("both", "broken", "alone"):
        install(site, name, system(name).replace("1.2.3", "9.0.0"))
    monkeypatch.syspath_prepend(str(site))
    plugins = {"both": system("both"), "broken": "import ccproxy.plugins\n1 / 0"}
    house = await open_house(plugins=plugins)
    listed = [one for one in (await house.status())["plugins"] if one["name"] in ("alone", "both")]
    assert {one["name"]: one["version"] for one in listed if one["state"] == "active"} == {
        "alone": "9.0.0",
        "both": "1.2.3",
    }
    every = (await house.gateway.admin("/api/v1/plugins")).json["plugins"]
    told = [
        (one["source"], one["state"], one["reason"])
        for one in every
        if "broken" in one["id"] or one["name"] == "broken"
    ]
    assert ("folder", "failed", "ZeroDivisionError: division by zero") in told


async def test_routes_without_tags_have_that_of_the_plugin(open_house: Any) -> None:
    before = "router = APIRouter()\nrouter.add_api_route('/x', lambda: 1)"
    plugins = {"my_shop": system("my_shop", fields='routes=[RouteSpec(router, "/shop")]', before=before)}
    house = await open_house(plugins=plugins)
    document = (await house.gateway.admin("/api/openapi.json")).json
    assert document["paths"]["/shop/x"]["get"]["tags"] == ["my-shop"]


SPEAKS = """
    async def _on_initialize(self):
        logger.info("by module", n=1)
        get_plugin_logger("chosen").info("by name")
        self.context.logger.bind(n=2).warning("by context")
        self.logger.trace("quietly")
"""


async def test_loggers_carry_the_name_of_their_plugin(open_house: Any) -> None:
    with capture_logs() as told:
        await open_house(plugins={"speaks": system("speaks", SPEAKS)})
    found = {line["event"]: (line["plugin"], line["log_level"], line.get("n")) for line in told if line.get("plugin")}
    assert found["by module"] == ("speaks", "info", 1)
    assert found["by name"] == ("chosen", "info", None)
    assert found["by context"] == ("speaks", "warning", 2)
    assert found["quietly"] == ("speaks", "debug", None)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("level", "events"), [("info", ["by module", "by name", "by context"]), ("warning", ["by context"])]
)
async def test_what_plugins_log_keeps_the_gateways_level_and_form(
    open_house: Any, stream: io.StringIO, level: Any, events: list[str]
) -> None:
    configure_logs(LogSettings(level=level, format="json"), stream)
    await open_house(plugins={"speaks": system("speaks", SPEAKS)})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line for line in lines if line["event"].startswith("by ")]
    assert [line["event"] for line in told] == events
    assert all({"plugin", "level", "timestamp"} <= line.keys() for line in told)


@pytest.mark.parametrize(
    ("file", "environ", "wanted"),
    [(True, None, True), (False, None, False), (False, "true", True), (True, "false", None)],
)
async def test_the_skeletons_config_comes_from_file_and_environment(
    open_house: Any, file: bool, environ: str | None, wanted: bool | None
) -> None:
    """What is disabled by either is not run; `enabled` is the model's own field as well."""
    off = SKELETON.replace("enabled: bool = True", "enabled: bool = True\n    level: int = 1")
    config = {} if file else {"JACKFIELD_PLUGINS__CONFIG__MY_PROVIDER__LEVEL": "2"}
    given = {} if environ is None else {"PLUGINS__MY_PROVIDER__ENABLED": environ}
    house = await open_house(plugins={"my_provider": off}, environ=config | given)
    told = await house.described("my_provider")
    assert told["initialized"] is (wanted is not None)
    if wanted is not None:
        assert house.member("my_provider").config.level == (1 if file else 2)


def test_what_the_guide_refers_to_is_there() -> None:
    """How plugins run, and plugins to learn from."""
    root = TESTS.parent
    assert (root / "docs/how-to/factory-plugins.md").is_file()
    assert "how-to/factory-plugins.md" in (root / "mkdocs.yml").read_text(encoding="utf-8")
    assert {"metrics", "analytics"} <= {found.name for found in BuiltinSource().find()}


HEARS = """
class Hears(Hook):
    name, events = "hears", list(HookEvent)

    async def __call__(self, context):
        seen.append(context.event.value)
"""


async def test_hooks_of_one_that_does_not_run_are_silent(open_house: Any) -> None:
    fields = 'requires=["nobody_gives_it"], hooks=[HookSpec(Hears)]'
    house = await open_house(plugins={"waits": system("waits", fields=fields, before=HEARS)})
    assert (await house.chat()).status == 200
    assert [member.id for member in house.world.members()] == []
    assert (await house.described("waits"))["state"] == "failed"


ENDS = """
    async def _on_initialize(self):
        self.context.hook_registry.register(Hears())
        self.context.plugin_registry.register_service(self.manifest.name, self)

    async def _on_shutdown(self):
        with open(self.context.config.name, "a") as file:
            file.write(self.manifest.name + " " + seen[-1] + "\\n")
"""


async def test_they_end_in_the_reverse_order_and_are_told_until_then(open_house: Any, tmp_path: Path) -> None:
    file = tmp_path / "ends"
    file.touch()
    plugins = {
        "a_last": system("a_last", ENDS, 'requires=["b_mid"], provides=["a_last"]', HEARS),
        "b_mid": system("b_mid", ENDS, 'requires=["c_first"], provides=["b_mid"]', HEARS),
        "c_first": system("c_first", ENDS, 'provides=["c_first"]', HEARS),
    }
    environ = {f"PLUGINS__{name.upper()}__NAME": str(file) for name in plugins}
    house = await open_house(plugins=plugins, environ=environ)
    for name in plugins:
        put(house.gateway.folder / "plugins", name, system(name))
    await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})

    async def ended() -> list[str]:
        return file.read_text().splitlines()

    assert await until(partial(ended), lambda told: len(told) == 3) == [
        f"{name} app.shutdown" for name in ("a_last", "b_mid", "c_first")
    ]
