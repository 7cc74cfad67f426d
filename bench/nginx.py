"""nginx as a reverse proxy before the mock upstream: one process, kept-alive connections."""

from __future__ import annotations

import shutil
from pathlib import Path

_CONFIG = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_max_body_size 16m;
    client_body_buffer_size 1m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream mock {{ server 127.0.0.1:{upstream_port}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def installed() -> str | None:
    """Where nginx is; distributions put it outside an ordinary user's `PATH`."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def command(folder: Path, port: int, upstream_port: int) -> list[str]:
    """The command that runs it; writes its configuration into `folder`."""
    binary = installed()
    if binary is None:
        raise FileNotFoundError("nginx is not installed")
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, upstream_port=upstream_port))
    return [binary, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
