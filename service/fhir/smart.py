"""SMART Backend Services: an access token for the site's own key, without a person.

http://hl7.org/fhir/smart-app-launch/backend-services.html: the client signs an assertion
(`private_key_jwt`, RFC 7523) and trades it for a token at the endpoint that
`.well-known/smart-configuration` names. Tokens are kept in memory only.
"""

import threading
import time
import uuid
from collections.abc import Iterable

import httpx
import msgspec
from joserfc import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import AuthorizationError, EhrError, NarrowedError
from service.fhir.capability import read_capability
from service.fhir.exchange import send
from service.fhir.keys import SigningKey
from service.fhir.scopes import refused_types, scopes_for

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# The EHR refuses more than five minutes; one is left for clocks that differ.
ASSERTION_SECONDS = 240
TOKEN_SECONDS = 300  # of a token whose lifetime is not told; SMART advises no longer
RENEW_SECONDS = 60  # before the end of a token's life
# RFC 6749 section 5.2; anything else that a server writes here is not repeated.
OAUTH_ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
}


class SmartConfiguration(BaseModel):
    """What `.well-known/smart-configuration` says, as far as a backend service needs it."""

    model_config = ConfigDict(frozen=True)

    token_endpoint: str
    capabilities: tuple[str, ...] = ()

    @property
    def version_2(self) -> bool:
        """Whether scopes are written in SMART version 2."""
        return "permission-v2" in self.capabilities


def discover(client: httpx.Client, base_url: str) -> SmartConfiguration:
    """Ask the FHIR base for its SMART configuration; older servers have it in /metadata.

    Raises EhrError when it has none.
    """
    request = client.build_request(
        "GET",
        f"{base_url}/.well-known/smart-configuration",
        headers={"Accept": "application/json"},
    )
    response = send(client, request)
    try:
        return SmartConfiguration.model_validate_json(response.content)
    except ValidationError:
        endpoint = read_capability(client, base_url).token_endpoint
        if endpoint is not None:
            return SmartConfiguration(token_endpoint=endpoint)
        raise EhrError(
            f"The EHR has no SMART configuration (HTTP {response.status_code})",
            where=base_url,
            todo="Check that fhir.base_url is the FHIR base, and ask the EHR's vendor for SMART "
            "Backend Services",
        ) from None


class _Token(BaseModel):
    model_config = ConfigDict(frozen=True)

    access_token: str = Field(repr=False, pattern=r"^[\x20-\x7e]+$")  # RFC 6749, appendix A.12
    token_type: str
    expires_in: float = TOKEN_SECONDS
    scope: str | None = None


