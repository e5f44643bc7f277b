"""A certificate of `localhost` that nobody else trusts; and an authority that issues others."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.support.tokens import PrivateKey, ec_key, private_pem

CERTIFICATE, KEY = "cert.pem", "key.pem"


def write_certificate(directory: Path) -> None:
    """A fresh key and its certificate, as PEM files in `directory`."""
    key = ec_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / KEY).write_text(private_pem(key))


class Authority:
    """Issues certificates; its own is `ca` in `directory`."""

    def __init__(self, directory: Path, name: str = "an authority") -> None:
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._key = ec_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca = directory / "ca.pem"
        self._write(self.ca, self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def issue(self, name: str, *, hosts: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """A certificate for `name` (its common name) and `hosts`, names or addresses: the files of it and its key."""
        key = ec_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives = x509.SubjectAlternativeName([_general(host) for host in hosts or (name,)])
        certificate, private = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        self._write(certificate, self._signed(subject, key, alternatives))
        private.touch(mode=0o600)
        private.write_text(private_pem(key))
        return certificate, private

    def _signed(self, subject: x509.Name, key: PrivateKey, extension: x509.ExtensionType) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
