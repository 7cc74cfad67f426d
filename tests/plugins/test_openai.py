"""Where the provider `openai` sends what, and which of the API's formats it speaks to an upstream."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.breaker import Breaker
from jackfield.errors import ConfigError
from jackfield.host.routes import UpstreamLink
from jackfield.plugins.openai import OpenAI
from jackfield.sdk import Upstream
from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines

ELSEWHERE = "http://127.0.0.1:9100/v1"
HERE = "https://api.openai.com/v1"


def linked(base_url: str = ELSEWHERE, **options: Any) -> UpstreamLink:
    return UpstreamLink(
        Upstream(name="u", base_url=base_url, options=options),
        "openai",
        OpenAI("openai", None),
        models={"m": "m"},
        client=HttpClient(policy=EgressPolicy.anywhere()),
        deadlines=Deadlines(),
        breaker=Breaker(lambda: 0.0),
        credential="sk",
    )


def url_for(link: UpstreamLink, client_format: str) -> tuple[str, str]:
    """The format that a client's conversation is sent in, and the path it is sent to."""
    spoken = link.format_for("chat", client_format)
    assert spoken is not None
    url = link.destination("chat", "m", spoken.name).target.url
    return spoken.name, url.rpartition("/v1")[2]


CHAT, RESPONSES = ("openai_chat", "/chat/completions"), ("openai_responses", "/responses")


@pytest.mark.parametrize(
    ("base_url", "options", "spoken"),
    [
        (ELSEWHERE, {}, (CHAT, CHAT, CHAT)),
        (ELSEWHERE, {"responses": False}, (CHAT, CHAT, CHAT)),
        (ELSEWHERE, {"responses": True}, (CHAT, RESPONSES, CHAT)),
        (ELSEWHERE, {"responses": "only"}, (RESPONSES, RESPONSES, RESPONSES)),
        ("", {}, (CHAT, RESPONSES, CHAT)),
        (HERE, {}, (CHAT, RESPONSES, CHAT)),
        (HERE, {"responses": False}, (CHAT, CHAT, CHAT)),
    ],
)
def test_a_client_is_spoken_to_in_its_own_format_where_the_upstream_has_it(
    base_url: str, options: dict[str, Any], spoken: tuple[tuple[str, str], ...]
) -> None:
    link = linked(base_url, **options)
    clients = ("openai_chat", "openai_responses", "anthropic_messages")
    assert tuple(url_for(link, client) for client in clients) == spoken
    assert link.speaks("chat", "openai_responses") == (RESPONSES in spoken)


def test_embeddings_go_where_they_went() -> None:
    link = linked(responses="only")
    assert link.destination("embeddings", "m", "openai_embeddings").target.url == f"{ELSEWHERE}/embeddings"
    assert link.destination("embeddings", "m").target.url == f"{ELSEWHERE}/embeddings"


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_an_option_that_it_does_not_understand_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"upstream u\.options: responses: expected true, false or \"only\""):
        linked(responses=value)
