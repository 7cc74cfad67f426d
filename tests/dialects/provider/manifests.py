"""Manifests to put into plugins folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

# The guide's complete example.
COMPLETE = """\
# Plugin type: http, grpc, or builtin
type: http

# Endpoint where your plugin is running
endpoint: http://localhost:8090

# Metadata (must match /metadata endpoint)
metadata:
  name: My AI Provider Plugin
  version: 1.2.0
  plugin_api_version: "1.0.0"
  provider_type: my-ai-provider
  description: Integration with My AI Provider's API
  author: Your Name <you@example.com>
  homepage: https://github.com/you/my-plugin
  license: MIT

  # What does your plugin support?
  capabilities:
    streaming: true          # Streaming responses
    function_calling: false  # Function/tool calling
    vision: false           # Image inputs
    embeddings: false       # Generate embeddings
    fine_tuning: false      # Fine-tuning support

  # Configuration schema
  config_schema:
    - name: api_key
      type: string
      required: true
      description: API key for authentication
      sensitive: true

    - name: endpoint
      type: string
      required: false
      description: Custom API endpoint
      default: "https://api.example.com"

    - name: timeout
      type: int
      required: false
      description: Request timeout in seconds
      default: 30
      validation:
        min: 1
        max: 300

# Auto-start this plugin when Loom starts
auto_start: true

# Health check interval in seconds
health_check_interval: 60

# Optional: Command to start plugin process (if not already running)
command: python3
args:
  - plugin.py
  - --port
  - "8090"

# Optional: Environment variables for the plugin process
env:
  LOG_LEVEL: info
  PORT: "8090"
"""


def manifest(endpoint: str = "http://127.0.0.1:8090", **changes: Any) -> dict[str, Any]:
    """A small one that is right; what is `None` in `changes` is left out, `metadata` is merged."""
    metadata = {"name": "Stub", "version": "1.0.0", "provider_type": "stub"} | changes.pop("metadata", {})
    whole = {"type": "http", "endpoint": endpoint, "metadata": metadata, "auto_start": True} | changes
    whole["metadata"] = {key: value for key, value in metadata.items() if value is not None}
    return {key: value for key, value in whole.items() if value is not None}


def write_plugin(folder: Path, content: Any, name: str = "plugin.yaml") -> Path:
    """`content` as data, or as the text itself."""
    folder.mkdir(parents=True, exist_ok=True)
    text = content
    if not isinstance(content, str):
        text = json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content, sort_keys=False)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file
