"""The rate limiters over gRPC, in Go and in Python, through a whole gateway."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jackfield.testing.gateway import run_gateway

from .folders import EXAMPLES
from .go_programs import RATE_LIMITER, build_beside_sdk

ASKED = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
IGNORED = shutil.ignore_patterns("__pycache__")


def bring(name: str, plugins: Path) -> None:
    shutil.copytree(EXAMPLES / name, plugins / name, ignore=IGNORED)
    if name == RATE_LIMITER.name:
        shutil.copy(build_beside_sdk(RATE_LIMITER), plugins / name / "rate-limiter")


@pytest.mark.parametrize("name", ["grpc-rate-limiter-go", "grpc-rate-limiter-python"])
async def test_so_many_pass_and_are_told_how_many_are_left(name: str, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    bring(name, plugins)
    sections = {f"plugins.config.{name}": {"requests": 2, "window_s": 86_400}}
    async with run_gateway(tmp_path, **sections) as gateway:
        found = await gateway.plugin(name)
        assert (found["state"], found["runtime"], found["reason"]) == ("active", "grpc", None)
        assert found["config"] == {"requests": 2, "window_s": 86_400}
        async with gateway.caller() as caller:
            answers = [await caller.post("/v1/chat/completions", ASKED) for _ in range(3)]
            page = await caller.get(f"/plugins/{name}/")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "<td>credential/key_environment_inference</td><td>2</td>" in page.body.decode()
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert [answer.headers.get("x-ratelimit-remaining") for answer in answers] == ["1", "0", None]
        assert int(answers[2].headers["retry-after"]) > 0
        assert answers[2].json["error"]["plugin"] == name
        refused = await gateway.admin(f"/api/v1/plugins/{name}/config", "PUT", {"requests": 0})
        assert (refused.status, refused.json["changed"]) == (422, False)
        assert "requests" in refused.json["error"]["message"]
