"""Numbers of plugins and upstreams, for Prometheus."""
