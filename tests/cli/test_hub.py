"""``wavetank hub``: start the hub."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from wavetank.cli.hub import main
from wavetank.errors import UsageError
from wavetank.hub import OPTIONS, Durability, HubConfig, Ports, aio


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[HubConfig]:
    """Catch what would be served."""
    found: list[HubConfig] = []

    def serve(config: HubConfig, announce: Any, **_: Any) -> int:
        found.append(config)
        announce(["ws://127.0.0.1:1/ws", "http://127.0.0.1:2"])
        return 7

    monkeypatch.setattr(aio, "serve", serve)
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    return found


def test_hub_is_served_as_the_flags_say(
    served: list[HubConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    """And announces where it listens, on one line."""
    assert main(["--port", "0", "--echo", "--topics", "unlimited", "--ping", "5s"]) == 7
    (config,) = served
    assert (config.ports, config.echo, config.ping) == (Ports(plain=0), True, 5.0)
    assert config.limits.topics is None
    assert capsys.readouterr().out == (
        "wavetank hub ready: ws://127.0.0.1:1/ws http://127.0.0.1:2\n"
    )


def test_hub_takes_tokens_from_the_environment(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that they need not stand in the list of processes; a flag wins."""
    monkeypatch.setenv("WAVETANK_HUB_TOKEN", "a,b")
    monkeypatch.setenv("WAVETANK_HUB_PING", "3s")
    main([])
    main(["--token", "c", "--token", "d"])
    assert [config.tokens for config in served] == [("a", "b"), ("c", "d")]
    assert served[0].ping == 3.0


