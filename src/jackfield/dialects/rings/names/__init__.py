"""The modules that ring plugins import as `core.…`. They need no gateway: a plugin's own tests run on them alone."""
