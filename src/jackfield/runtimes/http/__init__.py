"""The runtime of plugins that are HTTP services of their own: already running, or started by us."""