def test_hub_minds_no_variables_of_other_commands(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab starts it with its own environment; a mistyped one of ours is told."""
    monkeypatch.setenv("WAVETANK_TARGET", "ws://somewhere")
    main([])
    monkeypatch.setenv("WAVETANK_HUB_PINGG", "3s")
    with pytest.raises(UsageError, match="WAVETANK_HUB_PINGG: unknown name"):
        main([])
    assert len(served) == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--prot", "1"], "did you mean --port"),
        (["--port", "x"], "--port: 'x' is not a whole number"),
        (["--durability", "fsync"], "need a folder: give --data DIR"),
        (["--host", "0.0.0.0"], "--allow-anonymous"),
    ],
)
def test_hub_refuses_what_it_cannot_do(
    served: list[HubConfig], argv: list[str], words: str
) -> None:
    """Nothing is served."""
    with pytest.raises(UsageError, match=words):
        main(argv)
    assert served == []


def test_hub_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Options, environment and exit codes."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--retention-age" in text
    assert "WAVETANK_HUB_TOKEN" in text
    assert "a port is taken, or the data folder is in use" in text


def write(folder: Path, text: str, *, mode: int = 0o600) -> str:
    """Write a settings file; return its name."""
    file = folder / "hub.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return str(file)


def test_hub_takes_a_file_with_the_names_of_the_options(
    served: list[HubConfig], tmp_path: Path
) -> None:
    """Numbers, words, lists and switches, under [hub]; the lab's tables are let be."""
    text = (
        "[hub]\n"
        "port = 0\n"
        'http-port = "off"\n'
        'topics = "unlimited"\n'
        'data = "here"\n'
        'durability = ["ticks.**=memory", "fsync"]\n'
        "compression = true\n"
        'token = ["a,b", "c"]\n'
        'ping = "3s"\n'
        "[run]\n"
        'target = "ws://localhost:1"\n'
    )
    main(["--config", write(tmp_path, text)])
    (config,) = served
    assert config.limits.topics is None
    assert config.data == Path("here")
    assert config.durability_of("ticks.a") is Durability.MEMORY
    assert config.durability_of("a") is Durability.FSYNC
    assert (config.compression, config.ping) == (True, 3.0)
    assert config.tokens == ("a,b", "c")


def test_hub_listens_to_flags_before_environment_before_file_before_default(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Four options, each from another place; the file is named by the environment."""
    text = '[hub]\nping = "1s"\npong = "1s"\ndrain = "1s"\n'
    monkeypatch.setenv("WAVETANK_HUB_CONFIG", write(tmp_path, text))
    monkeypatch.setenv("WAVETANK_HUB_PING", "2s")
    monkeypatch.setenv("WAVETANK_HUB_PONG", "2s")
    main(["--ping", "3s"])
    (config,) = served
    assert (config.ping, config.pong, config.drain) == (3.0, 2.0, 1.0)
    assert config.closing == HubConfig().closing


def test_hub_takes_its_log_level_from_the_usual_variable(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG_LEVEL, in capitals as it often is."""
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    main([])
    assert served[0].log_level == "warning"


def test_hub_tells_all_mistakes_of_all_places_at_once(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Flag, environment and file; and what does not fit together."""
    file = write(tmp_path, '[hub]\nprot = 1\nping = "soon"\nkey = "k.pem"\n')
    monkeypatch.setenv("WAVETANK_HUB_PONG", "never")
    monkeypatch.setenv("WAVETANK_HUB_TOPIKS", "1")
    with pytest.raises(UsageError) as caught:
        main(["--config", file, "--port", "x", "--show-config"])
    duration = "is not a duration such as 10, 1.5s, 200ms or 2m"
    assert sorted(caught.value.problems) == [
        "--key: is of no use without --cert",
        "--port: 'x' is not a whole number",
        f"{file} [hub] ping: 'soon' {duration}",
        f"{file} [hub] prot: unknown key; did you mean port?",
        f"environment WAVETANK_HUB_PONG: 'never' {duration}",
        "environment WAVETANK_HUB_TOPIKS: unknown name; did you mean "
        "WAVETANK_HUB_TOPICS?",
    ]
    assert served == []


@pytest.mark.parametrize(
    ("flags", "environ", "text"),
    [
        (["--token", "no token"], {}, ""),
        ([], {"WAVETANK_HUB_TOKEN": "no token"}, ""),
        ([], {}, 'token = "no token"'),
    ],
)
def test_hub_asks_for_no_token_where_one_was_given_that_cannot_be_used(
    served: list[HubConfig],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: list[str],
    environ: dict[str, str],
    text: str,
) -> None:
    """One mistake is one sentence, wherever it was made; the token is not in it."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    file = write(tmp_path, f"[hub]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        main(["--config", file, "--host", "0.0.0.0", *flags])
    (told,) = caught.value.problems
    assert "this value cannot be used" in told
    assert "no token" not in told
    assert served == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 1", "port: stands outside of the table [hub]"),
        ("[Hub]\nport = 1", "[Hub]: unknown section; did you mean hub?"),
        ("hub = 1", "hub: is not a table; write [hub]"),
        ("[hub]\nport = {}", "[hub] port: takes a plain value"),
        ("[hub]\nport = 1\nport = 2", "not TOML"),
        ('[hub]\nconfig = "x.toml"', "only a flag or the environment can name"),
    ],
)
def test_hub_refuses_a_file_that_it_cannot_read_as_meant(
    served: list[HubConfig], tmp_path: Path, text: str, words: str
) -> None:
    """One sentence, and no second one about what the file would have said."""
    file = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        main(["--config", file, "--host", "0.0.0.0"])
    told = [one for one in caught.value.problems if words in one]
    assert len(told) == 1
    assert file in told[0]
    assert served == []


def test_hub_refuses_a_file_that_is_not_there_or_no_text(
    served: list[HubConfig], tmp_path: Path
) -> None:
    """And says nothing of what could have stood in it."""
    missing = str(tmp_path / "missing.toml")
    with pytest.raises(UsageError) as caught:
        main(["--config", missing, "--host", "0.0.0.0"])
    assert caught.value.problems == (f"--config {missing}: No such file or directory",)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        main(["--config", str(binary)])
    assert served == []


def shown(text: str) -> dict[str, tuple[str, str]]:
    """Return name, value and source of each line of a table."""
    rows = [re.split(" {2,}", line) for line in text.splitlines()]
    return {name: (value, source) for name, value, source in rows}


def test_hub_shows_each_value_with_its_source_and_starts_nothing(
    served: list[HubConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """An aligned table of all options, secrets as stars; other flags go with it."""
    text = '[hub]\ntoken = "very-secret"\ndurability = ["a.*=memory", "log"]\n'
    file = write(tmp_path, text)
    monkeypatch.setenv("WAVETANK_HUB_PING", "2s")
    argv = ["--show-config", "--config", file, "--data", "d", "--topics", "unlimited"]
    assert main(argv) == 0
    told = capsys.readouterr()
    rows = shown(told.out)
    assert list(rows) == [option.name for option in OPTIONS]
    assert rows["host"] == ("127.0.0.1", "default")
    assert rows["ping"] == ("2.0", "environment WAVETANK_HUB_PING")
    assert rows["topics"] == ("unlimited", "--topics")
    assert rows["token"] == ("***", f"{file} [hub] token")
    assert rows["durability"] == ("a.*=memory, log", f"{file} [hub] durability")
    lines = told.out.splitlines()
    assert len({line.rindex("  ") for line in lines}) == 1
    assert told.err == ""
    assert "very-secret" not in told.out
    assert served == []


@pytest.mark.parametrize(
    ("argv", "values"),
    [
        ([], ("off", "8000", "memory")),
        (["--port", "9000", "--data", "d"], ("off", "off", "log")),
        (["--cert", "c.pem"], ("8766", "8000", "memory")),
        (["--http-port", "0"], ("off", "0", "memory")),
    ],
)
def test_hub_shows_what_an_option_that_was_left_out_comes_to(
    served: list[HubConfig],
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    values: tuple[str, ...],
) -> None:
    """Ports follow other ports, and durability follows the folder."""
    main(["--show-config", *argv])
    rows = shown(capsys.readouterr().out)
    names = ("tls-port", "http-port", "durability")
    assert tuple(rows[name][0] for name in names) == values
    assert served == []


@pytest.mark.parametrize(
    ("text", "mode", "is_told"),
    [
        ('[hub]\ntoken = "a"\n', 0o644, True),
        ('[hub]\ntoken = "a"\n', 0o640, True),
        ('[hub]\ntoken = "a"\n', 0o600, False),
        ("[hub]\nport = 1\n", 0o644, False),
    ],
)
def test_hub_warns_where_others_can_read_the_secrets_of_its_file(
    served: list[HubConfig],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    mode: int,
    is_told: bool,
) -> None:
    """One line beside the table, not in it; a file without a secret may be open."""
    file = write(tmp_path, text, mode=mode)
    assert main(["--show-config", "--config", file]) == 0
    told = capsys.readouterr().err
    expected = (
        f"wavetank hub: {file} has token in it and is open to others "
        f"(mode {mode:o}); `chmod 600 {file}` closes it\n"
    )
    assert told == (expected if is_told else "")
    assert served == []


def test_hub_runs_as_a_process() -> None:
    """Ready on its first line, gone cleanly on SIGTERM, silent about its token."""
    environment = os.environ | {"WAVETANK_HUB_TOKEN": "secret-token"}
    command = [sys.executable, "-m", "wavetank", "hub", "--port", "0"]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = process.stdout.readline()
        assert ready.startswith("wavetank hub ready: ws://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        logs = process.stderr.read()
        assert process.wait(timeout=20.0) == 0
    assert "listening" in logs
    assert "secret-token" not in logs


def test_hub_announces_to_whoever_reads_and_does_not_mind_if_nobody_does(
    served: list[HubConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting, and past what stdout has gathered."""
    reading, writing = os.pipe()
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main([]) == 7
        with open(reading) as heard:
            assert heard.readline().startswith("wavetank hub ready: ws://127.0.0.1:1")
        assert main([]) == 7
        for thread in threading.enumerate():
            if thread.name == "announcement":
                thread.join()
    assert len(served) == 2
