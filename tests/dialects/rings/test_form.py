"""The form of a plugin's config: what the operator may enter, and what the plugin gets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from jackfield.dialects.rings.form import build_model
from jackfield.dialects.rings.manifest import read_entry
from jackfield.dialects.rings.problems import EntryProblem

from .folders import entry

FORM = [
    {"key": "greeting", "type": "text", "label": "Greeting", "default": "hello"},
    {"key": "limit", "type": "number", "min": 1, "max": 9.5, "default": 3},
    {"key": "strict", "type": "boolean", "default": False},
    {"key": "mode", "type": "select", "options": ["fast", "safe"], "default": "fast"},
    {"key": "prompt", "type": "textarea"},
    {"key": "topics", "type": "array", "default": ["war"]},
    {"key": "title", "type": "string", "default": ""},
]


def model_of(ui_schema: list[Any] | None = None, config: dict[str, Any] | None = None) -> type[BaseModel]:
    read = read_entry(entry(ui_schema=FORM if ui_schema is None else ui_schema, config=config), "bundled")
    return build_model(read.id, read.form, read.config)


def refusal_of(given: dict[str, Any], model: type[BaseModel] | None = None) -> tuple[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as caught:
        (model or model_of()).model_validate(given)
    first = caught.value.errors()[0]
    return first["loc"], first["msg"]


def test_what_nobody_sets_has_the_forms_default() -> None:
    assert model_of().model_validate({}).model_dump() == {
        "greeting": "hello",
        "limit": 3,
        "strict": False,
        "mode": "fast",
        "topics": ["war"],
        "title": "",
    }


def test_the_manifest_wins_over_the_form_and_the_operator_over_both() -> None:
    model = model_of(config={"limit": 5, "greeting": "hi", "hidden": {"deep": 1}})
    got = model.model_validate({"greeting": "hey"}).model_dump()
    assert (got["greeting"], got["limit"], got["strict"], got["hidden"]) == ("hey", 5, False, {"deep": 1})


def test_every_type_takes_its_values() -> None:
    given = {
        "greeting": "hey",
        "limit": 9.5,
        "strict": True,
        "mode": "safe",
        "prompt": "a\nb",
        "topics": ["a", 1, 2.5],
        "title": "x",
    }
    assert model_of().model_validate(given).model_dump(mode="json") == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"greeting": 5}, "expected a text, not 5"),
        ({"greeting": None}, "expected a text, not None"),
        ({"limit": "5"}, "expected a number, not '5'"),
        ({"limit": True}, "expected a number, not True"),
        ({"topics": ["a", True]}, "expected texts or numbers: entry 2 is True"),
        ({"limit": float("nan")}, "expected a number, not nan"),
        ({"limit": 0}, "must be at least 1, not 0"),
        ({"limit": 10}, "must be at most 9.5, not 10"),
        ({"strict": "yes"}, "expected true or false, not 'yes'"),
        ({"strict": 1}, "expected true or false, not 1"),
        ({"mode": "slow"}, "must be one of 'fast', 'safe', not 'slow'"),
        ({"prompt": ["a"]}, "expected a text, not ['a']"),
        ({"topics": "war"}, "expected a list, not 'war'"),
        ({"topics": [{}]}, "expected texts or numbers: entry 1 is {}"),
        ({"greting": "a"}, "unknown key; did you mean 'greeting'?"),
    ],
)
def test_what_does_not_fit_is_told_with_its_field(given: dict[str, Any], told: str) -> None:
    (field,) = given
    assert refusal_of(given) == ((field,), told)


def test_what_the_form_does_not_name_takes_any_value() -> None:
    model = model_of(config={"hidden": 5})
    assert model.model_validate({"hidden": ["anything"]}).model_dump()["hidden"] == ["anything"]


def test_a_plugin_that_declares_nothing_takes_any_key() -> None:
    assert model_of([]).model_validate({"whatever": 1}).model_dump() == {"whatever": 1}


def test_keys_may_be_words_that_models_use_themselves() -> None:
    keys = ["copy", "model_config", "class", "my-key", "_hidden", "f0"]
    model = model_of([{"key": key, "type": "text", "default": key} for key in keys])
    assert model.model_validate({}).model_dump() == {key: key for key in keys}


def test_an_empty_value_stands_where_the_default_is_empty() -> None:
    assert model_of([{"key": "path", "type": "text"}]).model_validate({"path": None}).model_dump() == {"path": None}


def test_options_may_have_labels_and_other_types() -> None:
    model = model_of([{"key": "size", "type": "select", "options": [{"value": 1, "label": "one"}, 2], "default": 1}])
    assert model.model_validate({"size": 2}).model_dump() == {"size": 2}
    assert refusal_of({"size": True}, model)[1] == "must be one of 1, 2, not True"


def test_a_plugin_that_changes_its_config_changes_nobody_elses() -> None:
    model = model_of(config={"topics": ["war"]})
    model.model_validate({}).model_dump()["topics"].append("peace")
    model.model_validate({}).root["topics"].append("peace")  # type: ignore[attr-defined]
    assert model.model_validate({}).model_dump()["topics"] == ["war"]


def test_the_form_is_also_a_json_schema() -> None:
    (shape,) = model_of().model_json_schema()["$defs"].values()
    assert shape["properties"]["limit"] == {
        "type": "number",
        "title": "Limit",
        "default": 3,
        "minimum": 1,
        "maximum": 9.5,
    }
    assert shape["properties"]["mode"]["enum"] == ["fast", "safe"]


@pytest.mark.parametrize(
    ("ui_schema", "config", "field", "told"),
    [
        ([{"key": "a", "type": "text"}, {"key": "a", "type": "text"}], {}, ".ui_schema[1].key", "already"),
        ([{"key": "a", "type": "select"}], {}, ".ui_schema[0].options", "a select has options"),
        ([{"key": "a", "type": "number", "min": 5, "max": 1}], {}, ".ui_schema[0].min", "greater than max, 1"),
        ([{"key": "a", "type": "number", "default": "x"}], {}, ".ui_schema[0].default", "expected a number"),
        ([{"key": "a", "type": "number"}], {"a": "x"}, ".config.a", "expected a number, not 'x'"),
    ],
)
def test_a_form_that_does_not_hold_together_is_refused(
    ui_schema: list[Any], config: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(EntryProblem, match=told) as caught:
        model_of(ui_schema, config)
    assert caught.value.field == field
