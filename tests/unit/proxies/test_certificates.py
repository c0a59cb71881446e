"""Certificates that are made serve, and a user's that cannot is refused with the reason."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from harness.errors import SpecError
from harness.proxies import certificates
from harness.proxies.api import Certificate

IP = "198.18.0.10"
DAY = timedelta(days=1)


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, passphrase: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(encoding, form, encryption).decode()


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, begins: datetime, ends: datetime) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def good(key: ec.EllipticCurvePrivateKey) -> str:
    return self_signed(key, datetime.now(UTC) - DAY, datetime.now(UTC) + DAY)


def handshake(made: Certificate, ca: str, host: str, folder: Path) -> None:
    """In memory: the certificate's server against a client that trusts ``ca`` alone. Raises what the client does."""
    (folder / "chain").write_text(made.chain_pem)
    (folder / "key").write_text(made.key_pem)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "chain", folder / "key")
    asking = ssl.create_default_context(cadata=ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    client = asking.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"
    assert client.getpeercert()


def test_a_made_one_serves_its_address_to_who_trusts_its_authority(tmp_path: Path) -> None:
    made = certificates.make(IP, days=1)
    handshake(made, made.ca_pem, IP, tmp_path)


def test_a_made_one_serves_no_other_address_and_nobody_who_trusts_another(tmp_path: Path) -> None:
    made, other = certificates.make(IP, days=1), certificates.make(IP, days=1)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(made, made.ca_pem, "198.18.0.11", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get|signature failure"):
        handshake(made, other.ca_pem, IP, tmp_path)


def test_a_made_one_that_is_over_is_not_accepted(tmp_path: Path) -> None:
    made = certificates.make(IP, days=0)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(made, made.ca_pem, IP, tmp_path)


def test_a_made_one_can_be_read_again(tmp_path: Path) -> None:
    made = certificates.make(IP, days=1)
    file = tmp_path / "proxy.pem"
    file.write_text(made.key_pem + made.chain_pem + made.ca_pem)
    found = certificates.read(file)
    assert found == Certificate(made.chain_pem + made.ca_pem, made.key_pem, made.ca_pem)
    handshake(found, found.ca_pem, IP, tmp_path)


def test_key_and_certificate_may_come_in_any_order_and_kind(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    certificate = self_signed(key, datetime.now(UTC) - DAY, datetime.now(UTC) + DAY)
    for number, text in enumerate((pem_of(key) + certificate, f"Bag Attributes\n{certificate}\n{pem_of(key)}")):
        file = tmp_path / str(number)
        file.write_text(text)
        assert certificates.read(file).ca_pem == certificate


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no certificate"),
        ("{good}", "no private key"),
        ("{key}", "no certificate"),
        ("{good}{other_key}", "not that of the first certificate"),
        ("{good}{locked}", "passphrase"),
        ("{good}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        ("{key}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
    ],
)
def test_what_cannot_serve_is_refused(
    text: str, complaint: str, key: ec.EllipticCurvePrivateKey, good: str, tmp_path: Path
) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    parts = {"{good}": good, "{key}": pem_of(key), "{other_key}": pem_of(other), "{locked}": pem_of(key, b"x")}
    for name, part in parts.items():
        text = text.replace(name, part)
    file = tmp_path / "proxy.pem"
    file.write_text(text)
    with pytest.raises(SpecError, match=complaint) as refused:
        certificates.read(file)
    assert str(file) in refused.value.what
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("begins", "ends", "complaint"), [(-3 * DAY, -DAY, "expired on"), (DAY, 3 * DAY, "not valid before")]
)
def test_one_that_is_not_valid_now_is_refused_and_says_since_or_until_when(
    begins: timedelta, ends: timedelta, complaint: str, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    file = tmp_path / "proxy.pem"
    file.write_text(self_signed(key, now + begins, now + ends) + pem_of(key))
    decisive = now + (ends if ends < timedelta() else begins)
    with pytest.raises(SpecError, match=f"{complaint} {decisive:%Y-%m-%d}"):
        certificates.read(file)


def test_one_that_is_not_there_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no certificate"):
        certificates.read(tmp_path / "missing.pem")
    with pytest.raises(SpecError, match="cannot be read"):
        certificates.read(tmp_path)
    locked = tmp_path / "locked.pem"
    locked.touch(mode=0)
    if os.geteuid() != 0:
        with pytest.raises(SpecError, match="cannot be read"):
            certificates.read(locked)
