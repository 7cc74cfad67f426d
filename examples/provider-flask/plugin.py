"""A provider over HTTP in Flask: it relays to any server with the OpenAI API. `python plugin.py --port 9312`"""

import argparse
import logging
import os
import time
from datetime import UTC, datetime

import requests
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

METADATA = {
    "name": "Relay in Flask",
    "version": "1.0.0",
    "plugin_api_version": "1.0.0",
    "provider_type": "relay-flask",
    "description": "Relays to any server with the OpenAI API, and tells what it cost",
    "author": "The Jackfield authors",
    "license": "Apache-2.0",
    "capabilities": {
        "streaming": True,
        "function_calling": True,
        "vision": True,
        "embeddings": False,
        "fine_tuning": False,
    },
    "config_schema": [
        {
            "name": "api_key",
            "type": "string",
            "required": True,
            "description": "The key of the server's API",
            "sensitive": True,
        },
        {
            "name": "endpoint",
            "type": "string",
            "required": False,
            "description": "Where the server is",
            "default": "https://api.openai.com/v1",
        },
        {
            "name": "timeout",
            "type": "int",
            "required": False,
            "description": "Seconds that it may take",
            "default": 30,
            "validation": {"min": 1, "max": 300},
        },
    ],
}
# USD for a million tokens, read and written alike.
PRICES = {"gpt-4o": 5.0, "gpt-4o-mini": 0.3}
# Each code with the statuses of the server that mean it; the first three may pass.
CODES = {
    "rate_limit_exceeded": (429,),
    "provider_unavailable": (500, 502, 503),
    "timeout": (408, 504),
    "authentication_failed": (401, 403),
    "quota_exceeded": (402,),
    "model_not_found": (404,),
}
TRANSIENT = ("rate_limit_exceeded", "provider_unavailable", "timeout")
HEALTH_S = 5

app = Flask(__name__)
log = logging.getLogger("relay")
session = requests.Session()
config = {}


class Refused(Exception):
    def __init__(self, status, code, message, **details):
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "transient": code in TRANSIENT, "details": details}


@app.errorhandler(Refused)
def tell_refusal(refused):
    return jsonify(refused.body), refused.status


@app.errorhandler(HTTPException)
def tell_http_error(error):
    return jsonify({"code": "invalid_request", "message": error.description, "transient": False}), error.code


@app.errorhandler(requests.Timeout)
def tell_timeout(error):
    return tell_refusal(Refused(504, "timeout", "the server did not answer in time"))


@app.errorhandler(requests.RequestException)
def tell_unreachable(error):
    return tell_refusal(Refused(503, "provider_unavailable", f"the server cannot be reached: {type(error).__name__}"))


@app.errorhandler(Exception)
def tell_failure(error):
    log.error("failed", exc_info=error)
    return tell_refusal(Refused(500, "internal_error", type(error).__name__))


@app.get("/metadata")
def metadata():
    return jsonify(METADATA)


@app.post("/initialize")
def initialize():
    given = {field["name"]: field["default"] for field in METADATA["config_schema"] if "default" in field}
    given |= read_object()
    problems = list(find_problems(given))
    if problems:
        raise Refused(400, "invalid_request", "; ".join(problems))
    config.clear()
    config.update(given, endpoint=given["endpoint"].rstrip("/"))
    return jsonify({})


def find_problems(given):
    if not isinstance(given.get("api_key"), str) or not given["api_key"]:
        yield "api_key is required"
    if not isinstance(given["endpoint"], str) or not given["endpoint"].startswith(("http://", "https://")):
        yield "endpoint must be an address such as https://api.openai.com/v1"
    timeout = given["timeout"]
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= 300:
        yield "timeout must be a whole number from 1 to 300"


@app.get("/health")
def health():
    started = time.perf_counter()
    healthy, message = ask_server() if config else (False, "not initialized")
    return jsonify(
        {
            "healthy": healthy,
            "message": message,
            "latency_ms": round((time.perf_counter() - started) * 1000),
            "timestamp": datetime.now(UTC).isoformat(),
        }
    )


def ask_server():
    try:
        answer = session.get(f"{config['endpoint']}/models", headers=credential(), timeout=HEALTH_S)
    except requests.RequestException as error:
        return False, f"the server cannot be reached: {type(error).__name__}"
    return answer.ok, "OK" if answer.ok else f"the server answered {answer.status_code}"


@app.get("/models")
def models():
    return jsonify(
        [
            {
                "id": name,
                "name": name,
                "description": f"{name} behind this relay",
                "context_window": 128_000,
                "max_output_tokens": 16_384,
                "cost_per_mtoken": price,
                "capabilities": METADATA["capabilities"],
            }
            for name, price in PRICES.items()
        ]
    )


@app.post("/chat/completions")
def complete():
    asked = read_object()
    if not config:
        raise Refused(503, "provider_unavailable", "not initialized: POST its config to /initialize")
    if not asked.get("model") or not isinstance(asked.get("messages"), list):
        raise Refused(400, "invalid_request", "model and messages are required")
    answer = session.post(
        f"{config['endpoint']}/chat/completions",
        json=asked,
        headers=credential(),
        timeout=config["timeout"],
        stream=bool(asked.get("stream")),
    )
    if not answer.ok:
        raise read_refusal(answer)
    if asked.get("stream"):
        return Response(answer.iter_content(None), mimetype="text/event-stream")
    completion = answer.json()
    price, usage = PRICES.get(asked["model"]), completion.get("usage")
    if price is not None and usage:
        usage["cost_usd"] = usage["total_tokens"] * price / 1_000_000
    return jsonify(completion)


def read_refusal(answer):
    """What the server's refusal is called here; its own words are kept."""
    code = next((code for code, statuses in CODES.items() if answer.status_code in statuses), "invalid_request")
    details = {"status_code": answer.status_code}
    if answer.headers.get("Retry-After", "").isdecimal():
        details["retry_after"] = int(answer.headers["Retry-After"])
    return Refused(answer.status_code, code, read_message(answer), **details)


def read_message(answer):
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code}"


@app.post("/cleanup")
def clean_up():
    config.clear()
    return jsonify({})


def credential():
    return {"Authorization": f"Bearer {config['api_key']}"}


def read_object():
    given = request.get_json(force=True, silent=True) if request.data else {}
    if not isinstance(given, dict):
        raise Refused(400, "invalid_request", "the body must be a JSON object")
    return given


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "9312")), help="0 for a free one")
    options = parser.parse_args()
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "warning").upper())
    # A line for each request would hold nothing that the gateway does not record.
    logging.getLogger("werkzeug").setLevel("WARNING")
    server = make_server(options.host, options.port, app, threaded=True)
    print(f"listening on http://{options.host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
