"""The OpenAI package's embeddings and models."""

from __future__ import annotations

import asyncio
import base64
import struct

import openai
import pytest

from jackfield.testing.openai_speech import embed_text

from .kinds import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("model", ["embedder", "via-echo"])
async def test_embeddings_are_floats(gpt: openai.AsyncOpenAI, model: str) -> None:
    response = await gpt.embeddings.create(model=model, input=["one", "two words"], dimensions=8)

    assert [len(item.embedding) for item in response.data] == [8, 8]
    assert [item.index for item in response.data] == [0, 1]
    assert response.usage.prompt_tokens > 0
    assert response.object == "list"


@pytest.mark.parametrize("model", ["embedder", "via-echo"])
async def test_base64_holds_the_same_floats(gpt: openai.AsyncOpenAI, model: str) -> None:
    floats = await gpt.embeddings.create(model=model, input="one", dimensions=8, encoding_format="float")
    packed = await gpt.embeddings.create(model=model, input="one", dimensions=8, encoding_format="base64")

    unpacked = struct.unpack("<8f", base64.b64decode(packed.data[0].embedding))
    assert unpacked == pytest.approx(floats.data[0].embedding)


async def test_what_the_upstream_embedded_arrives(sync_gpt: openai.OpenAI) -> None:
    response = await asyncio.to_thread(sync_gpt.embeddings.create, model="embedder", input="one")

    assert response.data[0].embedding == pytest.approx(embed_text("one"))


async def test_a_model_without_embeddings_is_refused(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        await gpt.embeddings.create(model="via-anthropic", input="one")
    assert "via-anthropic" in caught.value.message


async def test_models_are_listed(gpt: openai.AsyncOpenAI, world: World) -> None:
    models = [model async for model in await gpt.models.list()]

    assert {model.id for model in models} == {"via-openai", "via-anthropic", "via-responses", "via-echo", "embedder"}
    assert {model.object for model in models} == {"model"}


async def test_a_model_is_retrieved(gpt: openai.AsyncOpenAI) -> None:
    assert (await gpt.models.retrieve("via-echo")).id == "via-echo"
    with pytest.raises(openai.NotFoundError, match="via-nothing"):
        await gpt.models.retrieve("via-nothing")
