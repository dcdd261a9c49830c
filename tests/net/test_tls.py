"""TLS contexts, and certificates that are thrown away."""

import ssl
import stat
from pathlib import Path

import pytest

from wavetank.errors import LocalError, UsageError
from wavetank.net.tls import (
    Credentials,
    Flaw,
    ThrowAwayAuthority,
    client_context,
    server_context,
)


def _shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost"
) -> str:
    """Do a TLS handshake in memory and return the version agreed on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    sides = [ours, theirs]
    while sides:
        side = sides.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            sides.append(side)
    return str(ours.version())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_trusts_a_sound_certificate_for_every_name_of_this_machine(
    host: str, authority: ThrowAwayAuthority
) -> None:
    """A certificate without a flaw is good for localhost, 127.0.0.1 and ::1."""
    version = _shake_hands(authority.server_context(), authority.client_context(), host)
    assert version == "TLSv1.3"


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (Flaw.WRONG_HOST, "Hostname mismatch"),
        (Flaw.EXPIRED, "certificate has expired"),
        (Flaw.OTHER_AUTHORITY, "unable to get local issuer certificate"),
        (Flaw.SELF_SIGNED, "self-signed certificate"),
    ],
)
def test_a_client_refuses_a_certificate_for_its_one_flaw(
    flaw: Flaw, words: str, authority: ThrowAwayAuthority
) -> None:
    """Each flaw is found, by the name that OpenSSL has for it."""
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        _shake_hands(authority.server_context(flaw), authority.client_context())


@pytest.mark.parametrize("flaw", [Flaw.WRONG_HOST, Flaw.OTHER_AUTHORITY])
def test_a_flawed_certificate_has_no_other_flaw(
    flaw: Flaw, authority: ThrowAwayAuthority
) -> None:
    """A client that overlooks the one flaw accepts the certificate."""
    client = authority.client_context()
    host = "elsewhere.invalid" if flaw is Flaw.WRONG_HOST else "localhost"
    if flaw is Flaw.OTHER_AUTHORITY:
        chain = authority.certificate(flaw).certificate
        client.load_verify_locations(chain)
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert _shake_hands(authority.server_context(flaw), client, host)


def test_a_self_signed_certificate_is_trusted_by_who_trusts_itself(
    authority: ThrowAwayAuthority,
) -> None:
    """Its names and dates are right: only nobody vouches for it."""
    credentials = authority.certificate(Flaw.SELF_SIGNED)
    client = client_context(ca=credentials.certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert _shake_hands(server_context(credentials), client, "127.0.0.1")


@pytest.mark.parametrize("flaw", Flaw)
def test_an_insecure_client_trusts_anybody(
    flaw: Flaw, authority: ThrowAwayAuthority
) -> None:
    """Only a client that was told so accepts every flaw."""
    client = client_context(insecure=True)
    assert _shake_hands(authority.server_context(flaw), client)


def test_a_client_trusts_the_systems_authorities_by_default(
    authority: ThrowAwayAuthority,
) -> None:
    """Without being told, nobody trusts a throw-away authority."""
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(authority.server_context(), client_context())


def test_nobody_speaks_versions_before_1_2(authority: ThrowAwayAuthority) -> None:
    """Both contexts start at TLS 1.2."""
    assert authority.server_context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert authority.client_context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_same_flaw_gives_the_same_files(authority: ThrowAwayAuthority) -> None:
    """A certificate is made once."""
    assert authority.certificate() == authority.certificate(Flaw.NONE)
    assert authority.certificate() != authority.certificate(Flaw.EXPIRED)


def test_files_are_private_and_gone_when_the_authority_is_closed(
    tmp_path: Path,
) -> None:
    """Keys are readable by their owner alone, as long as they are needed."""
    with ThrowAwayAuthority(directory=tmp_path) as opened:
        credentials = opened.certificate()
        folder = opened.ca.parent
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in (opened.ca, *credentials):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "none" in repr(opened)
    assert list(tmp_path.iterdir()) == []
    assert "closed" in repr(opened)
    opened.close()
    with pytest.raises(LocalError, match="its files are gone"):
        opened.certificate()


def test_a_context_outlives_its_files(tmp_path: Path) -> None:
    """What was loaded goes on working."""
    with ThrowAwayAuthority(directory=tmp_path) as opened:
        server, client = opened.server_context(), opened.client_context()
    assert _shake_hands(server, client)


def test_a_context_from_bad_files_says_which(
    tmp_path: Path, authority: ThrowAwayAuthority
) -> None:
    """A file of the user's that cannot be used is named."""
    missing = tmp_path / "missing.pem"
    empty = tmp_path / "empty.pem"
    empty.touch()
    for ca in (missing, empty):
        with pytest.raises(UsageError, match=f"authority {ca}"):
            client_context(ca=ca)
    other = authority.certificate(Flaw.EXPIRED)
    mixed = Credentials(authority.certificate().certificate, other.key)
    with pytest.raises(UsageError, match="cannot use certificate"):
        server_context(mixed)
    with pytest.raises(UsageError, match="cannot use certificate"):
        server_context(Credentials(missing, missing))


def test_an_authority_to_trust_and_trusting_anybody_exclude_each_other(
    authority: ThrowAwayAuthority,
) -> None:
    """Who names an authority wants it to be asked."""
    with pytest.raises(LocalError, match="not both"):
        client_context(ca=authority.ca, insecure=True)
