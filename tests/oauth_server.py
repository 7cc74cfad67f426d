"""A real OAuth 2 server, made of Authlib on loopback: authorization code with PKCE, device code, refresh tokens that
are good for one use, and revocation."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from flask import Flask, Response, redirect, request
from werkzeug.serving import make_server

CLIENT, SECRET_CLIENT, SECRET = "the-client", "secret-client", "s3cret-of-the-client"
LIFE_S = 3600
METHODS = ("none", "client_secret_basic")
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Client(ClientMixin):
    def __init__(self, client_id: str, secret: str | None) -> None:
        self.client_id, self.secret = client_id, secret

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith(("http://127.0.0.1:", "http://localhost:", "http://gateway.test/"))

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("none" if self.secret is None else "client_secret_basic")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


class Code(dict, AuthorizationCodeMixin):  # type: ignore[type-arg]
    def get_redirect_uri(self) -> Any:
        return self["redirect_uri"]

    def get_scope(self) -> Any:
        return self["scope"]

    @property
    def code_challenge(self) -> Any:
        return self["challenge"]

    @property
    def code_challenge_method(self) -> Any:
        return self["method"]


class Token(TokenMixin):
    def __init__(self, client: str, user: str, told: dict[str, Any]) -> None:
        self.client, self.user, self.told, self.revoked = client, user, told, False

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client

    def get_scope(self) -> Any:
        return self.told.get("scope", "")

    def get_expires_in(self) -> Any:
        return self.told["expires_in"]

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return self.revoked


class OAuthServer:
    """`user` is who consents, or nobody where it is `None`. `asked` counts the requests of each grant. While `gate` is
    not set, refreshing waits; `broken` answers are given first, and `unwilling` ones to who revokes."""

    def __init__(self) -> None:
        self.user: str | None = "anna"
        self.asked: Counter[str] = Counter()
        self.codes: dict[str, Code] = {}
        self.tokens: list[Token] = []
        self.devices: dict[str, DeviceCredentialDict] = {}
        self.granted: dict[str, tuple[str, bool]] = {}
        self.broken: list[tuple[int, dict[str, str], str]] = []
        self.unwilling: list[tuple[int, dict[str, str], str]] = []
        self.life_s = LIFE_S
        self.slow = False
        self.interval_s = 3
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()
        self.url = ""

    def by_refresh(self, text: str) -> Token | None:
        return next((one for one in self.tokens if one.told.get("refresh_token") == text), None)

    def accepts(self, access: str) -> bool:
        return any(one.told["access_token"] == access and not one.revoked for one in self.tokens)

    def sign_in(self, **more: Any) -> dict[str, Any]:
        """As it stands in the settings, or in a plugin."""
        return {
            "client_id": CLIENT,
            "authorize_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
            "device_url": f"{self.url}/device",
            "revoke_url": f"{self.url}/revoke",
            "scopes": ("chat", "offline"),
        } | more


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    own: OAuthServer

    def save_authorization_code(self, code: str, asked: Any) -> None:
        told = asked.payload
        self.own.codes[code] = Code(
            client=asked.client.client_id,
            user=asked.user,
            redirect_uri=told.redirect_uri,
            scope=told.scope,
            challenge=told.data.get("code_challenge"),
            method=told.data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = self.own.codes.get(code)
        return found if found is not None and found["client"] == client.client_id else None

    def delete_authorization_code(self, code: Code) -> None:
        self.own.codes = {text: one for text, one in self.own.codes.items() if one is not code}

    def authenticate_user(self, code: Code) -> Any:
        return code["user"]


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    own: OAuthServer

    def authenticate_refresh_token(self, text: str) -> Token | None:
        found = self.own.by_refresh(text)
        if found is not None and found.revoked:
            # One that was used comes again: somebody has a copy, so all of its family end.
            for one in self.own.tokens:
                one.revoked = one.revoked or one.user == found.user
        return None if found is None or found.revoked else found

    def authenticate_user(self, token: Token) -> str:
        return token.user

    def revoke_old_credential(self, token: Token) -> None:
        token.revoked = True


class DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    own: OAuthServer

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        return self.own.devices.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        return self.own.granted.get(user_code)

    def should_slow_down(self, credential: Any) -> bool:
        return self.own.slow


class Device(DeviceAuthorizationEndpoint):  # type: ignore[misc]
    own: OAuthServer

    @property
    def INTERVAL(self) -> int:
        return self.own.interval_s

    def get_verification_uri(self) -> str:
        return f"{self.own.url}/activate"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        fields = {"client_id": client_id, "scope": scope, "expires_at": time.time() + 1800}
        self.own.devices[data["device_code"]] = DeviceCredentialDict(user_code=data["user_code"], **fields)


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = METHODS
    own: OAuthServer

    def query_token(self, text: str, hint: str | None) -> Token | None:
        return next((one for one in self.own.tokens if text in one.told.values()), None)

    def revoke_token(self, token: Token, asked: Any) -> None:
        token.revoked = True


def _make_app(server: OAuthServer) -> Flask:
    app = Flask("oauth")
    clients = {CLIENT: Client(CLIENT, None), SECRET_CLIENT: Client(SECRET_CLIENT, SECRET)}
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True

    def save(told: dict[str, Any], asked: Any) -> None:
        told["expires_in"] = server.life_s
        server.tokens.append(Token(asked.client.client_id, asked.user, dict(told)))

    authorization = AuthorizationServer(app, clients.get, save)
    for grant in (CodeGrant, RefreshGrant, DeviceGrant):
        more = [CodeChallenge(required=True)] if grant is CodeGrant else None
        authorization.register_grant(type(grant.__name__, (grant,), {"own": server}), more)
    for endpoint in (Device, Revocation):
        authorization.register_endpoint(type(endpoint.__name__, (endpoint,), {"own": server}))

    @app.get("/authorize")
    def authorize() -> Any:
        if server.user is None:
            back = {"error": "access_denied", "state": request.args["state"]}
            return redirect(f"{request.args['redirect_uri']}?{urlencode(back)}")
        grant = authorization.get_consent_grant(end_user=server.user)
        return authorization.create_authorization_response(grant_user=server.user, grant=grant)

    @app.post("/token")
    def token() -> Any:
        kind = dict(parse_qsl(request.get_data(as_text=True))).get("grant_type", "")
        server.asked[kind.rpartition(":")[2]] += 1
        if kind == "refresh_token":
            server.reached.set()
            server.gate.wait(10)
        if server.broken:
            status, headers, body = server.broken.pop(0)
            return Response(body, status, headers)
        return authorization.create_token_response()

    _add_endpoints(app, authorization, server)
    return app


def _add_endpoints(app: Flask, authorization: AuthorizationServer, server: OAuthServer) -> None:
    app.add_url_rule(
        "/device", "device", lambda: authorization.create_endpoint_response("device_authorization"), methods=["POST"]
    )

    @app.post("/revoke")
    def revoke() -> Any:
        if server.unwilling:
            status, headers, body = server.unwilling.pop(0)
            return Response(body, status, headers)
        return authorization.create_endpoint_response("revocation")


@contextmanager
def run_oauth_server() -> Iterator[OAuthServer]:
    server = OAuthServer()
    http = make_server("127.0.0.1", 0, _make_app(server), threaded=True)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        http.shutdown()
        thread.join(5)
        http.server_close()
