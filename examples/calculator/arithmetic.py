"""Arithmetic over a parsed expression. What is not in the tables below is refused; nothing is ever evaluated by Python
itself, and no step can take long or much."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

Number = int | float

LONGEST = 500
# An operation is three of them.
MOST_NODES = 800
# Of whole numbers: a little more than 1,200 digits.
MOST_BITS = 4096


class CannotCalculate(Exception):
    """Its text says why, for the model."""


def add(left: Number, right: Number) -> Number:
    return left + right


def multiply(left: Number, right: Number) -> Number:
    _check_bits(_bits(left) + _bits(right))
    return left * right


def raise_to(base: Number, power: Number) -> Number:
    """Before it is raised a whole number is measured; what is left to floats overflows at once."""
    if isinstance(base, int) and isinstance(power, int) and power >= 0:
        _check_bits(_bits(base) * power if abs(base) > 1 else 0)
    elif base < 0 and power != int(power):
        raise CannotCalculate("a root of a negative number is no real number")
    return base**power


def round_to(value: Number, digits: Number = 0) -> Number:
    if digits != int(digits) or abs(digits) > 100:
        raise CannotCalculate("round: the second number says how many digits, from -100 to 100")
    return round(value, int(digits)) if digits else round(value)


OPERATORS: Mapping[type, Callable[..., Number]] = {
    ast.Add: add,
    ast.Sub: operator.sub,
    ast.Mult: multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: raise_to,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
# Each with how many numbers it takes, at least and at most.
FUNCTIONS: Mapping[str, tuple[Callable[..., Number], int, int]] = {
    **{name: (getattr(math, name), 1, 1) for name in ("sqrt", "exp", "log2", "log10", "floor", "ceil")},
    **{name: (getattr(math, name), 1, 1) for name in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: (getattr(math, name), 1, 1) for name in ("degrees", "radians")},
    "log": (math.log, 1, 2),
    "abs": (abs, 1, 1),
    "round": (round_to, 1, 2),
    "min": (min, 2, 50),
    "max": (max, 2, 50),
}
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(expression: str) -> Number:
    """Raises `CannotCalculate`."""
    tree = _parse(expression)
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise CannotCalculate(f"the expression has more than about {MOST_NODES // 3} steps")
    try:
        value = _value(tree.body)
    except ZeroDivisionError:
        raise CannotCalculate("a division by zero") from None
    except OverflowError:
        raise CannotCalculate("a number is too large") from None
    except ValueError as error:
        raise CannotCalculate(str(error)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise CannotCalculate("the result is no number")
    return value


def _parse(expression: str) -> ast.Expression:
    if len(expression) > LONGEST:
        raise CannotCalculate(f"the expression has more than {LONGEST} characters")
    try:
        return ast.parse(expression.strip().replace("^", "**").replace("×", "*").replace("÷", "/"), mode="eval")
    except SyntaxError as error:
        raise CannotCalculate(f"it is no expression: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise CannotCalculate("it is no expression that can be read") from None


def _value(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.Name) and node.id in CONSTANTS:
        return CONSTANTS[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.Call):
        return _call(node)
    raise CannotCalculate(f"{ast.unparse(node)[:60]!r} is no arithmetic")


def _call(node: ast.Call) -> Number:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        raise CannotCalculate(f"there is no function {ast.unparse(node.func)[:60]!r}; there are {', '.join(FUNCTIONS)}")
    function, least, most = FUNCTIONS[name]
    if node.keywords or not least <= len(node.args) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise CannotCalculate(f"{name} takes {wanted} numbers")
    return function(*map(_value, node.args))


def _bits(value: Number) -> int:
    """A float has one size whatever its value."""
    return value.bit_length() if isinstance(value, int) else 0


def _check_bits(bits: int) -> None:
    if bits > MOST_BITS:
        raise CannotCalculate("a number is too large: whole numbers have at most about 1,200 digits")


def write_number(value: Number) -> str:
    """As text: in JSON a whole number of more than 53 bits is another number to many readers. Of a float 15 digits
    are certain, so that 0.1 + 0.2 is 0.3."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
