"""The toolbox API by itself: the shapes of what it gives, and how it says what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.sdk.services import NO_SERVICES
from jackfield.sdk.toolbox import Logger, PluginAPI, Shape, read_result
from jackfield.sdk.tools import ToolReply


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda line: self.said.append((level, line))


def make_api(log: Any = None, **config: Any) -> PluginAPI:
    manifest = {"id": "mine", "name": "Mine", "permissions": ["storage:read"]}
    return PluginAPI(manifest, "mine", NO_SERVICES, config, log)


def test_a_shape_is_a_dictionary_whose_keys_are_attributes_too() -> None:
    shape = Shape(createdAt=1, name="x")
    assert (shape["createdAt"], shape.createdAt, shape.created_at, shape.name) == (1, 1, 1, "x")
    assert (shape.user_id, shape.get("userId")) == (None, None)
    assert msgspec.json.decode(msgspec.json.encode(shape)) == {"createdAt": 1, "name": "x"}
    with pytest.raises(AttributeError):
        shape.__nothing__  # noqa: B018


def test_the_manifest_is_a_copy_each_time() -> None:
    api = make_api()
    api.manifest.permissions.append("users:any")
    api.manifest["id"] = "other"
    assert (api.manifest.permissions, api.manifest.id, api.plugin_id) == (["storage:read"], "mine", "mine")


def test_config_gives_the_default_only_where_there_is_nothing() -> None:
    api = make_api(empty=None, zero=0, deep={"list": [1]})
    assert [api.config.get(key, 7) for key in ("empty", "zero", "none")] == [None, 0, 7]
    api.config.get("deep")["list"].append(2)
    assert api.config.get("deep") == {"list": [1]}


def test_each_line_of_the_log_has_the_plugins_prefix() -> None:
    log = Lines()
    api = make_api(log)
    api.logger.debug("not outside of development")
    api.logger.info("one", {"a": 1}, "two")  # noqa: PLE1205 - it is no format string
    api.logger.warn("100 %")
    api.logger.error(ValueError("x"))
    assert log.said == [
        ("info", "[Plugin:mine] one {'a': 1} two"),
        ("warning", "[Plugin:mine] 100 %"),
        ("error", "[Plugin:mine] x"),
    ]


def test_a_line_cannot_look_like_others_nor_steer_a_terminal() -> None:
    log = Lines()
    make_api(log).logger.info("one\n2026-01-01 [error] forged\r\x1b[31m red\tä 日本")
    assert log.said == [("info", "[Plugin:mine] one\n    2026-01-01 [error] forged\\r\\x1b[31m red\tä 日本")]


def test_debug_is_for_development_and_an_unknown_level_is_information() -> None:
    log = Lines()
    logger = Logger("mine", log, development=True)
    logger.debug("now")
    logger.tell("loud", "x")
    logger.tell("_line", "y")
    assert log.said == [("debug", "[Plugin:mine] now"), ("info", "[Plugin:mine] x"), ("info", "[Plugin:mine] y")]


async def test_without_services_each_part_names_its_permission() -> None:
    api = make_api()
    with pytest.raises(PermissionError, match=r"^Plugin mine does not have 'storage:write' permission$"):
        await api.storage.set("k", 1)
    with pytest.raises(PermissionError, match=r"^Plugin mine does not have 'events:emit' permission$"):
        api.events.emit("x")
    api.events.off("x", print)


@pytest.mark.parametrize("tool", [{}, {"name": "x"}, {"name": "x", "handler": "no function"}])
def test_a_tool_needs_a_handler(tool: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the handler must be a function"):
        make_api().register_tool(tool)


def test_what_a_handler_answers_is_read_once_and_for_all() -> None:
    assert read_result({"success": True, "result": [1]}, "t") == ToolReply(success=True, result=[1])
    assert read_result({"success": False, "error": 3}, "t") == ToolReply(success=False, error="3")
    reply = ToolReply(success=True)
    assert read_result(reply, "t") is reply
