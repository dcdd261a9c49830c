"""The plan of a run: judged as a whole, from texts alone."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.dialects import Echo, Hub
from wavetank.errors import UsageError
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Plan, Source, make_plan
from wavetank.settings import resolve

CATALOGUE = {"basics": ["load", "reconnection"], "core": ["broadcast"]}
TICKER = {
    "send": {
        "subscribe": '{"op":"sub","channel":{topic}}',
        "publish": '{"op":"pub","channel":{topic},"data":{payload}}',
    },
    "event": {
        "where": {"op": "data"},
        "topic": "channel",
        "payload": "data",
    },
}
WORDS = {"port": "8001", "python": "/py", "host": "127.0.0.1"}

Planned = Callable[..., Plan]


def planned(
    flags: dict[str, object] | None = None,
    *,
    environ: dict[str, str] | None = None,
    **changes: Any,
) -> Plan:
    """Plan with these flags and this environment; all else is plain."""
    variables = environ or {}
    given: dict[str, Any] = {
        "names": (),
        "catalogue": CATALOGUE,
        "environ": variables,
        "tables": {},
        "known_failures": None,
        "seed": 11,
        "today": datetime.date(2026, 5, 2),
    }
    settings = resolve(OPTIONS, flags=flags or {}, environ=variables)
    return make_plan(settings, **(given | changes))


def refused(*arguments: Any, **changes: Any) -> tuple[str, ...]:
    """Return the problems of a plan that cannot be made."""
    with pytest.raises(UsageError) as caught:
        planned(*arguments, **changes)
    return caught.value.problems


# What a plan is without anything


def test_a_plan_without_anything_is_the_embedded_hub_and_every_suite() -> None:
    """The default is short, on loopback, on ports drawn at random, with TLS."""
    plan = planned()
    assert plan.suites == ("basics", "core")
    assert plan.checks == frozenset()
    assert plan.source is Source.EMBEDDED
    assert plan.given == "embedded hub"
    assert isinstance(plan.dialect, Hub)
    assert plan.dynamic_ports
    assert plan.wants_tls
    assert not plan.polite_only
    assert plan.seed == 11
    assert not plan.options
    assert not plan.secrets


def test_a_plan_takes_its_fields_from_the_options() -> None:
    """Flags arrive, with the seed that was given instead of the one that was drawn."""
    plan = planned(
        {
            "serve": "run {port}",
            "seed": "3",
            "max-clients": "5",
            "full": True,
            "test-duration": "2",
            "ready-timeout": "1",
            "fail-fast": True,
            "subprotocol": ["a", "b"],
            "origin": "https://o.example",
            "ca": "ca.pem",
            "port": "8001",
            "tls-port": "8002",
        }
    )
    assert (plan.seed, plan.max_clients, plan.test_duration) == (3, 5, 2.0)
    assert (plan.ready_timeout, plan.full, plan.fail_fast) == (1.0, True, True)
    assert (plan.subprotocols, plan.origin) == (("a", "b"), "https://o.example")
    assert (plan.ca, plan.port, plan.tls_port) == ("ca.pem", 8001, 8002)
    assert plan.options["max-clients"] == "5"


def test_a_plan_has_the_faults_and_the_check_that_plays_them() -> None:
    """They are judged already; whether anybody plays them is judged here."""
    catalogue = {**CATALOGUE, "fault_tolerance": ["mixed_schedule"]}
    given = {"faults": "cut at 1s # once"}
    plan = planned(given, catalogue=catalogue, faults="cut at 1s")
    assert plan.faults == "cut at 1s"
    assert plan.indispensable == {"fault_tolerance.mixed_schedule"}
    assert planned().indispensable == frozenset()
    (problem,) = refused(given, catalogue=catalogue, names=["core"])
    assert problem.startswith("--faults: only fault_tolerance.mixed_schedule plays")


def test_a_plan_reports_every_mistake_at_once() -> None:
    """Whoever mends one does not learn of the next by trying again."""
    problems = refused(
        {
            "target": "http://a",
            "serve": "x {prot}",
            "header": ["X"],
            "cookie": ["y"],
            "dialect": "ecco",
            "no-ssl": True,
        },
        names=["bassics"],
        environ={"RUN_CONNECTIVITY": "perhaps"},
        tables={"hub": {}},
        known_failures=("known.toml", "[[known]]"),
        problems=["one of before"],
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "one of before",
        "suite bassics",
        "--target and --serve",
        "--target http",
        "known.toml",
        "wavetank.toml [dialect.hub]",
        "--dialect ecco",
        "--header X",
        "--cookie y",
    ]


def test_a_plan_leaves_the_list_of_earlier_mistakes_alone() -> None:
    """What is handed in is read, not written to."""
    before = ["one of before"]
    refused(names=["zz"], problems=before)
    assert before == ["one of before"]


# Suites


@pytest.mark.parametrize(
    "file",
    [
        "tests/integration/websocket/test_websocket_v2_core.py",
        "test_broadcast.py",
    ],
)
def test_a_plan_takes_the_catalogue_s_file_names(file: str) -> None:
    """`--test-file` names what the file stands for."""
    plan = planned(test_files=[file])
    assert plan.suites == ("core",)
    assert plan.checks == {"core.broadcast"}


def test_a_plan_obeys_run_variables_where_nothing_was_named() -> None:
    """They switch suites; who names one wants it."""
    catalogue = {"connectivity": ["handshake"], "core": ["broadcast"]}
    environ = {"RUN_CONNECTIVITY": "false", "RUN_PERFORMANCE": "true"}
    plan = planned(environ=environ, catalogue=catalogue)
    assert plan.suites == ("core",)
    assert plan.notes == ("RUN_PERFORMANCE: this version has no suite performance",)
    named = planned(environ=environ, catalogue=catalogue, names=["connectivity"])
    assert named.suites == ("connectivity",)
    assert not named.notes


# Targets that run


@pytest.mark.parametrize(
    ("url", "polite_only"),
    [
        ("ws://127.0.0.1:8001/ws", False),
        ("ws://127.9.9.9", False),
        ("ws://localhost:8001", False),
        ("WS://LOCALHOST/".lower(), False),
        ("ws://LocalHost/", False),
        ("ws://app.localhost/ws", False),
        ("ws://[::1]:8001/", False),
        ("wss://staging.example/ws", True),
        ("ws://localhost.example", True),
        ("ws://notlocalhost", True),
        ("ws://10.0.0.1", True),
        ("ws://0.0.0.0", True),
        ("ws://[2001:db8::1]/", True),
        ("ws://127.0.0.1.example", True),
    ],
)
def test_a_target_elsewhere_gets_only_polite_checks(
    url: str, polite_only: bool
) -> None:
    """Whatever is not surely this machine may belong to somebody else."""
    plan = planned({"target": url})
    assert plan.polite_only is polite_only
    assert plan.source is Source.URL
    assert plan.given == plan.url == url
    assert not planned({"target": url, "i-own-this-target": True}).polite_only


def test_a_target_s_fragment_is_dropped() -> None:
    """It has no meaning in a ws URL (RFC 6455 3)."""
    assert planned({"target": "ws://localhost/a?b=c#d"}).url == "ws://localhost/a?b=c"


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost", "localhost:8765", "ws://", "ws:///ws", "wss"),
        *("ws://localhost:0", "ws://localhost:70000", "ws://localhost:port"),
        *("ws://[::1", "ws://exa\u2100mple/", "ws://a b/", "ws://a/\n", "ws://a/\x00"),
    ],
)
def test_a_target_that_is_no_websocket_url_is_refused(url: str) -> None:
    """The message says what one looks like, whatever was typed."""
    (problem,) = refused({"target": url})
    assert problem.startswith(f"--target {url}: not a WebSocket URL; give ws://")


@pytest.mark.parametrize(
    "url",
    ["ws://me:deep@localhost/", "ws://me@a", "http://me:deep@a", "ws://me:deep@[::1"],
)
def test_a_target_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    """A URL with user and password would stand in the report."""
    (problem,) = refused({"target": url})
    assert problem == "--target: leave user and password out; see --header"


def test_an_at_sign_behind_the_host_is_no_password() -> None:
    """Paths and queries may have one."""
    assert planned({"target": "ws://localhost/@me?mail=a@b"}).url.endswith("a@b")


def test_no_ssl_does_not_go_with_a_wss_target() -> None:
    """There is nothing but TLS at such a URL."""
    (problem,) = refused({"target": "wss://localhost/", "no-ssl": True})
    assert problem.startswith("--no-ssl: ")


def test_options_for_a_started_target_are_refused_for_one_that_runs() -> None:
    """They would be without effect; from the environment they may be for others."""
    flags = {"target": "ws://localhost", "port": "1", "tls-port": "1", "coverage": True}
    problems = refused(flags)
    assert [problem.partition(":")[0] for problem in problems] == [
        "--port",
        "--tls-port",
        "--coverage",
    ]
    plan = planned({"target": "ws://localhost"}, environ={"WEBSOCKET_PORT": "8765"})
    assert plan.port == 8765


# Targets that the lab starts


def test_a_command_s_placeholders_are_filled_in() -> None:
    """Words are split first, so that a path with a space stays one word."""
    plan = planned({"serve": "{python} 'my app.py' --at={host}:{port} {x}"})
    words = WORDS | {"python": "/my python"}
    assert plan.command(words, http_port=9) == [
        *("/my python", "my app.py", "--at=127.0.0.1:8001", "{x}")
    ]
    assert plan.given == plan.serve
    assert not plan.wants_tls


def test_a_command_with_a_tls_port_wants_tls() -> None:
    """Which is what decides about certificates and TLS checks."""
    assert planned({"serve": "x {port} {tls_port} {cert} {key}"}).wants_tls


@pytest.mark.parametrize(
    ("flags", "tls_only"),
    [
        ({"serve": "x {tls_port} {cert}"}, True),
        ({"serve": "x {tls_port} {port}"}, False),
        ({"serve": "x"}, False),
        ({}, False),
        ({"target": "wss://localhost/"}, False),
    ],
)
def test_a_command_may_have_a_tls_port_alone(
    flags: dict[str, object], tls_only: bool
) -> None:
    """Then there is no plain listener to wait for."""
    assert planned(flags).is_tls_only is tls_only


def test_the_embedded_hub_is_started_as_a_process() -> None:
    """The lab knows its command line, never its code."""
    words = WORDS | {"tls_port": "8002", "cert": "c.pem", "key": "k.pem"}
    command = planned().command(words, http_port=8003)
    assert command[0] == "/py"
    assert command[2:5] == ["-m", "wavetank", "hub"]
    for flag, value in [
        *(("--port", "8001"), ("--http-port", "8003"), ("--tls-port", "8002")),
        *(("--cert", "c.pem"), ("--key", "k.pem")),
    ]:
        assert command[command.index(flag) + 1] == value
    plain = planned({"no-ssl": True})
    assert not plain.wants_tls
    assert "--tls-port" not in plain.command(words, http_port=8003)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("python 'app.py", "--serve python 'app.py: no closing quotation"),
        ("  ", "--serve: the command is empty"),
        (
            "a {prot}",
            "--serve: {prot} is not a placeholder; did you mean port?",
        ),
        ("a {port} {key}", "--serve: {key} without {tls_port}"),
    ],
)
def test_a_command_with_a_mistake_is_refused(command: str, problem: str) -> None:
    """Each names what is wrong before anything is started."""
    assert refused({"serve": command}) == (problem,)


def test_a_command_that_takes_tls_does_not_go_with_no_ssl() -> None:
    """It would get a placeholder that nobody fills in."""
    flags = {"serve": "a {port} {tls_port}", "no-ssl": True}
    assert refused(flags) == ("--no-ssl: but the command of --serve takes {tls_port}",)


def test_both_ports_cannot_be_the_same() -> None:
    """Two listeners need two ports."""
    environ = {"WEBSOCKET_PORT": "8765", "WEBSOCKET_SSL_PORT": "8765"}
    problem = "--port and --tls-port: give two different ports"
    assert refused(environ=environ) == (problem,)


@pytest.mark.parametrize(
    ("flags", "dynamic"),
    [
        ({}, True),
        ({"dynamic-ports": False}, False),
        ({"start-port": "9500"}, False),
        ({"start-port": "9500", "dynamic-ports": True}, False),
    ],
)
def test_a_start_port_ends_dynamic_ports(
    flags: dict[str, object], dynamic: bool
) -> None:
    """Who says where to look for ports does not want them drawn."""
    assert planned(flags).dynamic_ports is dynamic


@pytest.mark.parametrize(
    ("command", "measured"),
    [
        ("python app.py 1", "python -m coverage run --parallel-mode app.py 1"),
        ("{python} -m app", "/py -m coverage run --parallel-mode -m app"),
        (
            "/usr/bin/python3.12 -u -X dev -W error -m app -u",
            "/usr/bin/python3.12 -u -X dev -W error "
            "-m coverage run --parallel-mode -m app -u",
        ),
    ],
)
def test_coverage_goes_between_the_interpreter_and_its_program(
    command: str, measured: str
) -> None:
    """The interpreter's own options stay its own."""
    plan = planned({"serve": command, "coverage": True})
    assert plan.command(WORDS, http_port=9) == measured.split()


