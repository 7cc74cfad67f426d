"""The source lint: what it refuses, with which words, and what it leaves alone."""

from __future__ import annotations

import textwrap

import pytest

from jackfield.dialects.rings.lint import FORBIDDEN, PluginSecurityError, ast_scan

SLEEP = r"Blocking call 'time\.sleep\(\)' — use 'await asyncio\.sleep\(\)' instead"


@pytest.mark.parametrize("module", sorted(FORBIDDEN))
def test_forbidden_modules_are_refused_in_every_spelling(module: str) -> None:
    with pytest.raises(PluginSecurityError, match=f"Forbidden import '{module}'"):
        ast_scan(f"import {module}")
    with pytest.raises(PluginSecurityError, match=f"Forbidden import '{module}'"):
        ast_scan(f"def f():\n    import json, {module} as x")
    with pytest.raises(PluginSecurityError, match=f"Forbidden import from '{module}'"):
        ast_scan(f"from {module} import x")
    with pytest.raises(PluginSecurityError, match=f"Forbidden import from '{module}.deep'"):
        ast_scan(f"from {module}.deep import x")


@pytest.mark.parametrize("module", ["pathlib", "tempfile", "redis", "jackfield.host", "jackfield", "pluginsx"])
def test_what_is_not_known_to_be_harmless_is_refused(module: str) -> None:
    with pytest.raises(PluginSecurityError, match=rf"Import '{module}' is not in allowed list"):
        ast_scan(f"import {module}")


@pytest.mark.parametrize(
    "line",
    [
        "from __future__ import annotations",
        "import random, uuid, functools, itertools, contextlib, copy, string, statistics, unicodedata, secrets, hmac",
        "import abc, decimal, fractions, textwrap, html, collections.abc, operator, types, inspect, warnings, zlib",
        "import difflib, bisect, heapq, threading, time, json, re, math, datetime, hashlib, base64, typing, logging",
        "import asyncio, aiohttp, yaml, fastapi, onnxruntime, numpy, transformers, huggingface_hub",
        "import httpx, pydantic, starlette.responses, msgspec, orjson, tiktoken",
        "from core.plugin_sdk import BasePlugin",
        "import core.pricing",
        "from plugins.default.smart_router import select_endpoint",
        "from . import near\nfrom .near import thing\nfrom ..default import other",
        "from jackfield.sdk import Plugin\nimport jackfield.sdk.hooks\nfrom jackfield import sdk",
    ],
)
def test_harmless_imports_pass(line: str) -> None:
    ast_scan(line)
    assert True


@pytest.mark.parametrize("name", ["exec", "eval", "__import__", "compile"])
def test_code_from_texts_is_refused(name: str) -> None:
    with pytest.raises(PluginSecurityError, match=rf"Forbidden call to '{name}\(\)'"):
        ast_scan(f"{name}('1')")


@pytest.mark.parametrize("call", ["x.system('ls')", "x.y.popen('ls')", "db.exec('x')", "frame.eval('a + b')"])
def test_methods_that_run_something_are_refused(call: str) -> None:
    with pytest.raises(PluginSecurityError, match=r"Forbidden method call '\.\w+\(\)'"):
        ast_scan(call)


def test_a_model_may_be_put_into_evaluation_mode() -> None:
    ast_scan("self.model.eval()\nre.compile('x')\npattern.exec")
    with pytest.raises(PluginSecurityError):
        ast_scan("eval()")


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep",
        "from time import *",
        "from time import monotonic, sleep as wait",
        "import time as t\nasync def f():\n    t.sleep(1)",
        "def f():\n    import time as clock\n    clock.sleep(1)",
    ],
)
def test_sleeping_is_refused_in_every_spelling(source: str) -> None:
    with pytest.raises(PluginSecurityError, match=SLEEP):
        ast_scan(source)


def test_sleeping_without_blocking_passes() -> None:
    ast_scan("import asyncio, time\nasync def f():\n    await asyncio.sleep(1)\n    return time.time()")
    with pytest.raises(PluginSecurityError):
        ast_scan("getattr(__builtins__, 'open')")


def test_all_findings_are_told_with_their_lines() -> None:
    source = textwrap.dedent("""
        import os
        import redis
        eval("1")
    """)
    with pytest.raises(PluginSecurityError) as caught:
        ast_scan(source, "marketplace/bad.py")
    assert str(caught.value) == (
        "marketplace/bad.py: Forbidden import 'os' (line 2); Import 'redis' is not in allowed list (line 3); "
        "Forbidden call to 'eval()' (line 4)"
    )


@pytest.mark.parametrize("source", ["def f(:", "x = \0", "(" * 5_000, b"\xff\xfe"])
def test_what_is_not_python_is_refused(source: str | bytes) -> None:
    with pytest.raises(PluginSecurityError, match="Syntax error"):
        ast_scan(source)


def test_a_refusal_is_no_error_of_the_gateway() -> None:
    assert PluginSecurityError.__mro__[1] is Exception
