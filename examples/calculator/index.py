"""A calculator for models. It is a toolbox plugin, as written for OpenSentinel, in Python."""

from .arithmetic import CannotCalculate, calculate, write_number

INPUT = {
    "type": "object",
    "properties": {
        "expression": {
            "type": "string",
            "maxLength": 500,
            "description": "Such as 2 * (3 + 4) ** 2, sqrt(2), log(8, 2), round(2 / 3, 2), sin(pi / 6)",
        }
    },
    "required": ["expression"],
    "additionalProperties": False,
}


def create_plugin(manifest):
    return Calculator()


class Calculator:
    async def on_load(self, api):
        api.register_tool(
            name="calculate",
            description="Calculates an expression: + - * / // % **, parentheses, functions, pi, e.",
            input_schema=INPUT,
            handler=self.calculate,
        )

    async def calculate(self, asked, context):
        try:
            value = calculate(asked["expression"])
        except CannotCalculate as error:
            return {"success": False, "result": None, "error": str(error)}
        return {"success": True, "result": {"expression": asked["expression"], "value": write_number(value)}}
