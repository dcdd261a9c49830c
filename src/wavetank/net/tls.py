"""TLS contexts, and certificates that are made for one run and thrown away.

It refuses to know who speaks over them.
"""

import datetime
import enum
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from wavetank.errors import LocalError, UsageError

if TYPE_CHECKING:
    import trustme

__all__ = [
    "Credentials",
    "Flaw",
    "ThrowAwayAuthority",
    "client_context",
    "server_context",
]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = ("elsewhere.invalid",)
_ONCE = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
_SOON_AFTER = datetime.datetime(2001, 1, 2, tzinfo=datetime.UTC)
_FAR = datetime.datetime(2038, 1, 1, tzinfo=datetime.UTC)


class Flaw(enum.StrEnum):
    """What is wrong with a certificate: one thing each, the rest is sound."""

    NONE = "none"
    """Nothing."""
    WRONG_HOST = "wrong host"
    """It names a host that nobody is."""
    EXPIRED = "expired"
    """It ended in 2001."""
    OTHER_AUTHORITY = "other authority"
    """An authority that nobody trusts issued it."""
    SELF_SIGNED = "self-signed"
    """It vouches for itself."""


class Credentials(NamedTuple):
    """A certificate with its chain, and its private key, as PEM files."""

    certificate: Path
    key: Path


class ThrowAwayAuthority:
    """A certificate authority that lives as long as a run.

    Everything is written to a directory that only its owner may read, and that
    ``close`` removes.

    Args:
        directory: Where to make that directory; the system's temporary one by
            default.
    """

    def __init__(self, *, directory: Path | None = None) -> None:
        # Here, as below: it takes longer than all other imports of a proxy, and few
        # who open connections make certificates.
        import trustme

        self._files = tempfile.TemporaryDirectory(prefix="wavetank-tls-", dir=directory)
        self._authority = trustme.CA(organization_name="Wavetank")
        self._issued: dict[Flaw, Credentials] = {}
        self._is_open = True
        self.ca = self._write("ca.pem", self._authority.cert_pem.bytes())

    def certificate(self, flaw: Flaw = Flaw.NONE) -> Credentials:
        """Return a certificate for localhost, 127.0.0.1 and ::1, with one flaw.

        The same flaw always gives the same files.

        Raises:
            LocalError: If the authority is closed.
        """
        if not self._is_open:
            raise LocalError("the certificate authority is closed, its files are gone")
        if flaw not in self._issued:
            chain, key = _MAKERS[flaw](self._authority)
            stem = flaw.name.lower()
            self._issued[flaw] = Credentials(
                self._write(f"{stem}.pem", chain), self._write(f"{stem}.key", key)
            )
        return self._issued[flaw]

    def server_context(self, flaw: Flaw = Flaw.NONE) -> ssl.SSLContext:
        """Return a server's context that shows such a certificate."""
        return server_context(self.certificate(flaw))

    def client_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this authority and no other."""
        return client_context(ca=self.ca)

    def close(self) -> None:
        """Remove every file; contexts that were made of them go on working."""
        self._is_open = False
        self._files.cleanup()

    def __enter__(self) -> Self:
        """Return the authority."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove every file."""
        self.close()

    def __repr__(self) -> str:
        """Show where the files are and what was issued."""
        issued = ", ".join(self._issued) if self._is_open else "closed"
        return f"<ThrowAwayAuthority {self._files.name} [{issued}]>"

    def _write(self, name: str, content: bytes) -> Path:
        path = Path(self._files.name, name)
        # 0600 from its first moment on: it may be a private key.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        return path


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """Return a context for a server: TLS 1.2 or later, with this certificate.

    Raises:
        UsageError: If the files cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(credentials.certificate, credentials.key)
    except OSError as exc:  # ssl.SSLError is one
        raise UsageError(
            f"cannot use certificate {credentials.certificate} "
            f"with key {credentials.key}: {exc}"
        ) from exc
    return context


def client_context(*, ca: Path | None = None, insecure: bool = False) -> ssl.SSLContext:
    """Return a context for a client: TLS 1.2 or later, certificates verified.

    Args:
        ca: PEM file of the only authorities to trust; the system's by default.
        insecure: Trust anybody. Only where the user asked for it.

    Raises:
        LocalError: If both are given.
        UsageError: If the file cannot be read or holds no certificate.
    """
    if insecure and ca is not None:
        raise LocalError("give an authority to trust, or trust anybody, not both")
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as exc:  # ssl.SSLError is one
        raise UsageError(f"cannot use certificate authority {ca}: {exc}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _pair(leaf: "trustme.LeafCert") -> tuple[bytes, bytes]:
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return chain, leaf.private_key_pem.bytes()


def _sound(authority: "trustme.CA") -> tuple[bytes, bytes]:
    return _pair(authority.issue_cert(*_LOOPBACK))


def _wrong_host(authority: "trustme.CA") -> tuple[bytes, bytes]:
    return _pair(authority.issue_cert(*_ELSEWHERE))


def _expired(authority: "trustme.CA") -> tuple[bytes, bytes]:
    return _pair(
        authority.issue_cert(*_LOOPBACK, not_before=_ONCE, not_after=_SOON_AFTER)
    )


def _other_authority(authority: "trustme.CA") -> tuple[bytes, bytes]:
    import trustme

    return _sound(trustme.CA(organization_name="Wavetank, not trusted"))


def _self_signed(authority: "trustme.CA") -> tuple[bytes, bytes]:
    """Make what trustme does not: a server's certificate without an issuer.

    It names the right hosts, so that its only flaw is who signed it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    hosts: list[x509.GeneralName] = [x509.DNSName("localhost")]
    hosts += [x509.IPAddress(ipaddress.ip_address(host)) for host in _LOOPBACK[1:]]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_ONCE)
        .not_valid_after(_FAR)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


_MAKERS: dict[Flaw, Callable[["trustme.CA"], tuple[bytes, bytes]]] = {
    Flaw.NONE: _sound,
    Flaw.WRONG_HOST: _wrong_host,
    Flaw.EXPIRED: _expired,
    Flaw.OTHER_AUTHORITY: _other_authority,
    Flaw.SELF_SIGNED: _self_signed,
}
