"""The relay as a process of its own, on a free port, with a server behind it that answers as each test says."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

requests = pytest.importorskip("requests", reason="pip install -r requirements.txt")
yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
FOLDER = Path(__file__).resolve().parents[1]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18},
}


class Server(ThreadingHTTPServer):
    """Keeps what it was asked last, and answers `answer`: a status, headers and a body."""

    answer = (200, {}, b"{}")
    asked = None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(200, {}, b'{"data": []}')

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked = (self.path, self.headers["Authorization"], body)
        self.reply(*self.server.answer)

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: the tests say what went wrong."""


@pytest.fixture(scope="module")
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def relay(server):
    command = [sys.executable, "plugin.py", "--port", "0"]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().removeprefix("listening on ").strip()
            config = {"api_key": "sk-test", "endpoint": f"http://127.0.0.1:{server.server_port}/v1/"}
            assert requests.post(f"{url}/initialize", json=config, timeout=10).json() == {}
            yield url
        finally:
            process.terminate()


def ask(relay, **more):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}], **more}
    return requests.post(f"{relay}/chat/completions", json=body, timeout=10)


def test_it_says_of_itself_what_its_manifest_says(relay):
    manifest = yaml.safe_load((FOLDER / "plugin.yaml").read_text(encoding="utf-8"))
    assert requests.get(f"{relay}/metadata", timeout=10).json() == manifest["metadata"]


def test_it_is_healthy_while_the_server_answers(relay):
    assert requests.get(f"{relay}/health", timeout=10).json()["healthy"] is True


def test_it_passes_on_what_it_is_asked_and_tells_what_that_cost(relay, server):
    server.answer = (200, {"Content-Type": "application/json"}, json.dumps(COMPLETION).encode())
    answer = ask(relay, temperature=0.7)
    path, key, body = server.asked
    assert (path, key, body["temperature"]) == ("/v1/chat/completions", "Bearer sk-test", 0.7)
    assert answer.json()["choices"] == COMPLETION["choices"]
    assert answer.json()["usage"]["cost_usd"] == pytest.approx(18 * 0.3 / 1_000_000)


def test_it_streams(relay, server):
    chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}'
    events = chunk + b"\n\ndata: [DONE]\n\n"
    server.answer = (200, {"Content-Type": "text/event-stream"}, events)
    answer = ask(relay, stream=True)
    assert (answer.headers["Content-Type"].partition(";")[0], answer.content) == ("text/event-stream", events)


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (401, "authentication_failed", False),
        (404, "model_not_found", False),
        (429, "rate_limit_exceeded", True),
        (400, "invalid_request", False),
        (503, "provider_unavailable", True),
    ],
)
def test_refusals_of_the_server_are_told_by_code(relay, server, status, code, transient):
    server.answer = (status, {"Retry-After": "7"}, b'{"error": {"message": "No."}}')
    answer = ask(relay)
    details = {"status_code": status, "retry_after": 7}
    assert answer.status_code == status
    assert answer.json() == {"code": code, "message": "No.", "transient": transient, "details": details}


def test_a_wrong_config_is_refused_whole(relay):
    answer = requests.post(f"{relay}/initialize", json={"endpoint": "nowhere", "timeout": 0}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert all(name in answer.json()["message"] for name in ("api_key", "endpoint", "timeout"))


def test_what_it_does_not_know_is_refused_with_a_code(relay):
    answer = requests.get(f"{relay}/elsewhere", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid_request")