class BackendService:
    """One client's standing with the EHR's authorization server.

    It asks for the scopes that ``types`` need, once for all, and keeps the token until shortly
    before it expires. ``jku`` is the address of the site's JWK Set, for servers that look there. It
    may be used from several threads at once. With ``creates`` it asks to create resources, too.
    """

    def __init__(
        self,
        client: httpx.Client,
        configuration: SmartConfiguration,
        client_id: str,
        key: SigningKey,
        types: Iterable[str],
        jku: str | None = None,
        *,
        creates: bool = False,
    ) -> None:
        self._client = client
        self._configuration = configuration
        self._client_id = client_id
        self._key = key
        self._types = frozenset(types)
        self._scopes = scopes_for(self._types, version_2=configuration.version_2, creates=creates)
        self._wide = scopes_for("*", version_2=configuration.version_2)
        self._jku = jku
        self._may_widen = True
        self._token: _Token | None = None
        self._refused: frozenset[str] = frozenset()  # by any token so far
        self._settled: frozenset[str] | None = None
        self._renew_at = 0.0
        self._lock = threading.RLock()

    def token(self) -> str:
        """A token that is good for a while; a new one when the last is about to expire.

        Raises AuthorizationError when the EHR refuses, UnavailableError when it does not answer,
        NarrowedError when less is granted than was settled.
        """
        with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                self._use(self._sufficient(self._ask()))
            assert self._token is not None
            return self._token.access_token

    def _use(self, token: _Token) -> None:
        """From now on, until it is about to expire."""
        lifetime = token.expires_in
        self._token = token
        self._renew_at = time.monotonic() + lifetime - min(RENEW_SECONDS, lifetime / 2)

    def settle(self) -> frozenset[str]:
        """The types that any token so far does not let us read.

        From now on no token is used that refuses others, too: many servers leave out of their
        answers what a token does not grant, and say nothing. Raises as `token` does.
        """
        with self._lock:
            self._settled = None
            self.token()
            self._settled = self._refused
            return self._refused

    @property
    def refused(self) -> frozenset[str]:
        """The types that any token so far did not let us read, whether it was used or not."""
        with self._lock:
            return self._refused

    def _sufficient(self, token: _Token) -> _Token:
        """The token, if it grants what was settled. Raises NarrowedError."""
        self._refused |= self._refused_by(token)
        if self._settled is not None and not self._refused <= self._settled:
            raise NarrowedError(
                "The EHR lets this client read less than before",
                where=", ".join(sorted(self._refused - self._settled)),
                todo="Ask the EHR's administrator why the scopes of this client differ",
            )
        return token

    def _refused_by(self, token: _Token) -> frozenset[str]:
        return refused_types(self._types, self._granted_by(token))

    def _granted_by(self, token: _Token) -> str:
        # No scope in the answer means that all were granted (RFC 6749 section 5.1).
        return " ".join(self._scopes) if token.scope is None else token.scope

    def forget(self, token: str) -> None:
        """Never use this token again: the EHR did not take it."""
        with self._lock:
            if self._token is not None and self._token.access_token == token:
                self._token = None

    def widen(self, token: str) -> bool:
        """Ask for system/* from now on: some servers want it for an export, whatever its types.

        ``token`` is the one that was not enough. False when the EHR does not grant more, or grants
        less of what was asked for before, or that token had it already; True, too, when another
        thread has asked meanwhile.
        """
        with self._lock:
            if self.is_wide:
                return token != self.token()
            if not self._may_widen:
                return False
            narrow, self._scopes = self._scopes, self._wide
            try:
                wide = self._ask()
            except AuthorizationError:
                wide = None
            if wide is not None and self._refused_by(wide) <= self._refused:
                self._use(wide)
            else:
                self._scopes, self._may_widen = narrow, False
            return self.is_wide

    @property
    def is_wide(self) -> bool:
        """Whether the EHR wanted system/* instead of the plan's types."""
        return self._scopes == self._wide

    @property
    def asked(self) -> tuple[str, ...]:
        """The scopes that are asked for."""
        return self._scopes

    def granted(self) -> str:
        """The scopes of the present token, as the EHR writes them."""
        with self._lock:
            self.token()
            assert self._token is not None  # it was asked for
            return self._granted_by(self._token)

    def _ask(self) -> _Token:
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(self._scopes),
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(),
        }
        request = self._client.build_request(
            "POST",
            self._configuration.token_endpoint,
            data=form,
            headers={"Accept": "application/json"},
        )
        response = send(self._client, request)
        try:
            token = _Token.model_validate_json(response.content)
        except ValidationError:
            raise self._refusal(response) from None
        if not response.is_success or token.token_type.lower() != "bearer":
            raise self._refusal(response)
        return token

    def _assertion(self) -> str:
        """RFC 7523: who we are, for this token endpoint only, once, for a few minutes."""
        header = {"alg": self._key.algorithm, "kid": self._key.kid, "typ": "JWT"}
        header |= {"jku": self._jku} if self._jku else {}
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._configuration.token_endpoint,
            "exp": int(time.time()) + ASSERTION_SECONDS,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(header, claims, self._key.key, algorithms=[self._key.algorithm])

    def _refusal(self, response: httpx.Response) -> AuthorizationError:
        error = _oauth_error(response)
        return AuthorizationError(
            f"The EHR gave no token (HTTP {response.status_code}, {error})",
            where=f"client {self._client_id}, key {self._key.kid}, {self._key.algorithm}",
            todo=_ADVICE.get(error, "Ask the EHR's administrator how this client is registered"),
        )


_ADVICE = {
    "invalid_client": "Check fhir.client_id, fhir.kid and fhir.key_file, that the EHR has this "
    "key's public half (`weir site key --ehr` prints it), and this machine's clock",
    "invalid_scope": "Ask the EHR's administrator to allow this client to read the types that the "
    "measures need",
    "unauthorized_client": "Ask the EHR's administrator to allow this client SMART Backend "
    "Services (client_credentials)",
}


def _oauth_error(response: httpx.Response) -> str:
    try:
        error = msgspec.json.decode(response.content, type=dict[str, object]).get("error")
    except (ValueError, RecursionError):
        error = None
    return error if isinstance(error, str) and error in OAUTH_ERRORS else "no reason told"
