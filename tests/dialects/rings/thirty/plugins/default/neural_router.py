"""The name that others import the router by."""

from plugins.default.smart_router import CHOSEN, select_endpoint

__all__ = ["CHOSEN", "select_endpoint"]
