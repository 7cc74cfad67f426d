"""What the gateway tells of itself: logs, metrics and spans. Each module is imported by who needs it."""
