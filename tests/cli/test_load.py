"""``wavetank load``: from a command line to an order, or all its mistakes at once."""

import subprocess
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import pytest

from wavetank.cli import load as module
from wavetank.cli.load import main
from wavetank.cli.loading import Order
from wavetank.errors import ExitCode, UsageError
from wavetank.load.engine.calibration import Ceiling
from wavetank.load.needs import Limits
from wavetank.load.places import Place
from wavetank.load.plan import ScenarioKind

pytestmark = pytest.mark.usefixtures("nobodys_settings")

ECHO = ["ws://127.0.0.1:9/", "--dialect", "echo"]


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Note what would be done, and do nothing."""
    noted: list[Order] = []

    def note(order: Order) -> int:
        noted.append(order)
        return ExitCode.PASS

    monkeypatch.setattr(module, "perform", note)
    return noted


def problems(argv: Sequence[str]) -> list[str]:
    """Return what is told about a command line."""
    with pytest.raises(UsageError) as caught:
        main(argv)
    assert not Path("results").exists()
    return list(caught.value.problems)


def test_flags_become_the_order_of_a_load(orders: list[Order]) -> None:
    """The load's own, and those of the run around it."""
    argv = [*ECHO, "--users", "7", "--rate", "5", "--seed", "3", "--output", "there"]
    assert main([*argv, "--threshold", "p99 < 100ms"]) == ExitCode.PASS
    (order,) = orders
    plan = order.load_plan()
    assert (plan.scenarios[0].users, plan.seed) == (7, 3)
    assert [one.text for one in plan.thresholds] == ["p99 < 100ms"]
    assert (order.plan.url, order.output) == ("ws://127.0.0.1:9/", Path("there"))
    assert (order.serves, order.is_latency) == (False, False)


@pytest.mark.parametrize(
    ("argv", "kind", "serves"),
    [
        ([], "publish", True),
        (ECHO, "request", False),
        (["ws://127.0.0.1:9/"], "request", False),
        (["--target", "ws://127.0.0.1:9/", "--dialect", "bare"], "ping", False),
        (["--serve", "app {port}", "--dialect", "hub"], "publish", True),
        ([*ECHO, "--scenario", "churn"], "churn", False),
    ],
)
def test_what_the_target_can_do_decides_what_users_do(
    orders: list[Order], argv: list[str], kind: str, serves: bool
) -> None:
    """As far as it is known before it is started."""
    main(argv)
    assert orders[0].load_plan().scenarios[0].kind == kind
    assert orders[0].serves is serves
    late = orders[0].load_plan(ScenarioKind.PING).scenarios[0].kind
    assert late == (kind if "--scenario" in argv else "ping")


def test_a_plan_file_is_read_with_its_payloads(
    orders: list[Order], nobodys_settings: Path
) -> None:
    """From beside it, wherever that is."""
    folder = nobodys_settings / "loads"
    folder.mkdir()
    (folder / "a.toml").write_text("[[load.scenario]]\npayload-file = 'a.txt'\n")
    (folder / "a.txt").write_text("{marker}\n")
    main([*ECHO, "--plan", "loads/a.toml"])
    assert orders[0].load_plan().scenarios[0].payload.lines == ("{marker}",)


