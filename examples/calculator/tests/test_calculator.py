"""What it calculates, what it refuses, and that neither takes long."""

from contextlib import asynccontextmanager
from pathlib import Path
from time import process_time

import pytest

from jackfield.testing import FakeHost

FOLDER = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def calculator():
    async with FakeHost(FOLDER) as host:

        async def calculate(expression):
            reply = await host.call_tool("calculate", {"expression": expression})
            return reply.result["value"] if reply.success else reply.error

        yield calculate


VALUES = [
    ("2 * (3 + 4) ** 2", "98"),
    ("-7 // 2", "-4"),
    ("7 % 4 - +2", "1"),
    ("0.1 + 0.2", "0.3"),
    ("1 / 3", "0.333333333333333"),
    ("6 / 2", "3"),
    ("2^100", "1267650600228229401496703205376"),
    ("2 ** -1", "0.5"),
    ("3 × 4 ÷ 2", "6"),
    ("sqrt(2) ** 2", "2"),
    ("log(8, 2) + log10(100) + log(e)", "6"),
    ("sin(pi / 6)", "0.5"),
    ("round(2 / 3, 2)", "0.67"),
    ("max(1, 2.5, abs(-3)) - min(1, 2)", "2"),
    ("1e300 * 1e-300", "1"),
    ("+".join("1" * 250), "250"),
]


async def test_it_calculates():
    async with calculator() as calculate:
        for expression, value in VALUES:
            assert await calculate(expression) == value, expression


REASONS = [
    ("1 / 0", "a division by zero"),
    ("1e308 * 10", "the result is no number"),
    ("2.0 ** 5000", "a number is too large"),
    ("2 ** 5000", "too large"),
    ("9 ** 9 ** 9", "too large"),
    ("(" + "9 ** 999 * " * 5 + "1)", "too large"),
    ("sqrt(-1)", "math domain error"),
    ("(-8) ** 0.5", "no real number"),
    ("round(1, 1e9)", "how many digits"),
    ("1 +", "it is no expression: invalid syntax"),
    ("", "it is no expression"),
    ("(" * 250 + ")" * 250, "it is no expression"),
    ("-" * 499 + "1", "steps"),
    ("sqrt()", "sqrt takes 1 numbers"),
    ("log(1, 2, 3)", "log takes 1 to 2 numbers"),
    ("sqrt(x=1)", "sqrt takes 1 numbers"),
    ("min(*[1, 2])", "numbers"),
]


async def test_what_has_no_value_is_told_with_the_reason():
    async with calculator() as calculate:
        for expression, why in REASONS:
            assert why in await calculate(expression), expression


NO_ARITHMETIC = [
    "__import__('os').system('ls')",
    "().__class__.__bases__",
    "open('/etc/passwd')",
    "lambda: 1",
    "[1 for _ in range(9)]",
    "'a' * 9",
    "True + 1",
    "1j",
    "1 if 2 else 3",
    "1 < 2",
    "1 << 9",
    "x := 1",
    "max((1, 2), 3)",
    "sqrt.__self__",
    "print",
]


async def test_what_is_no_arithmetic_is_refused():
    refusals = ("is no arithmetic", "there is no function", "it is no expression")
    async with calculator() as calculate:
        for expression in NO_ARITHMETIC:
            answer = await calculate(expression)
            assert any(refusal in answer for refusal in refusals), expression


async def test_no_expression_takes_long():
    async with calculator() as calculate:
        began = process_time()
        for expression in ("9 ** 1200 * " * 30 + "1", "9**999" + "+9**999" * 60, "(((9**9)**9)**9)**9", "1e9" * 100):
            await calculate(expression)
        assert process_time() - began < 0.5


async def test_input_of_another_shape_never_reaches_it():
    async with FakeHost(FOLDER) as host:
        for arguments in ({}, {"expression": 1}, {"expression": "1", "more": 2}, {"expression": "1" * 501}):
            assert "Invalid input" in (await host.call_tool("calculate", arguments)).error
