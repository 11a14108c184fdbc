"""Secrets taken out of texts before they leave the gateway. Pure.

I1. What is known to be a secret is nowhere in the result: not plain, not in hex, not in base64.
I2. What looks like a secret by its place (a key called password, the user part of a URL, a PEM block) is taken out too.
"""

import base64
import re
from collections.abc import Iterable
from typing import Final

OUT: Final = "***"
_LEAST_SECRET: Final = 4  # shorter ones would tear holes into every text
_KEYS: Final = r"pass(?:word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credentials?|psk|auth"
# A key whose name ends with one of these words, and its value: not `password_file`, whose value is a name.
_KEYED: Final = re.compile(rf"(?i)([\w-]*(?:{_KEYS})[\"']?\s*[:=]\s*)(\"[^\"\n]*\"|'[^'\n]*'|[^\s,}}\]#]+)")
_URL: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"']*@")
_HEADER: Final = re.compile(r"(?i)\b(basic|bearer|digest)\s+[a-z0-9+/=._~-]{4,}")
_PEM: Final = re.compile(r"-----BEGIN [^-\n]*-----.*?(?:-----END [^-\n]*-----|\Z)", re.DOTALL)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without its secrets.

    Args:
        text: of any kind: YAML, JSON, a log.
        secrets: known ones, as they are written in their files.
    """
    for form in sorted(_forms(secrets), key=len, reverse=True):
        text = re.sub(re.escape(form), OUT, text, flags=re.IGNORECASE if _is_hex(form) else 0)
    text = _PEM.sub(OUT, text)
    text = _URL.sub(rf"\1{OUT}@", text)
    text = _HEADER.sub(rf"\1 {OUT}", text)
    return _KEYED.sub(rf"\1{OUT}", text)


def _forms(secrets: Iterable[str]) -> set[str]:
    """How a secret may be written."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _LEAST_SECRET:
            raw = secret.encode()
            forms |= {secret, raw.hex(), raw.hex(" "), *_base64_cores(raw)}
    return forms


def _base64_cores(raw: bytes) -> list[str]:
    """What base64 makes of the secret, wherever it begins in what was encoded, without what its neighbours share."""
    found = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        core = text[(before * 8 + 5) // 6 :]
        core = core if (before + len(raw)) % 3 == 0 else core[:-1]
        if len(core) >= _LEAST_SECRET:
            found.append(core)
    return found


def _is_hex(form: str) -> bool:
    return set(form) <= set("0123456789abcdef ")
