"""Serving a provider class over HTTP, to any host of HTTP providers.

from jackfield.sdk import Plugin, TextDelta
from jackfield.sdk.serve import serve

class Mirror(Plugin):
    models = ("mirror",)

    async def stream(self, request, upstream):
        for letter in reversed(request.last_user_text()):
            yield TextDelta(text=letter)

serve(Mirror)
"""

from jackfield.sdk.serve.application import Application
from jackfield.sdk.serve.faults import ProviderFault
from jackfield.sdk.serve.metadata import Model
from jackfield.sdk.serve.serving import serve

__all__ = ["Application", "Model", "ProviderFault", "serve"]