def test_coverage_of_the_embedded_hub_keeps_the_interpreter_s_options() -> None:
    """Its command has some, which coverage.py would not know."""
    command = planned({"coverage": True}).command(WORDS, http_port=9)
    assert command.index("-P") < command.index("coverage") < command.index("hub")


@pytest.mark.parametrize(
    "command",
    ["node app.js", "pythonic", "python", "python -u", "python -c 'print()'"],
)
def test_coverage_of_what_is_no_python_program_is_refused(command: str) -> None:
    """Nothing can be measured there, and that is said before anything starts."""
    (problem,) = refused({"serve": command, "coverage": True})
    assert problem.startswith(
        f"--coverage: `{command.split(maxsplit=1)[0]}` is not a Python"
    )


# The opening handshake


def test_headers_cookies_and_token_go_into_the_handshake() -> None:
    """Cookies share one header, a token is a bearer's."""
    plan = planned(
        {
            "header": ["X-A:b", " X-C : d: e "],
            "cookie": ["a=1", " b=2; c=3 "],
            "token": "t0ken",
        }
    )
    assert plan.headers == (
        ("X-A", "b"),
        ("X-C", "d: e"),
        ("Cookie", "a=1; b=2; c=3"),
        ("Authorization", "Bearer t0ken"),
    )
    assert plan.token == "t0ken"


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"header": ["X"]}, "--header X: write it as 'Name: value'"),
        ({"header": ["X Y: z"]}, "--header X Y: write it as 'Name: value'"),
        ({"header": [": z"]}, "--header : write it as 'Name: value'"),
        ({"header": ["X: a\nY: b"]}, "--header X: the value cannot be sent"),
        ({"header": ["X: 水"]}, "--header X: the value cannot be sent"),
        (
            {"header": ["Host: a"]},
            "--header Host: belongs to the opening handshake; see --origin and "
            "--subprotocol",
        ),
        (
            {"header": ["sec-websocket-protocol: a"]},
            "--header sec-websocket-protocol: belongs to the opening handshake; see "
            "--origin and --subprotocol",
        ),
        ({"cookie": ["a"]}, "--cookie a: write it as NAME=VALUE"),
        ({"cookie": ["a=\r"]}, None),
        ({"cookie": ["a=b\0c"]}, "--cookie a: write it as NAME=VALUE"),
        ({"token": "a b"}, "--token: a token is printable ASCII without spaces"),
        ({"token": "é"}, "--token: a token is printable ASCII without spaces"),
        ({"origin": "a\n"}, "--origin: the value cannot be sent"),
        (
            {"subprotocol": ["a,b"]},
            "--subprotocol a,b: a name has no spaces and no separators",
        ),
        (
            {"token": "t", "header": ["authorization: Basic x"]},
            "--token and --header Authorization: give one of the two",
        ),
        (
            {"cookie": ["a=b"], "header": ["Cookie: c=d"]},
            "--cookie and --header Cookie: give one of the two",
        ),
        (
            {"ca": "ca.pem", "insecure": True},
            "--ca and --insecure: give one of the two",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(
    flags: dict[str, object], problem: str | None
) -> None:
    """It is told before anything starts, instead of by a crash in the middle."""
    if problem is None:
        assert planned(flags).headers
    else:
        assert refused(flags) == (problem,)


def test_a_plan_knows_its_secrets_the_longest_first() -> None:
    """Whole values, and the parts that a target may repeat alone."""
    plan = planned(
        {
            "target": "ws://localhost/?access_token=Tok%2Fen&room=1",
            "header": [
                "Authorization: Bearer hea.der",
                "Cookie: a=1; b=hidden",
                "Accept-Language: english",
            ],
            "cookie": [],
            "origin": "https://o.example",
        }
    )
    assert plan.secrets == tuple(sorted(plan.secrets, key=len, reverse=True))
    assert set(plan.secrets) == {
        *("Bearer hea.der", "hea.der", "a=1; b=hidden", "b=hidden", "hidden"),
        "Tok%2Fen",
        "Tok/en",
    }
    # Short values are no secrets, and hiding them would garble the report.
    more = planned({"token": "t0k", "cookie": ["x=y", "z=", "sid=abcdefg"]})
    assert set(more.secrets) == {"t0k", "abcdefg"}
    assert "t0k" not in str(more.options)


# Known failures


def test_a_plan_keeps_known_failures_and_notes_those_that_ended() -> None:
    """What holds is kept by the name of its check."""
    text = "".join(
        f"[[known]]\ncheck = '{check}'\nreason = 'r'\nuntil = {until}\n"
        for check, until in [
            ("core.broadcast", "2026-05-02"),
            ("basics.load", "2026-05-01"),
        ]
    )
    plan = planned(known_failures=("known.toml", text))
    assert list(plan.excuses) == ["core.broadcast"]
    assert plan.notes == ("known.toml: the excuse of basics.load ended on 2026-05-01",)


# Dialects


def test_a_dialect_is_found_out_unless_it_is_named() -> None:
    """None is a question for later."""
    assert planned({"serve": "x"}).dialect is None
    assert isinstance(planned({"serve": "x", "dialect": "echo"}).dialect, Echo)


def test_the_only_described_dialect_is_the_target_s() -> None:
    """Who describes one protocol need not name it; of two, one has to be named."""
    one = planned({"serve": "x"}, tables={"ticker": TICKER})
    assert one.dialect is not None
    assert one.dialect.name == "ticker"
    tables = {"ticker": TICKER, "other": TICKER}
    assert planned({"serve": "x"}, tables=tables).dialect is None
    other = planned({"serve": "x", "dialect": "other"}, tables=tables).dialect
    assert other is not None
    assert other.name == "other"


def test_an_unknown_dialect_is_told_with_the_nearest() -> None:
    """Shipped and described ones are candidates."""
    (problem,) = refused({"serve": "x", "dialect": "tickr"}, tables={"ticker": TICKER})
    assert problem == (
        "--dialect tickr: there is no such dialect; did you mean ticker?"
    )


def test_a_dialect_with_a_mistake_is_one_problem() -> None:
    """That it is named does not make it unknown as well."""
    flags = {"serve": "x", "dialect": "ticker"}
    problems = refused(flags, tables={"ticker": TICKER | {"evnt": {}}})
    assert [problem.partition(":")[0] for problem in problems] == [
        "wavetank.toml [dialect.ticker] evnt"
    ]


def test_the_embedded_hub_speaks_its_own_dialect_alone() -> None:
    """A dialect without a target is most likely a target that was forgotten."""
    assert isinstance(planned({"dialect": "hub"}).dialect, Hub)
    (problem,) = refused({"dialect": "echo"})
    assert problem == (
        "--dialect echo: the embedded hub speaks hub; give --serve or --target"
    )


@pytest.mark.parametrize("name", ["target", "serve"])
def test_an_empty_target_is_a_mistake_and_not_the_hub(name: str) -> None:
    """``--target "$URL"`` without the variable must not be green about the hub."""
    assert refused({name: ""}) == (
        f"--{name}: the value is empty; give one, or leave the option out",
    )


def test_a_command_that_takes_a_tls_port_alone_is_tls_only() -> None:
    """Then the URL of the target is a wss:// one."""
    assert planned({"serve": "x {tls_port} {cert} {key}"}).is_tls_only
    assert not planned({"serve": "x {port} {tls_port}"}).is_tls_only
    assert not planned({}).is_tls_only


@pytest.mark.parametrize(
    ("flags", "names", "suites"),
    [
        ({}, (), ("basics",)),
        ({"full": True}, (), ("basics", "conformance")),
        ({}, ("conformance",), ("conformance",)),
        ({}, ("conformance.unicode",), ("conformance",)),
    ],
)
def test_plan_leaves_conformance_to_who_asks_for_it(
    flags: dict[str, object], names: tuple[str, ...], suites: tuple[str, ...]
) -> None:
    """By its name, or with all that there is."""
    catalogue = {"basics": ["load"], "conformance": ["unicode"]}
    assert planned(flags, names=names, catalogue=catalogue).suites == suites


# The contract

CONTRACT = """{"asyncapi":"3.0.0","info":{"title":"t","version":"1"},
"channels":{"c":{"address":"/c","messages":{"a":{"payload":true},"b":{"payload":true}}}},
"operations":{
"out":{"action":"send","channel":{"$ref":"#/channels/c"},
"messages":[{"$ref":"#/channels/c/messages/a"}]},
"in":{"action":"receive","channel":{"$ref":"#/channels/c"},
"messages":[{"$ref":"#/channels/c/messages/b"}]}}}"""


@pytest.mark.parametrize(("side", "sent"), [("server", "a"), ("client", "b")])
def test_a_plan_has_the_contract_from_the_target_s_own_view(
    side: str, sent: str
) -> None:
    """What the document of a client receives is what the target has to send."""
    flags = {"contract": "c.json", "contract-of": side}
    plan = planned(flags, contract=("c.json", CONTRACT))
    assert plan.contract is not None
    assert [one.name for one in plan.contract.sent] == [sent]
    assert plan.options["contract"] == "c.json"


def test_a_plan_without_a_contract_has_none() -> None:
    """The suite that needs one takes the target's own, or skips."""
    assert planned().contract is None


@pytest.mark.parametrize(
    ("flags", "contract", "problem"),
    [
        ({"contract": "c.json"}, ("c.json", "{"), "--contract c.json: not JSON"),
        (
            {"contract": "c.json"},
            ("c.json", CONTRACT.replace("3.0.0", "2.6.0")),
            "--contract c.json",
        ),
        ({"contract-of": "client"}, None, "--contract-of: only beside --contract"),
    ],
)
def test_a_plan_refuses_a_contract_that_cannot_be_read(
    flags: dict[str, object], contract: tuple[str, str] | None, problem: str
) -> None:
    """Before anything is started, with the file's name."""
    found = refused({**flags, "target": "http://a"}, contract=contract)
    assert len(found) == 2
    assert any(one.startswith(problem) for one in found)


def test_a_file_that_was_not_read_is_one_mistake() -> None:
    """Who typed both options is told of the file alone."""
    flags: dict[str, object] = {"contract": "c.json", "contract-of": "client"}
    assert planned(flags).contract is None