def test_a_file_without_an_end_is_not_read_to_it(
    nobodys_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--plan /dev/zero`` filled the memory."""
    monkeypatch.setattr(module, "_MOST_BYTES", 2**20)
    (nobodys_settings / "a.toml").write_text("#" * (2**20 + 1))
    assert problems([*ECHO, "--plan", "a.toml"]) == ["--plan a.toml: longer than 1 MiB"]


def test_what_is_not_known_of_a_target_yet_is_no_mistake(orders: list[Order]) -> None:
    """A threshold about publications was refused before the target could speak."""
    serve = ["--serve", "app {port}", "--threshold", "publish.deliver:p99 < 1s"]
    assert main(serve) == ExitCode.PASS
    assert orders[0].load_plan().scenarios[0].kind is ScenarioKind.PUBLISH
    with pytest.raises(UsageError):
        orders[0].load_plan(ScenarioKind.REQUEST)
    assert problems(["--serve", "app {port}", "--threshold", "x:p99 < 1s"]) == [
        "threshold 'x:p99 < 1s': there is no scenario x"
    ]


def test_the_report_gets_the_load_as_it_was_typed(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not say how many users there were, nor at what rate."""
    monkeypatch.setenv("WAVETANK_LOAD_TOPICS", "3")
    typed = ["--scenario", "publish", "--rate", "2k", "--threshold", "p99 < 1s"]
    main(["ws://127.0.0.1:9/", "--dialect", "hub", *typed, "--threshold", "lost == 0"])
    options = orders[0].plan.options
    assert options["rate"] == "2k"
    assert options["scenario"] == "publish"
    assert options["threshold"] == "p99 < 1s, lost == 0"
    assert options["topics"] == "3"
    assert "users" not in options


def test_the_environment_gives_options_too(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the load under a name of their own; flags go before them."""
    monkeypatch.setenv("WAVETANK_LOAD_USERS", "9")
    monkeypatch.setenv("WAVETANK_LOAD_RATE", "nonsense")
    main([*ECHO, "--rate", "5"])
    assert orders[0].load_plan().scenarios[0].users == 9


def test_mistakes_of_every_kind_are_told_at_once() -> None:
    """Of the run, of the load, of what is typed; with the nearest name."""
    told = problems(
        [
            *["http://127.0.0.1:9/", "too", "--shape", "rmp", "--token", "a b"],
            *["--payload-file", "none.txt", "--target", "ws://127.0.0.1:9/"],
        ]
    )
    assert told[:4] == [
        "too: one argument too many",
        "the URL and --target: give one of the two",
        "--shape: 'rmp' is not one of constant, ramp, steps, burst, spike, sine, "
        "fibonacci; did you mean ramp?",
        "payload-file none.txt: No such file or directory",
    ]
    assert any("not a WebSocket URL" in one for one in told)
    assert any(one.startswith("--token: ") for one in told)


def test_a_plan_file_that_cannot_be_read_is_one_mistake(nobodys_settings: Path) -> None:
    """What would follow from it is not told, too."""
    assert problems([*ECHO, "--plan", "a.toml"]) == [
        "--plan a.toml: No such file or directory"
    ]
    (nobodys_settings / "b.toml").write_bytes(b"\xff")
    assert problems([*ECHO, "--plan", "b.toml"]) == [
        "--plan b.toml: not a text file in UTF-8"
    ]


def test_mistakes_of_a_plan_file_are_told_once(nobodys_settings: Path) -> None:
    """Though it is read more than once."""
    (nobodys_settings / "a.toml").write_text("[[load.scenario]]\nuser = 3")
    assert problems([*ECHO, "--plan", "a.toml"]) == [
        "a.toml scenario 1 user: unknown key; did you mean users?"
    ]


def test_unknown_options_are_told_with_the_nearest() -> None:
    """Before anything else is looked at."""
    assert problems(["--rat", "5"]) == ["--rat: unknown option; did you mean --rate?"]
    assert "--full" not in module._EPILOG
    assert "unknown option" in problems(["--full"])[0]


def test_a_load_is_never_put_on_a_target_of_others(orders: list[Order]) -> None:
    """Unless the user says whose it is; to look at the plan is free."""
    (told,) = problems(["ws://192.0.2.1/"])
    assert "give --i-own-this-target if it is yours" in told
    assert main(["ws://192.0.2.1/", "--dry-run"]) == ExitCode.PASS
    assert not orders
    assert main(["ws://192.0.2.1/", "--i-own-this-target"]) == ExitCode.PASS
    assert len(orders) == 1


def test_a_machine_that_cannot_do_it_refuses_before_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the number to set; and the dry run shows it below the picture."""
    monkeypatch.setattr(Order, "limits", lambda _: Limits(cores=1, soft=100, hard=4096))
    (told,) = problems([*ECHO, "--users", "69"])
    assert "set it with `ulimit -n 101`" in told
    assert main([*ECHO, "--users", "69", "--dry-run"]) == ExitCode.PASS
    assert "\nbeware\n  descriptor limit too low" in capsys.readouterr().out


def test_a_dry_run_shows_the_plan_and_starts_nothing(
    capsys: pytest.CaptureFixture[str], orders: list[Order]
) -> None:
    """Its shape, what it needs, what has to hold."""
    argv = [*ECHO, "--rate", "1..144", "--shape", "fibonacci", "--dry-run"]
    assert main([*argv, "--threshold", "lost == 0"]) == ExitCode.PASS
    printed = capsys.readouterr().out
    assert "fibonacci 1..144/s in 20s" in printed
    assert "█" in printed
    assert printed.endswith("has to hold\n  lost == 0\n")
    assert not orders
    assert not Path("results").exists()


def test_a_terminal_without_blocks_gets_a_picture_in_ascii(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is escaped, nothing crashes."""
    out = (tmp_path / "out").open("wb")
    with TextIOWrapper(out, encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([*ECHO, "--dry-run"]) == ExitCode.PASS
    printed = (tmp_path / "out").read_bytes()
    assert b"|####" in printed
    assert b"\\u" not in printed


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--scenario", "listen"], "--find: scenario listen has no rate that could"),
        (["--find", "chat:p99 < 1s"], "--find: there is no scenario chat"),
    ],
)
def test_a_search_that_has_no_meaning_is_refused(argv: list[str], words: str) -> None:
    """In a sentence, before anything starts."""
    (told,) = problems([*ECHO, "--find", "p99 < 1s", *argv])
    assert words in told


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--threshold", "lost == 0"], "leave the thresholds out"),
        (["--prometheus", "0"], "leave --prometheus out"),
    ],
)
def test_what_a_search_would_leave_aside_is_refused(
    argv: list[str], words: str
) -> None:
    """It was taken, and nothing came of it."""
    (told,) = problems([*ECHO, "--find", "p99 < 1s", *argv])
    assert told.startswith("--find: ")
    assert words in told


def test_a_search_by_users_needs_no_rate(orders: list[Order]) -> None:
    """Users are what is made more."""
    argv = ["--find", "p99 < 1s", "--find-by", "users", "--scenario", "listen"]
    assert main([*ECHO, *argv]) == ExitCode.PASS
    assert orders[0].by_users


@pytest.mark.parametrize(("workers", "cores"), [("0", 2), ("3", 3)])
def test_the_headroom_is_told_in_sentences(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: str,
    cores: int,
) -> None:
    """Without any target; generator and echo share the cores."""

    async def measured(*, cores: int) -> Ceiling:
        return Ceiling(
            rate=1000.0,
            cores=cores,
            generator_cpu=cores,
            echo_cpu=0.5,
            size=128,
            users=100,
        )

    monkeypatch.setattr(module, "calibrate", measured)
    monkeypatch.setattr(Order, "limits", lambda _: Limits(cores=4))
    assert main(["--headroom", "--workers", workers]) == ExitCode.PASS
    printed = capsys.readouterr().out
    assert printed.startswith("1,000 messages/s of 128 bytes")
    assert f"{1000 / cores:,.0f} messages/s for each core" in printed


CLUSTER = ["--cluster", "tcp://10.0.0.1:8786"]


@pytest.mark.parametrize(
    ("argv", "target"),
    [
        (["ws://10.0.0.9/", "--i-own-this-target"], "ws://10.0.0.9/"),
        (["--serve", "server {port}"], "ws://127.0.0.1/"),
    ],
)
def test_a_cluster_is_asked_for_room_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
    orders: list[Order],
    argv: list[str],
    target: str,
) -> None:
    """Its threads are what this machine's cores are otherwise."""

    async def survey(cluster: str, *, target: str) -> list[Place]:
        asked.append((cluster, target))
        place = Place(address="tcp://x:1", threads=3, python="3.12", wavetank="1")
        return [place, place]

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(module, "survey", survey)
    assert main([*argv, *CLUSTER]) == ExitCode.PASS
    assert asked == [("tcp://10.0.0.1:8786", target)]
    (order,) = orders
    assert order.limits() == Limits(cores=6)


def test_a_cluster_makes_a_target_no_more_ours() -> None:
    """A load from elsewhere is no politer."""
    (problem,) = problems(["ws://10.0.0.9/", *CLUSTER])
    assert "--i-own-this-target" in problem


def test_a_cluster_is_not_asked_where_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan can be looked at before there are any machines."""
    monkeypatch.setattr(module, "survey", None)
    assert main([*ECHO, *CLUSTER, "--dry-run"]) == ExitCode.PASS
    assert capsys.readouterr().out
    (problem,) = problems(["--headroom", *CLUSTER])
    assert problem == "--headroom measures this machine; leave out --cluster"


def test_dask_is_not_needed_without_a_cluster() -> None:
    """It is an extra, and takes a second to import."""
    code = "import sys, wavetank.cli.load; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_help_shows_what_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    """Stages and plan files by example."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for word in ("fibonacci 1..144 in 55s", "[[load.scenario]]", "--i-own-this-target"):
        assert word in printed
    assert "--exhaustive" not in printed
