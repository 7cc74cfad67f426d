"""Certificates for one connection between a gateway and one process of a plugin (AutoMTLS of go-plugin).

Each side makes one, tells it the other at the start, and trusts that one alone.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

NAME = "localhost"
# go-plugin's is the same: the process does not live that long.
_LIFE = timedelta(days=30 * 365)


class Certificate(msgspec.Struct, frozen=True):
    """In PEM; `key` is told nobody."""

    certificate: bytes
    key: bytes

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.certificate.decode())


def make_certificate(now: datetime | None = None) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = now or datetime.now(UTC)
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(made.public_bytes(serialization.Encoding.PEM), pem)


def client_context(own: Certificate, theirs: bytes) -> ssl.SSLContext:
    """For connecting to whoever has the certificate `theirs` (DER). Raises `ssl.SSLError` where it is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _prepare(context, own, theirs)


def server_context(own: Certificate, theirs: bytes) -> ssl.SSLContext:
    """For being connected to by whoever has the certificate `theirs` (DER), and nobody else. Raises
    `ssl.SSLError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _prepare(context, own, theirs)


def _prepare(context: ssl.SSLContext, own: Certificate, theirs: bytes) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The trusted certificate is the other side's own, which says less of itself than an authority's would.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    context.load_verify_locations(cadata=theirs)
    context.set_alpn_protocols(["h2"])
    _load(context, own)
    return context


def _load(context: ssl.SSLContext, own: Certificate) -> None:
    """OpenSSL takes a chain from files only: this one is in no folder."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, own.certificate + own.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
