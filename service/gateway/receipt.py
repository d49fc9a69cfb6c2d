"""The network's signed receipt: a compact JWS over the receipt's content (docs/wire-format.md)."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import OKPKey

from service.errors import RefusedError
from service.fhir import signature

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
LONGEST = 4000


def read_receipt(
    signed: object, receipt: str, report: str, keys: Mapping[str, OKPKey] | None
) -> tuple[str | None, bool]:
    """The signed receipt as it can be kept, and whether it is one of this report by these keys."""
    if not isinstance(signed, str) or len(signed) > LONGEST or not _COMPACT.fullmatch(signed):
        return None, False
    told = content(signed, keys or {})
    fits = told is not None and (told.get("receipt"), told.get("sha256")) == (
        receipt,
        report.removeprefix("sha256:"),
    )
    return signed, fits


def content(signed: str, keys: Mapping[str, OKPKey]) -> dict[str, Any] | None:
    """What a signed receipt says; None unless one of the keys signed it."""
    try:
        protected, encoded, by = signed.split(".")
        payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        signature.verify(payload, f"{protected}..{by}", keys.get)
        told = json.loads(payload)
    except (ValueError, RefusedError):
        return None
    return told if isinstance(told, dict) else None
