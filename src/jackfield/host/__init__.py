"""The owner of plugin lives: finding, loading, starting and stopping them, and the snapshot that requests run
against."""
