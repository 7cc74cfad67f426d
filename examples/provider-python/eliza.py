"""Eliza as a model: it answers by rules of 1966, and needs no upstream. `python eliza.py --port 9311`"""

import asyncio
import re

from pydantic import Field

from jackfield.sdk import Plugin, PluginConfig, TextDelta, Usage, UsageReport
from jackfield.sdk.serve import Model, ProviderFault, serve

RULES = (
    (r"i need (.+)", "Why do you need {}?"),
    (r"i (?:am|feel) (.+)", "How long have you been {}?"),
    (r"because (.+)", "Is that the real reason?"),
    (r"you are (.+)", "What makes you think I am {}?"),
    (r".*\b(mother|father|sister|brother)\b.*", "Tell me more about your {}."),
    (r"(?:hello|hi)\b.*", "How do you do. Please state your problem."),
    (r".*\?", "Why do you ask that?"),
)
OTHERWISE = "Please go on."
MIRRORED = {"my": "your", "your": "my", "i": "you", "you": "I", "me": "you", "am": "are", "mine": "yours"}


class Settings(PluginConfig):
    patience_s: float = Field(0.0, ge=0, le=5, description="How long it thinks before each word")


class Eliza(Plugin[Settings]):
    """The therapist of 1966: answers questions with questions"""

    id = "eliza"
    version = "1.0.0"
    author = "The Jackfield authors"
    license = "Apache-2.0"
    models = (Model(id="eliza-1966", name="Eliza", context_window=1000, max_output_tokens=100, cost_per_mtoken=0.1),)

    async def stream(self, request, upstream):
        said = request.last_user_text().strip()
        if len(said) > 1000:
            raise ProviderFault("invalid_request", "Please be briefer.", details={"most_characters": 1000})
        words = re.findall(r"\S+\s*", reply_to(said))
        for word in words:
            await asyncio.sleep(self.config.patience_s)
            yield TextDelta(text=word)
        yield UsageReport(usage=Usage(input=len(request.text().split()), output=len(words)))


def reply_to(said):
    for pattern, answer in RULES:
        if found := re.fullmatch(pattern, said.rstrip(".!").lower()):
            return answer.format(*(mirror(text) for text in found.groups()))
    return OTHERWISE


def mirror(text):
    return " ".join(MIRRORED.get(word, word) for word in text.split())


if __name__ == "__main__":
    serve(Eliza)
