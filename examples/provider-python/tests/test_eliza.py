"""The provider as a process of its own, on a free port."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def eliza():
    command = [sys.executable, "eliza.py", "--port", "0"]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def say(text, **more):
    return {"model": "eliza-1966", "messages": [{"role": "user", "content": text}], **more}


def test_it_says_of_itself_what_its_manifest_says(eliza):
    manifest = yaml.safe_load((FOLDER / "plugin.yaml").read_text(encoding="utf-8"))
    assert json.loads(call(f"{eliza}/metadata")[1]) == manifest["metadata"]


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("Hello!", "How do you do. Please state your problem."),
        ("I need my coffee.", "Why do you need your coffee?"),
        ("My mother knits.", "Tell me more about your mother."),
        ("Are you a computer?", "Why do you ask that?"),
        ("Hm.", "Please go on."),
    ],
)
def test_it_answers_by_its_rules(eliza, said, answered):
    status, told = call(f"{eliza}/chat/completions", say(said))
    completion = json.loads(told)
    assert (status, completion["choices"][0]["message"]["content"]) == (200, answered)
    assert completion["usage"]["cost_usd"] == pytest.approx(completion["usage"]["total_tokens"] * 1e-7)


def test_it_streams_word_by_word(eliza):
    _, told = call(f"{eliza}/chat/completions", say("I am sad", stream=True))
    *chunks, last = [line.removeprefix("data: ") for line in told.split("\n\n") if line]
    deltas = [choice["delta"].get("content") for chunk in chunks for choice in json.loads(chunk)["choices"]]
    assert [text for text in deltas if text] == ["How ", "long ", "have ", "you ", "been ", "sad?"]
    assert last == "[DONE]"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/chat/completions", say("why " * 400), 400, "invalid_request"),
        ("/chat/completions", {"model": "eliza-1966"}, 400, "invalid_request"),
        ("/initialize", {"patience_s": 60}, 400, "invalid_request"),
        ("/elsewhere", {}, 404, "invalid_request"),
    ],
)
def test_what_is_wrong_is_refused_with_a_code(eliza, path, body, status, code):
    answered, told = call(eliza + path, body)
    assert (answered, json.loads(told)["code"]) == (status, code)
