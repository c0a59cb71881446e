"""A certificate authority of a test's own, and certificates by it."""

from __future__ import annotations

import errno
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class _Tidy(ssl.SSLSocket):
    """Python's own leaves a socket open whose client was gone before the handshake, which is a warning."""

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the client is gone") from None


@dataclass(frozen=True, slots=True)
class Authority:
    """``pem``: what a client trusts."""

    folder: Path
    pem: Path

    @classmethod
    def made(cls, folder: Path) -> Authority:
        """A new authority, whose files are in ``folder``."""
        pem = folder / "ca.pem"
        _openssl(*_KEY, "-keyout", folder / "ca.key", "-out", pem, "-subj", "/CN=tare-test-ca")
        return cls(folder, pem)

    def server(self, ip: str) -> ssl.SSLContext:
        """What a service at ``ip`` shows."""
        pem, key = self.folder / f"{ip}.pem", self.folder / f"{ip}.key"
        names = ("-addext", f"subjectAltName=IP:{ip}", "-addext", "basicConstraints=critical,CA:FALSE")
        signer = ("-CA", self.pem, "-CAkey", self.folder / "ca.key")
        _openssl(*_KEY, "-keyout", key, "-out", pem, "-subj", "/CN=tare-test", *signer, *names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        context.sslsocket_class = _Tidy
        return context


def _openssl(*options: str | Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-days", "2", *options], check=True, capture_output=True)
