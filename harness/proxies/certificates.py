"""Certificates of proxies: one made for a place in the lab, or the user's own from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.errors import SpecError
from harness.proxies.api import Certificate

_PEM = serialization.Encoding.PEM
_CLOCK_SKEW = timedelta(hours=1)
"""A guest's clock is not the host's: the certificate is valid from a little before it was made."""

_KEY_BLOCK = re.compile(rb"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY)-----.*?-----END (?P=kind)-----", re.DOTALL)


def make(host_ip: str, days: int) -> Certificate:
    """A certificate for that address (its only subject alternative name), by an authority made for it alone.

    Keys are P-256, as most of the web's are today. The authority's key is forgotten. Valid for ``days`` from now on.
    Raises ValueError for what is no IPv4 address.
    """
    now = datetime.now(UTC)
    begins, ends = now - _CLOCK_SKEW, now + timedelta(days=days)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Tare trial authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _builder(_name(host_ip), authority_name, key.public_key(), begins, ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(host_ip))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificate(_pem([leaf]), _key_pem(key), _pem([authority]))


def read(path: Path) -> Certificate:
    """The certificate of a PEM file: a private key, a certificate, and what is between that and its authority.

    Clients are told to trust the last certificate of the file. Raises SpecError if the file cannot be read, holds no
    certificate or no key that needs no passphrase, if the key is another certificate's, and if a certificate has
    expired or is not valid yet.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"there is no certificate {path}", "name a PEM file that holds certificate and key") from None
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", "make it a file that this user can read") from None
    chain = _chain(path, data)
    key = _key(path, data)
    leaf = chain[0]
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise SpecError(f"{path}: the key is not that of the first certificate", "put a pair in that belongs together")
    for certificate in chain:
        _check_dates(path, certificate)
    return Certificate(_pem(chain), _key_pem(key), _pem(chain[-1:]))


def _chain(path: Path, data: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        what = f"{path} holds no certificate that can be read"
        raise SpecError(what, "give it in PEM: -----BEGIN CERTIFICATE-----") from None


def _key(path: Path, data: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(_key_block(data), password=None)
    except TypeError:
        what = f"{path}: the private key needs a passphrase"
        raise SpecError(what, "remove the passphrase: openssl pkey -in FILE") from None
    except (ValueError, UnsupportedAlgorithm):
        what = f"{path} holds no private key that can be read"
        raise SpecError(what, "append it in PEM: -----BEGIN PRIVATE KEY-----") from None


def _key_block(data: bytes) -> bytes:
    """The first private key's PEM block: the library reads the first block of a file only, whatever it is."""
    match = _KEY_BLOCK.search(data)
    return match[0] if match else b""


def _check_dates(path: Path, certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        when = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise SpecError(f"{path}: the certificate expired on {when}", "renew it, or let Tare make one")
    if certificate.not_valid_before_utc > now:
        when = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise SpecError(f"{path}: the certificate is not valid before {when}", "correct this host's clock, or wait")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(_PEM).decode() for certificate in certificates)


def _key_pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
