"""A small MCP server over standard streams, for good and for bad: `python scripted_server.py <temper>`."""

import json
import os
import sys
import time

TEMPER = sys.argv[1]
OBJECT = {"type": "object"}
TOOLS = {
    "good": [
        {
            "name": "add",
            "description": "Adds",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
        },
        {"name": "say", "inputSchema": OBJECT},
        {"name": "fail", "inputSchema": OBJECT},
        {"name": "environment", "inputSchema": OBJECT},
        {"name": "climb", "inputSchema": OBJECT},
        {"name": "hang", "inputSchema": OBJECT},
        {"name": "cancelled", "inputSchema": OBJECT},
        {"name": "grow", "inputSchema": OBJECT},
        {"name": "die", "inputSchema": OBJECT},
        {"name": "picture", "inputSchema": OBJECT},
    ],
    "restless": [{"name": "looks", "inputSchema": OBJECT}],
    "many": [{"name": f"tool{number}", "inputSchema": OBJECT} for number in range(500)],
    "odd": [
        {"name": name, "inputSchema": OBJECT}
        for name in ("a.b", "a/b", "a_b", "über", "x" * 200, "x" * 199 + "y", "plain-1", "two words")
    ],
}
NEST = {"type": "object"}
for _ in range(60):
    NEST = {"type": "object", "not": NEST}
TOOLS["evil"] = [
    {"name": "fine", "inputSchema": OBJECT},
    {"name": "array", "inputSchema": {"type": "array"}},
    {"name": "fetches", "inputSchema": {"type": "object", "$ref": "http://127.0.0.1:9/schema"}},
    {"name": "deep", "inputSchema": NEST},
    {"name": "long", "inputSchema": {"type": "object", "title": "x" * 100_000}},
    {"name": "pattern", "inputSchema": {"type": "object", "properties": {"a": {"pattern": "((a{999}){999}){999}"}}}},
    {"name": "slow", "inputSchema": {"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}}},
]
tools = list(TOOLS.get(TEMPER, TOOLS["good"]))
cancels = looks = 0


def send(message: dict) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def text(value: str, **more: object) -> dict:
    return {"content": [{"type": "text", "text": value}], **more}


def call(name: str, arguments: dict, meta: dict) -> dict | None:
    if name == "add":
        total = {"sum": arguments["a"] + arguments["b"]}
        return text(json.dumps(total), structuredContent=total)
    if name == "fail":
        return text("the mill is closed", isError=True)
    if name == "environment":
        return text("environment", structuredContent=dict(os.environ))
    if name == "picture":
        return {"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}, {"type": "text", "text": "hi"}]}
    if name == "cancelled":
        return text(str(cancels))
    if name == "looks":
        return text(str(looks))
    if name == "grow":
        tools.append({"name": "grown", "inputSchema": OBJECT})
        send({"method": "notifications/tools/list_changed"})
    if name == "climb":
        token = meta["progressToken"]
        params = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
        send({"method": "notifications/progress", "params": params})
    if name == "die":
        print("the last straw", file=sys.stderr, flush=True)
        os._exit(3)
    return None if name == "hang" else text(json.dumps(arguments))


def answer(method: str, params: dict) -> dict | None:
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "scripted", "version": "1"}
        return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
    if method == "tools/list":
        return {"tools": tools}
    return call(params["name"], params.get("arguments") or {}, params.get("_meta") or {})


if TEMPER == "flood":
    while True:
        sys.stdout.write("x" * 65536)
if TEMPER == "babble":
    while True:
        print("hello " * 10)
if TEMPER == "nothing":
    time.sleep(3600)
if TEMPER == "exit":
    print(f"no token, no service: {os.environ.get('TOKEN')}", file=sys.stderr)
    sys.exit(1)
if TEMPER == "stubborn":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if TEMPER == "parent":
    import subprocess

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    with open(sys.argv[2], "w") as file:
        file.write(str(child.pid))
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "notifications/cancelled":
        cancels += 1
    if "id" not in message or "method" not in message:
        continue
    if message["method"] == "server/discover":
        send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
        continue
    result = answer(message["method"], message.get("params") or {})
    if result is not None:
        send({"id": message["id"], "result": result})
    if message["method"] == "tools/list":
        looks += 1
        if TEMPER == "restless":
            send({"method": "notifications/tools/list_changed"})
while TEMPER == "stubborn":
    time.sleep(1)
