"""The hub's TLS context, and in plain words why a certificate cannot be used.

It refuses to know who connects.
"""

import ssl
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.hub.config import HubConfig

__all__ = ["make_tls"]

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; all of TLS 1.3 is sound. (Mozilla's "intermediate", without DHE.)"""

_MOST_BYTES = 1_000_000


def make_tls(config: HubConfig) -> ssl.SSLContext | None:
    """Return what a TLS listener needs; None without a certificate.

    Raises:
        UsageError: If certificate or key cannot be used.
    """
    if config.cert is None:
        return None
    _look_at("--cert", config.cert, b"-----BEGIN CERTIFICATE-----", "certificate")
    flag, file = ("--key", config.key) if config.key else ("--cert", config.cert)
    _look_at(flag, file, b"PRIVATE KEY-----", "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load(context, config.cert, file, flag)
    return context


def _look_at(flag: str, file: Path, mark: bytes, what: str) -> None:
    """Find what OpenSSL would say in its own words only.

    Raises:
        UsageError: If the file cannot be read, or is of another kind.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{flag} {file}: cannot be read: {error.strerror}") from None
    if mark in content:
        return
    if b"-----BEGIN " in content:
        advice = "; name its file with --key" if flag == "--cert" else ""
        raise UsageError(f"{flag} {file}: there is no {what} in it{advice}")
    raise UsageError(f"{flag} {file}: is not PEM (text with -----BEGIN ...-----)")


def _load(context: ssl.SSLContext, cert: Path, key: Path, flag: str) -> None:
    """Load certificate and key, which look like what they should be.

    Raises:
        UsageError: If they cannot be used.
    """
    asked: list[bool] = []

    def forget_passphrase() -> str:
        # Without this OpenSSL would ask at the terminal, and the hub would hang.
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(cert, key, password=forget_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        if asked:
            problem = "the key is encrypted; write it without passphrase (openssl pkey)"
            raise UsageError(f"{flag} {key}: {problem}") from None
        reason = str(getattr(error, "reason", None) or "")
        if reason == "KEY_VALUES_MISMATCH":
            problem = f"does not belong to the first certificate in {cert}"
            raise UsageError(f"{flag} {key}: the private key {problem}") from None
        files = " and ".join(dict.fromkeys([str(cert), str(key)]))
        # subtle: of a PEM that is damaged OpenSSL gives no reason, only its file.
        if not reason and "PEM lib" in str(error):
            reason = "PEM_LIB"
        words = _REASONS.get(reason, f"OpenSSL says {reason or error}")
        raise UsageError(f"--cert: {files} cannot be used: {words}") from None


_DAMAGED = "one of them is damaged between its BEGIN and END"
_REASONS = {
    "PEM_LIB": _DAMAGED,
    "BAD_BASE64_DECODE": _DAMAGED,
    "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    "CA_KEY_TOO_SMALL": "a key in the chain is too short to be safe",
    "CA_MD_TOO_WEAK": "a signature in the chain is too weak to be safe",
    "EE_MD_TOO_WEAK": "the signature of the certificate is too weak to be safe",
}
