"""Why a provider is not in service: the codes that its reasons begin with."""

from __future__ import annotations

from jackfield.errors import PluginFailed

ENDPOINT_IS_GATEWAY = "endpoint_is_gateway"
DUPLICATE_PROVIDER_TYPE = "duplicate_provider_type"
METADATA_INVALID = "metadata_invalid"
PROVIDER_TYPE_MISMATCH = "provider_type_mismatch"
API_VERSION_INCOMPATIBLE = "api_version_incompatible"
INITIALIZE_REJECTED = "initialize_rejected"
UNHEALTHY = "unhealthy"


class NotInService(PluginFailed):
    """`reason` is the code, which the message begins with."""

    def __init__(self, reason: str, told: str, *, plugin: str) -> None:
        super().__init__(f"{reason}: {told}", plugin=plugin)
        self.reason = reason
