"""Models that use tools: one request, several turns."""
