"""`config_schema`: what a config may be, and every word on what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jackfield.dialects.provider.config import config_for
from jackfield.dialects.provider.problems import Problem
from jackfield.dialects.provider.schema import Schema, check_config, form_of, read_schema

FIELDS = [
    {"name": "api_key", "type": "string", "required": True, "sensitive": True},
    {"name": "timeout", "type": "int", "default": 30, "validation": {"min": 1, "max": 300}},
    {"name": "enabled_", "type": "bool", "default": True},
    {"name": "rate", "type": "float", "validation": {"min": 0}},
    {"name": "region", "type": "string", "validation": {"enum": ["eu", "us"], "pattern": "^[a-z]+$", "max_length": 2}},
    {"name": "level", "type": "int", "validation": {"enum": [1, 2]}},
]


def schema(fields: list[dict[str, Any]] = FIELDS) -> Schema:
    problems: list[Problem] = []
    found = read_schema(fields, "config_schema", problems)
    assert problems == []
    return found


def errors(config: dict[str, Any]) -> list[str]:
    return [str(one) for one in check_config(config, schema())[1] if not one.warning]


def test_defaults_are_filled_in() -> None:
    values, problems = check_config({"api_key": "sk-1"}, schema())
    assert values == {"api_key": "sk-1", "timeout": 30, "enabled_": True}
    assert problems == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "api_key: is required"),
        ({"api_key": None}, "api_key: must be a string, not null"),
        ({"api_key": 12345}, "api_key: must be a string, not an integer"),
        ({"api_key": "k", "timeout": "not-an-int"}, "timeout: must be a whole number, not 'not-an-int'"),
        ({"api_key": "k", "timeout": 500}, "timeout: must be at most 300, not 500"),
        ({"api_key": "k", "timeout": 0}, "timeout: must be at least 1, not 0"),
        ({"api_key": "k", "timeout": 3.7}, "timeout: must be a whole number, not 3.7"),
        ({"api_key": "k", "timeout": True}, "timeout: must be a whole number, not True"),
        ({"api_key": "k", "enabled_": 1}, "enabled_: must be true or false, not 1"),
        ({"api_key": "k", "rate": -0.5}, "rate: must be at least 0, not -0.5"),
        ({"api_key": "k", "rate": False}, "rate: must be a number, not False"),
        ({"api_key": "k", "level": 3}, "level: must be one of 1, 2, not 3"),
    ],
)
def test_each_violation_names_its_field(config: dict[str, Any], told: str) -> None:
    assert errors(config) == [told]


def test_all_violations_are_told() -> None:
    told = errors({"timeout": 0, "region": "EUROPE", "level": [1]})
    assert told == [
        "api_key: is required",
        "timeout: must be at least 1, not 0",
        "region: must be one of eu, us, not 'EUROPE'",
        "region: must have at most 2 characters, not 6",
        "region: must match ^[a-z]+$",
        "level: must be a whole number, not a list",
    ]


def test_whole_floats_are_integers_and_lengths_are_in_characters() -> None:
    values, problems = check_config({"api_key": "k", "timeout": 3.0, "region": "eu"}, schema())
    assert (values["timeout"], type(values["timeout"])) == (3, int)
    assert problems == []
    short = schema([{"name": "word", "type": "string", "validation": {"max_length": 3}}])
    assert check_config({"word": "üüü"}, short)[1] == []


def test_unknown_keys_are_warned_of_and_passed_on() -> None:
    values, problems = check_config({"api_key": "k", "timeut": 5}, schema())
    assert values["timeut"] == 5
    assert [(str(one), one.warning) for one in problems] == [
        ("timeut: is not in the plugin's config_schema; did you mean 'timeout'?", True)
    ]


def test_a_required_field_with_a_default_may_be_left_out() -> None:
    found = schema([{"name": "a", "type": "string", "required": True, "default": "x"}])
    assert check_config({}, found) == ({"a": "x"}, [])


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ({"name": "a", "type": "duration"}, "config_schema.0.type: 'duration' is none of string, int, bool, float"),
        ({"name": "a", "type": "int", "default": "x"}, "config_schema.0.default: must be a whole number"),
        ({"name": "a", "validation": {"pattern": "("}}, "config_schema.0.validation.pattern: is no regular expression"),
        ({"name": "a", "validation": {"mn": 1}}, "config_schema.0.validation.mn: unknown key; did you mean 'min'?"),
        ({"name": "priority", "type": "int"}, "config_schema.0.name: 'priority' is a key of the gateway's own"),
        ({"name": "a", "required": "yes"}, "config_schema.0.required: must be true or false"),
        ("a", "config_schema.0: must be an object, not a string"),
    ],
)
def test_a_schema_that_is_wrong_is_told_of(field: Any, told: str) -> None:
    problems: list[Problem] = []
    read_schema([field], "config_schema", problems)
    assert any(str(one).startswith(told) for one in problems), problems


def test_the_form_is_json_schema_and_marks_secrets() -> None:
    form = form_of(schema())
    assert form["required"] == ["api_key"]
    assert form["properties"]["api_key"]["format"] == "password"
    assert form["properties"]["timeout"] == {"type": "integer", "default": 30, "minimum": 1, "maximum": 300}


ENVIRON = {"KEY": "sk-from-environment", "SECONDS": "45", "YES": "true", "JACKFIELD_SECRET": "never"}


def test_variables_are_filled_in_where_they_are_used_and_shown_nowhere() -> None:
    config = config_for(schema(), ENVIRON).model_validate(
        {"api_key": "${KEY}", "timeout": "${SECONDS}", "enabled_": "${YES}", "note": "a ${KEY} b"}
    )
    assert config.values["api_key"] == "sk-from-environment"
    assert (config.values["timeout"], config.values["enabled_"]) == (45, True)
    assert config.values["note"] == "a sk-from-environment b"
    assert config.secrets == ("sk-from-environment",)
    assert config.model_dump(mode="json") == {
        "api_key": "***", "timeout": "${SECONDS}", "enabled_": "${YES}", "note": "a ${KEY} b",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("${MISSING}", "the environment variable MISSING is not set"),
        ("${JACKFIELD_SECRET}", "JACKFIELD_SECRET is the gateway's own"),
    ],
)
def test_variables_that_are_not_there_or_not_for_plugins_are_refused(value: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config_for(schema(), ENVIRON).model_validate({"api_key": value})
    message = caught.value.errors()[0]["msg"]
    assert message == f"config_invalid: api_key: {told}" or told in message
    assert "never" not in message


def test_a_secret_that_is_wrong_is_not_told() -> None:
    strict = schema([{"name": "api_key", "sensitive": True, "validation": {"enum": ["a"], "pattern": "^sk-"}}])
    with pytest.raises(ValidationError) as caught:
        config_for(strict, {}).model_validate({"api_key": "hunter22"})
    assert "hunter22" not in str(caught.value)
