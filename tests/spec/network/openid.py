"""A small OpenID provider on 127.0.0.1: authorization code with PKCE, RS256 tokens."""

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "weir", "a client's secret"


@dataclass
class Provider:
    """A running provider, and the claims that it makes of whoever comes."""

    issuer: str
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))


def application(provider: Provider) -> FastAPI:
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, Any]:
        names = {"authorization": "authorize", "token": "token"}
        ends = {f"{name}_endpoint": f"{provider.issuer}/{path}" for name, path in names.items()}
        return {
            "issuer": provider.issuer,
            "jwks_uri": f"{provider.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            **ends,
        }

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        return {"keys": [provider.key.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        code = secrets.token_urlsafe()
        provider.codes[code] = asked
        told = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{told}", 302)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: value[0] for name, value in parse_qs((await request.body()).decode()).items()}
        asked = provider.codes.pop(form["code"])
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        basic = base64.b64encode(f"{CLIENT}:{quote_plus(SECRET)}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        known = request.headers.get("Authorization") in (f"Basic {basic}", f"Basic {plain}")
        if challenge != asked["code_challenge"] or not known:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": provider.issuer,
            "aud": CLIENT,
            "sub": "1",
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            **provider.claims,
        }
        identity = jwt.encode({"alg": "RS256", "kid": "one"}, claims, provider.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": identity})

    return app


@contextmanager
def running() -> Iterator[Provider]:
    """The provider, listening until the end."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        provider = Provider(f"http://127.0.0.1:{opened.getsockname()[1]}")
        settings = uvicorn.Config(application(provider), log_config=None, access_log=False)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join()
