"""The hub's TLS context, and in plain words why a certificate cannot be used."""

import datetime
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from wavetank.errors import UsageError
from wavetank.hub import HubConfig
from wavetank.hub.aio.tls import make_tls


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with certificates and keys, good and bad ones."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    good, other = (authority.issue_cert("localhost") for _ in range(2))
    good.cert_chain_pems[0].write_to_path(str(folder / "good.pem"))
    good.private_key_pem.write_to_path(str(folder / "good.key"))
    good.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    other.private_key_pem.write_to_path(str(folder / "other.key"))
    key = serialization.load_pem_private_key(good.private_key_pem.bytes(), None)
    (folder / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a passphrase"),
        )
    )
    (folder / "der.pem").write_bytes(b"\x30\x82\x01\x0a")
    (folder / "torn.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    (folder / "torn.key").write_text(
        "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n"
    )
    return folder


def test_tls_is_not_there_without_a_certificate() -> None:
    """Nobody asked for it."""
    assert make_tls(HubConfig()) is None


@pytest.mark.parametrize("names", [("good.pem", "good.key"), ("both.pem", None)])
def test_tls_is_strict(files: Path, names: tuple[str, str | None]) -> None:
    """1.2 at least, forward secrecy and authenticated ciphers only."""
    cert, key = names
    config = HubConfig(cert=files / cert, key=files / key if key else None)
    context = make_tls(config)
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    ciphers = [each["name"] for each in context.get_ciphers()]
    assert {"ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"} <= set(ciphers)
    assert all(
        name.startswith(("ECDHE-", "TLS_")) and ("GCM" in name or "CHACHA20" in name)
        for name in ciphers
    )


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("no.pem", "good.key", "--cert .*no.pem: cannot be read: No such file"),
        (".", "good.key", "--cert .*: cannot be read: Is a directory"),
        ("good.pem", "no.key", "--key .*no.key: cannot be read: No such file"),
        ("der.pem", "good.key", "--cert .*der.pem: is not PEM"),
        ("good.pem", None, "good.pem: there is no private key in it; .* --key"),
        ("good.pem", "good.pem", "--key .*good.pem: there is no private key in it$"),
        ("good.key", "good.key", "--cert .*good.key: there is no certificate in it"),
        (
            "good.pem",
            "other.key",
            "--key .*other.key: the private key does not belong to the first "
            "certificate in .*good.pem",
        ),
        ("good.pem", "locked.key", "--key .*locked.key: the key is encrypted"),
        ("torn.pem", "good.key", "torn.pem and .*good.key cannot be used: .* damaged"),
        ("good.pem", "torn.key", "good.pem and .*torn.key cannot be used: .* damaged"),
    ],
)
def test_tls_says_in_plain_words_what_is_wrong_with_a_file(
    files: Path, cert: str, key: str | None, words: str
) -> None:
    """The flag, the file, and what to do; never OpenSSL's own words alone."""
    config = HubConfig(cert=files / cert, key=files / key if key else None)
    with pytest.raises(UsageError, match=words) as caught:
        make_tls(config)
    assert "ssl.c" not in str(caught.value)


def test_tls_says_that_a_key_is_too_short(tmp_path: Path) -> None:
    """1024 bits of RSA are no protection any more."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    file = tmp_path / "short.pem"
    file.write_bytes(_certificate_for(short) + _pem(short))
    with pytest.raises(UsageError, match=r"short\.pem cannot be used: .*too short"):
        make_tls(HubConfig(cert=file))


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _certificate_for(key: rsa.RSAPrivateKey) -> bytes:
    """Return a certificate that vouches for itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2038, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_tls_quotes_openssl_only_where_nobody_has_better_words(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that nobody thought of keeps its name."""

    def fail(*args: object, **more: object) -> None:
        raise ssl.SSLError(1, "short and stout")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", fail)
    with pytest.raises(UsageError, match=r"cannot be used: OpenSSL says .*short and"):
        make_tls(HubConfig(cert=files / "both.pem"))
