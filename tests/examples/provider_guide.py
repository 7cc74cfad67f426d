"""What the guide of HTTP providers has its readers write, word for word.

What it leaves out ("# ... rest of metadata") is from its own section on that endpoint, and its samples of good practice
stand where they belong.
"""

from __future__ import annotations

FLASK = """\
from datetime import datetime
import logging
import os

from flask import Flask, jsonify, request
import requests

app = Flask(__name__)
config = {}
logger = logging.getLogger(__name__)

@app.route('/metadata')
def metadata():
    return jsonify({
        "name": "Python Example Plugin",
        "version": "1.0.0",
        "provider_type": "example-python",
        "config_schema": [
            {"name": "api_key", "type": "string", "required": True, "description": "API key", "sensitive": True}
        ]
    })

@app.route('/initialize', methods=['POST'])
def initialize():
    global config
    config = request.json

    if 'api_key' not in config:
        return jsonify({
            "code": "invalid_request",
            "message": "api_key is required"
        }), 400

    if not config['api_key'].startswith('sk-'):
        return jsonify({
            "code": "authentication_failed",
            "message": "Invalid API key format"
        }), 401

    # Store config
    app.config.update(config)
    return jsonify({})

@app.route('/health')
def health():
    return jsonify({
        "healthy": True,
        "message": "OK",
        "latency_ms": 5,
        "timestamp": datetime.now().isoformat()
    })

@app.route('/models')
def models():
    return jsonify([
        {
            "id": "gpt-4",
            "name": "GPT-4",
            "description": "Most capable model",
            "context_window": 8192,
            "max_output_tokens": 4096,
            "cost_per_mtoken": 0.03,
            "capabilities": {
                "streaming": True,
                "function_calling": True,
                "vision": False
            }
        }
    ])

@app.route('/chat/completions', methods=['POST'])
def chat_completions():
    req = request.json

    # Call your AI provider API
    response = requests.post(
        config['endpoint'] + '/chat/completions',
        json=req,
        headers={'Authorization': f"Bearer {config['api_key']}"}
    )
    response = response.json()
    usage = response['usage']

    # Calculate cost based on token usage
    cost_per_token = 0.00003  # $0.03 per 1000 tokens
    cost_usd = usage['total_tokens'] * cost_per_token

    response['usage']['cost_usd'] = cost_usd
    logger.info(f"Completion successful, tokens: {response['usage']['total_tokens']}")
    return jsonify(response)

@app.route('/cleanup', methods=['POST'])
def cleanup():
    return jsonify({})

if __name__ == '__main__':
    app.run(host='0.0.0.0', port=8090)
"""

EXPRESS = """\
const express = require('express');
const axios = require('axios');

const app = express();
app.use(express.json());

let config = {};

app.get('/metadata', (req, res) => {
  res.json({
    name: "Node.js Example Plugin",
    version: "1.0.0",
    provider_type: "example-nodejs",
    config_schema: [
      { name: "api_key", type: "string", required: true, description: "API key", sensitive: true }
    ]
  });
});

app.post('/initialize', (req, res) => {
  config = req.body;
  res.json({});
});

app.get('/health', (req, res) => {
  res.json({
    healthy: true,
    message: "OK",
    latency_ms: 5,
    timestamp: new Date().toISOString()
  });
});

app.get('/models', (req, res) => {
  res.json([
    {
      id: "gpt-4",
      name: "GPT-4",
      description: "Most capable model",
      context_window: 8192,
      max_output_tokens: 4096,
      cost_per_mtoken: 0.03,
      capabilities: { streaming: true, function_calling: true, vision: false }
    }
  ]);
});

app.post('/chat/completions', async (req, res) => {
  try {
    const response = await axios.post(
      config.endpoint + '/chat/completions',
      req.body,
      { headers: { 'Authorization': `Bearer ${config.api_key}` } }
    );
    res.json(response.data);
  } catch (error) {
    res.status(500).json({
      code: "provider_unavailable",
      message: error.message,
      transient: true
    });
  }
});

app.post('/cleanup', (req, res) => {
  res.json({});
});

app.listen(8090, () => console.log('Plugin running on port 8090'));
"""
# `npm init -y`, then `npm install express axios`.
PACKAGE = '{"name": "my-plugin", "version": "1.0.0", "dependencies": {"express": "^5.1.0", "axios": "^1.7.0"}}'

MANIFEST = """\
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

CURLS = """\
# 2. Test metadata
curl http://localhost:8090/metadata

# 3. Test initialization
curl -X POST http://localhost:8090/initialize \\
  -H "Content-Type: application/json" \\
  -d '{"api_key": "test-key"}'

# 4. Test health
curl http://localhost:8090/health

# 5. Test completion
curl -X POST http://localhost:8090/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'

# 6. Test models
curl http://localhost:8090/models
"""

PYTEST = """\
import pytest
import requests

BASE_URL = "http://localhost:8090"

def test_metadata():
    resp = requests.get(f"{BASE_URL}/metadata")
    assert resp.status_code == 200
    data = resp.json()
    assert data["name"]
    assert data["provider_type"]

def test_health():
    resp = requests.get(f"{BASE_URL}/health")
    assert resp.status_code == 200
    data = resp.json()
    assert data["healthy"] == True

def test_completion():
    resp = requests.post(f"{BASE_URL}/chat/completions", json={
        "model": "test-model",
        "messages": [{"role": "user", "content": "Test"}]
    })
    assert resp.status_code == 200
    data = resp.json()
    assert "choices" in data
"""

# How hosts are to be told that something failed.
RATE_LIMITED = {
    "code": "rate_limit_exceeded",
    "message": "Rate limit exceeded, retry after 60s",
    "transient": True,
    "details": {"retry_after": 60, "limit": 1000, "remaining": 0},
}
