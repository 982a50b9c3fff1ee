"""One byte form for every document that is hashed or signed."""

import hashlib
import json
from typing import Any


def canonical(document: Any) -> bytes:
    """Return `document` as canonical JSON: sorted keys, no spaces, UTF-8, no NaN.

    Raises `ValueError` for what JSON cannot hold. Follows the order and separators of RFC 8785; numbers are kept to
    integers and short decimals by the documents themselves.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(document: Any) -> str:
    """Return the SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(document)).hexdigest()
