"""What the toolbox guide promises, and the defects of its own host: each with the tests that hold it.

Ids are `<part>.<number>`: `promise` are what the guide says, `defect` where its host does otherwise, `hole` its
security, `life` its reliability.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
HERE = "dialects/toolbox"
FOLDERS, MANIFEST, FORMS = f"{HERE}/test_folders.py", f"{HERE}/test_manifest.py", f"{HERE}/test_script_forms.py"
LIVES, SCRIPT_LIVES, DEV = f"{HERE}/test_lives.py", f"{HERE}/test_script_lives.py", f"{HERE}/test_dev.py"
API, PYTHON, GUIDE = f"{HERE}/test_script_api.py", f"{HERE}/test_python.py", f"{HERE}/test_guide.py"
WEATHER = f"{HERE}/test_weather.py"
KV, LIMITS, EGRESS = (f"services/test_{name}.py" for name in ("plugin_storage", "limits", "http_egress"))
EVENTS, GATE, SCHEDULER = (f"services/test_{name}.py" for name in ("events", "tool_gate", "scheduler"))

CHECKLIST: dict[str, tuple[str, ...]] = {
    "promise.1-package": (f"{FOLDERS}::test_a_folder_is_one_dialects_alone",),
    "promise.2-manifest-fields": (f"{MANIFEST}::test_what_is_wrong_is_told_with_file_and_field",),
    "promise.3-package-json": (f"{FORMS}::test_a_package_with_sentinel_is_a_plugin",),
    "promise.4-rejected": (f"{LIVES}::test_a_manifest_that_is_wrong_is_listed_with_file_and_field",),
    "promise.5-8-exports": (
        f"{FORMS}::test_each_form_of_export_is_taken",
        f"{PYTHON}::test_each_form_of_export_is_taken",
    ),
    "promise.9-12-hooks": (f"{WEATHER}::test_all_four_hooks_run", f"{GUIDE}::test_the_structure_of_a_plugin"),
    "promise.13-stages": (f"{SCRIPT_LIVES}::test_unloaded_it_leaves_no_process",),
    "promise.14-discovery": (f"{FOLDERS}::test_hidden_folders_and_files_are_passed_over",),
    "promise.15-order": (f"{LIVES}::test_what_a_plugin_depends_on_is_loaded_first_and_unloaded_last",),
    "promise.16-initialization": (f"{GUIDE}::test_creating_a_plugin_step_by_step",),
    "promise.17-shutdown": (f"{LIVES}::test_what_a_plugin_depends_on_is_loaded_first_and_unloaded_last",),
    "promise.18-states": (f"{FORMS}::test_one_that_does_not_load_is_listed_with_the_reason_and_harms_no_other",),
    "promise.19-at-runtime": (f"{DEV}::test_a_folder_that_is_new_or_gone_is_noticed",),
    "promise.20-properties": (f"{API}::test_each_part_of_the_api",),
    "promise.21-full-names": (f"{WEATHER}::test_models_are_told_of_the_tools_and_whose_they_are",),
    "promise.22-unregister": (f"{API}::test_tools_come_and_go_while_it_runs",),
    "promise.23-execute": (f"{API}::test_each_part_of_the_api",),
    "promise.24-handlers": (f"{PYTHON}::test_an_answer_that_is_none_of_the_guides_is_the_tools_error",),
    "promise.25-27-events": (
        f"{API}::test_events_are_told_with_their_dates_and_until_they_are_taken_off",
        f"{API}::test_what_it_emits_is_its_own_whatever_it_says",
    ),
    "promise.28-event-types": ("services/test_events_gateway.py::test_every_event_has_a_producer_and_its_data",),
    "promise.29-storage": (f"{API}::test_each_part_of_the_api",),
    "promise.30-http": (
        f"{API}::test_a_request_goes_out_as_it_was_asked",
        f"{FOLDERS}::test_its_requests_are_called_what_the_guide_calls_them",
        "services/test_plugin_http.py::test_a_dialect_has_its_own_user_agent",
    ),
    "promise.31-scheduler": (f"{API}::test_tasks_run_and_are_cancelled",),
    "promise.32-memory": (f"{GUIDE}::test_every_piece_of_the_api_reference",),
    "promise.33-users": (f"{API}::test_each_part_of_the_api",),
    "promise.34-config": (f"{LIVES}::test_settings_may_be_anything_but_the_hosts_own_words_keep_their_meaning",),
    "promise.35-logger": (f"{API}::test_what_it_logs_has_the_prefix_and_no_debug_in_production",),
    "promise.36-permissions": (
        f"{API}::test_a_call_that_is_awaited_rejects_where_the_permission_is_missing",
        f"{API}::test_a_call_that_answers_at_once_throws_where_the_permission_is_missing",
        f"{PYTHON}::test_without_its_permission_a_call_raises_and_names_it",
    ),
    "promise.37-limits": (
        f"{GATE}::test_one_that_takes_too_long_is_ended",
        f"{KV}::test_a_plugin_may_have_ten_megabytes_to_the_byte",
        f"{KV}::test_a_plugin_may_have_a_thousand_keys_over_all_scopes",
        f"{API}::test_a_hundred_operations_a_minute_then_the_limit_is_named",
    ),
    "promise.38-41-hot-reload": (
        f"{DEV}::test_each_edit_reloads_the_plugin_that_it_is_in_and_no_other",
        f"{DEV}::test_in_production_nothing_is_watched_and_debug_is_silent",
    ),
    "promise.42-replaced": (
        f"{LIVES}::test_a_new_version_takes_the_place_of_the_old_ones_tools",
        f"{LIVES}::test_storage_outlives_a_reload",
    ),
    "promise.43-example": (f"{GUIDE}::test_the_weather_plugin_serves_its_second_call_from_its_storage",),
    "defect.1-2-wired": (f"{WEATHER}::test_models_are_told_of_the_tools_and_whose_they_are",),
    "defect.3-events": ("services/test_events_gateway.py::test_every_event_has_a_producer_and_its_data",),
    "defect.4-timeout": (f"{GATE}::test_one_that_takes_too_long_is_ended",),
    "defect.5-one-limit": (f"{LIMITS}::test_the_window_slides",),
    "defect.6-totals": (f"{KV}::test_a_plugin_may_have_a_thousand_keys_over_all_scopes",),
    "defect.7-user-scope": (f"{API}::test_a_users_scope_is_that_of_the_call_across_awaits_and_side_by_side",),
    "defect.8-others-tools": (f"{API}::test_each_part_of_the_api",),
    "defect.9-cron": (f"{SCHEDULER}::test_cron_runs_at_its_times",),
    "defect.10-enable-again": (f"{SCRIPT_LIVES}::test_paused_it_offers_nothing_and_woken_it_goes_on_where_it_was",),
    "defect.11-one-load": (f"{LIVES}::test_disabled_it_offers_nothing_and_enabled_again_it_is_the_same_one",),
    "defect.12-no-leaks": (f"{API}::test_events_are_told_with_their_dates_and_until_they_are_taken_off",),
    "defect.13-manifest-watched": (f"{DEV}::test_each_edit_reloads_the_plugin_that_it_is_in_and_no_other",),
    "defect.14-user-agent": (
        "services/test_plugin_http.py::test_the_user_agent_is_the_gateways_however_it_is_spelled",
    ),
    "defect.15-egress": (f"{EGRESS}::test_no_spelling_of_a_host_leads_inwards",),
    "defect.16-circles": (f"{LIVES}::test_a_circle_is_told_with_all_who_are_in_it_and_who_waits_for_them",),
    "defect.17-minimum-version": (f"{MANIFEST}::test_a_minimum_that_is_met_is_taken",),
    "defect.18-tasks-rest": (f"{SCHEDULER}::test_nothing_runs_before_open_nor_after_rest",),
    "defect.19-development": (f"{DEV}::test_each_edit_reloads_the_plugin_that_it_is_in_and_no_other",),
    "defect.20-similarity": ("services/test_memory.py::test_what_was_remembered_is_found",),
    "defect.21-throw-or-reject": (f"{API}::test_a_call_that_answers_at_once_throws_where_the_permission_is_missing",),
    "defect.22-one-gate": (f"{GATE}::test_it_runs_for_its_caller_and_everybody_is_told",),
    "hole.manifest": (f"{API}::test_the_manifest_of_one_that_tries_to_widen_it_stays_what_it_is",),
    "hole.raw-objects": (
        f"{API}::test_the_host_checks_again_what_the_process_says",
        f"{KV}::test_nothing_public_leads_to_the_store",
    ),
    "hole.other-users": (f"{PYTHON}::test_another_user_than_the_one_who_asks_is_refused",),
    "hole.forged-events": (f"{EVENTS}::test_the_source_is_who_emits_whatever_the_type_says",),
    "hole.forged-context": (f"{API}::test_each_part_of_the_api",),
    "hole.consent": (f"{LIVES}::test_without_approval_it_waits_and_runs_nothing",),
    "hole.main-traversal": (f"{FOLDERS}::test_main_may_not_lead_out_of_the_folder",),
    "hole.links": (f"{FOLDERS}::test_a_linked_folder_may_stay_inside_and_not_lead_out",),
    "life.ids-clash": (f"{LIVES}::test_of_two_folders_with_one_id_the_second_is_refused_by_name",),
    "life.missing-dependency": (f"{LIVES}::test_what_depends_on_a_plugin_that_is_not_there_is_told_so",),
    "life.broken-edit": (
        f"{SCRIPT_LIVES}::test_a_broken_edit_keeps_the_old_one_and_a_good_one_takes_its_place",
        f"{DEV}::test_a_broken_edit_is_told_and_the_old_one_serves_until_it_is_mended",
    ),
    "life.crash": (f"{SCRIPT_LIVES}::test_lost_its_calls_fail_by_name_and_found_again_it_registers_anew",),
    "life.crash-while-paused": (f"{SCRIPT_LIVES}::test_lost_while_it_is_paused_it_comes_back_paused",),
    "life.no-overlap": ("services/test_scheduler_shared.py::test_no_run_overlaps_one_of_the_version_before",),
    "life.one-throws": (f"{EVENTS}::test_what_fails_harms_nobody_else",),
    "types.typescript": (f"{FORMS}::test_typescript_runs_as_it_is_with_its_own_files_and_packages",),
}


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("point", CHECKLIST)
def test_each_point_is_held_by_a_test(point: str) -> None:
    for held in CHECKLIST[point]:
        file, _, name = held.partition("::")
        assert name in names_in(file), held
