"""The guide of HTTP providers followed step by step, in Flask and in Express: what its reader has written works, and
the author's check takes it for what it is."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from jackfield.dialects.provider.manifest import load_manifest
from jackfield.runtimes.http.errors import read_fault
from jackfield.runtimes.node import find_node
from jackfield.testing import Answer, Caller, Upstream, until
from jackfield.testing.check.live import check_endpoint
from jackfield.testing.gateway import find_free_port
from toolchains import node_modules

from . import provider_guide

WITHIN_S = 30.0
WRITTEN = {"flask": provider_guide.FLASK, "express": provider_guide.EXPRESS}
# The guide's port is the one that a gateway listens on.
GUIDE_PORT = "8090"


class Followed(NamedTuple):
    """A reader's folder, with the plugin running."""

    kind: str
    folder: Path
    port: int
    server: Upstream

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def localize(self, text: str) -> str:
        return text.replace(GUIDE_PORT, str(self.port)).replace("localhost", "127.0.0.1")

    async def initialize(self) -> None:
        async with Caller(self.url) as caller:
            config = {"api_key": "sk-1", "endpoint": self.server.openai_url}
            assert (await caller.post("/initialize", config)).status == 200


@pytest.fixture(params=sorted(WRITTEN))
async def followed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Followed]:
    kind, port = request.param, find_free_port()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Upstream())
        server.always(Answer.text("Hello! How can I help you?"))
        reader = Followed(kind, tmp_path, port, server)
        file = tmp_path / ("plugin.py" if kind == "flask" else "plugin.js")
        text = reader.localize(WRITTEN[kind]).replace("host='0.0.0.0'", "host='127.0.0.1'")
        file.write_text(text.replace(f"({port}, ()", f"({port}, '127.0.0.1', ()"))
        await stack.enter_async_context(started(file, port))
        yield reader


@asynccontextmanager
async def started(file: Path, port: int) -> AsyncIterator[None]:
    command = [sys.executable, file.name]
    if file.suffix == ".js":
        package = file.parent / "package.json"
        package.write_text(provider_guide.PACKAGE)
        (file.parent / "node_modules").symlink_to(node_modules(package))
        command = [str(find_node()), file.name]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=file.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await until(lambda: is_there(port), bool, within=WITHIN_S)
        yield
    finally:
        process.kill()
        await process.wait()


async def is_there(port: int) -> bool:
    try:
        async with Caller(f"http://127.0.0.1:{port}") as caller:
            return (await caller.get("/health")).status == 200
    except OSError:
        return False


def test_the_complete_manifest_loads_with_every_field(tmp_path: Path) -> None:
    file = tmp_path / "plugin.yaml"
    file.write_text(provider_guide.MANIFEST)
    manifest, problems = load_manifest(file)
    about = manifest.metadata
    assert problems == []
    assert (manifest.type, manifest.endpoint) == ("http", "http://localhost:8090")
    assert (about.name, about.version, about.plugin_api_version) == ("My AI Provider Plugin", "1.2.0", "1.0.0")
    assert (about.provider_type, about.license) == ("my-ai-provider", "MIT")
    assert about.description == "Integration with My AI Provider's API"
    assert (about.author, about.homepage) == ("Your Name <you@example.com>", "https://github.com/you/my-plugin")
    able = about.capabilities
    assert (able.streaming, able.function_calling, able.vision, able.embeddings, able.fine_tuning) == (
        True,
        False,
        False,
        False,
        False,
    )
    key, endpoint, timeout = about.config_schema
    assert (key.name, key.type, key.required, key.sensitive) == ("api_key", "string", True, True)
    assert (endpoint.required, endpoint.default) == (False, "https://api.example.com")
    assert (timeout.type, timeout.default, timeout.rule.min, timeout.rule.max) == ("int", 30, 1, 300)
    assert (manifest.auto_start, manifest.health_check_interval) == (True, 60)
    assert (manifest.command, manifest.args) == ("python3", ("plugin.py", "--port", "8090"))
    assert manifest.env == {"LOG_LEVEL": "info", "PORT": "8090"}


async def test_the_six_curls_are_answered(followed: Followed) -> None:
    await followed.initialize()
    script = followed.localize(provider_guide.CURLS).replace("curl ", "curl -sS -w '\\n' ")
    # The guide's test key is not one that its own sample takes.
    script = script.replace('"test-key"', f'"sk-1", "endpoint": "{followed.server.openai_url}"')
    process = await asyncio.create_subprocess_exec("bash", "-ec", script, stdout=subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    metadata, initialized, health, completion, models = (json.loads(line) for line in output.splitlines() if line)
    assert metadata["provider_type"].startswith("example-")
    assert initialized == {}
    assert health["healthy"] is True
    assert completion["choices"][0]["message"]["content"] == "Hello! How can I help you?"
    assert [model["id"] for model in models] == ["gpt-4"]
    usage = completion["usage"]
    expected = pytest.approx(usage["total_tokens"] * 0.00003) if followed.kind == "flask" else None
    assert usage.get("cost_usd") == expected


async def test_the_guides_own_tests_pass(followed: Followed) -> None:
    await followed.initialize()
    (followed.folder / "test_plugin.py").write_text(followed.localize(provider_guide.PYTEST))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:jackfield", "test_plugin.py"),
        cwd=followed.folder,
        stdout=subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert (process.returncode, b"3 passed" in output) == (0, True), output.decode()


async def test_the_check_finds_no_error_in_it_and_says_what_hosts_miss(followed: Followed) -> None:
    config = {"api_key": "sk-1", "endpoint": followed.server.openai_url}
    verdicts = await check_endpoint(followed.url, lambda kind: config)
    found = {verdict.message for verdict in verdicts if verdict.level == "warning"}
    assert [str(verdict) for verdict in verdicts if verdict.level == "error"] == []
    assert "there is no plugin_api_version: hosts take it for 1.0.0" in found
    assert any("claims streaming, which the provider itself does not" in message for message in found)
    assert any("the timestamp has no time zone" in message for message in found) == (followed.kind == "flask")


async def test_the_samples_of_errors_are_read_as_meant(followed: Followed) -> None:
    fault = read_fault(429, json.dumps(provider_guide.RATE_LIMITED).encode())
    assert (fault.code, fault.transient, fault.retry_after_s) == ("rate_limit_exceeded", True, 60)
    if followed.kind == "flask":
        await refuses_wrong_configs(followed)
    await followed.initialize()
    await followed.server.refuse()
    async with Caller(followed.url) as caller:
        failed = await caller.post("/chat/completions", {"model": "gpt-4", "messages": []})
    fault = read_fault(failed.status, failed.body)
    told = ("internal_error", False) if followed.kind == "flask" else ("provider_unavailable", True)
    assert (failed.status, fault.code, fault.transient, fault.stated) == (500, *told, followed.kind == "express")


async def refuses_wrong_configs(followed: Followed) -> None:
    async with Caller(followed.url) as caller:
        missing = await caller.post("/initialize", {})
        wrong = await caller.post("/initialize", {"api_key": "wrong"})
    fault = read_fault(missing.status, missing.body)
    assert (missing.status, str(fault), fault.transient) == (400, "invalid_request: api_key is required", False)
    fault = read_fault(wrong.status, wrong.body)
    assert (wrong.status, str(fault), fault.transient) == (
        401,
        "authentication_failed: Invalid API key format",
        False,
    )
