"""Whether a plugin changes answers, as its source tells."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from jackfield.dialects.rings.editing import does_edit
from jackfield.dialects.rings.found import Loaded
from jackfield.dialects.rings.nodes import Nodes

from .folders import PASSES, entry, find_one, write_folder


@pytest.mark.parametrize(
    "line",
    [
        "return PluginResponse.block(message='no')",
        "return PluginResponse.modify(body=x)",
        "return PluginResponse.cache_hit(x)",
        "return PluginResponse(action=chosen)",
        "ctx.response = other",
        "ctx.response.body = b''",
        "ctx.response.headers['x'] = 'y'",
        "ctx.stop_chain = True",
        "ctx.body = {}",
        "ctx.body['choices'][0]['message']['content'] = ''",
        "choice['message'] = {}",
        "del ctx.response.headers['x']",
        "ctx.response.body += b' '",
        "setattr(ctx, 'response', other)",
        "object.__setattr__(ctx, 'response', other)",
        "return PluginResponse('block', 403)",
        "return PluginResponse(PluginAction.BLOCK, 403)",
        "return PluginResponse(**decided)",
        "return PluginResponse(*decided)",
        "return PluginResponse(chosen)",
        "return plugin_sdk.PluginResponse(**decided)",
        "return getattr(PluginResponse, chosen)(403)",
        "make = PluginResponse",
        "action = PluginAction(chosen)",
        "action = 'cache_hit'",
        "result.action = chosen",
        "ctx.body['choices'].clear()",
        "choice['message'].update(content='')",
    ],
)
def test_what_changes_an_answer_is_seen(line: str) -> None:
    assert does_edit(Nodes(ast.parse(f"async def f(ctx):\n    {line}")))


@pytest.mark.parametrize(
    "line",
    [
        "return PluginResponse.passthrough()",
        "return PluginResponse()",
        "return PluginResponse('passthrough')",
        "return PluginResponse(action='passthrough')",
        "return PluginResponse(action=PluginAction.PASSTHROUGH)",
        "return plugin_sdk.PluginResponse()",
        "result: PluginResponse | None = None",
        "self.seen.update(total=1)",
        "body = json.loads(ctx.response.body)",
        "ctx.metadata['_quality'] = len(ctx.response.body)",
        "self.seen['total'] = ctx.body['choices'][0]['message']['content']",
        "self.count += 1",
        "if ctx.stop_chain: return None",
    ],
)
def test_looking_at_an_answer_changes_nothing(line: str) -> None:
    assert not does_edit(Nodes(ast.parse(f"async def f(self, ctx):\n    {line}")))


def test_another_name_for_it_is_seen_through() -> None:
    source = "from core.plugin_sdk import PluginResponse as Answer\nasync def f(ctx) -> Answer:\n    return Answer({})"
    assert not does_edit(Nodes(ast.parse(source.format(""))))
    assert does_edit(Nodes(ast.parse(source.format("**decided"))))


def test_what_a_plugin_imports_counts_for_it(tmp_path: Path) -> None:
    files = {
        "marketplace/my_plugin.py": f"from .near import stop\n{PASSES}",
        "marketplace/near.py": "from core.plugin_sdk import PluginResponse\nstop = PluginResponse.block",
    }
    loaded = find_one(write_folder(tmp_path / "one", entry(), files=files)).load()
    assert isinstance(loaded, Loaded)
    assert loaded.edits
    alone = find_one(write_folder(tmp_path / "two", entry())).load()
    assert isinstance(alone, Loaded)
    assert not alone.edits
