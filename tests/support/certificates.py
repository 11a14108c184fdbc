"""Certificates for tests."""

import subprocess
from pathlib import Path


def make_certificate(openssl: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    certificate, key = folder / "localhost.crt", folder / "localhost.key"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key
