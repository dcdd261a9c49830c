"""All wrecks in one table: name, server, the check that has to catch it, the fault.

It refuses to know the checks beyond their names.
"""

import dataclasses

from wavetank.errors import UsageError, nearest
from wavetank.wrecks import (
    costs,
    delivery,
    edges,
    exhaustion,
    faults,
    flow,
    frames,
    handshake,
    isolated,
    lifecycle,
    loads,
    messages,
    mixes,
    patience,
    recovery,
    rules,
    transport,
    volumes,
)
from wavetank.wrecks.sound import SoundServer

__all__ = ["ACCESS_WRECKS", "SOUND", "WRECKS", "Wreck", "find"]

SOUND = "sound"
"""Name of the server that nothing is wrong with; not in the table."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wreck:
    """One row.

    Attributes:
        server: The sound server with one decision overridden.
        check: ``suite.check`` that has to end in FAIL on it.
        fault: What is broken, in one sentence.
    """

    server: type[SoundServer]
    check: str
    fault: str


def _row(server: type[SoundServer], check: str) -> Wreck:
    """Take the sentence from the class, where it is written once."""
    fault = (server.__doc__ or "").partition("\n")[0]
    return Wreck(server=server, check=check, fault=fault)


WRECKS: dict[str, Wreck] = {
    # basics
    "unanswered-close": _row(lifecycle.UnansweredClose, "basics.basic_connection"),
    "unended-close": _row(lifecycle.UnendedClose, "basics.basic_connection"),
    "every-fifth-unanswered": _row(
        handshake.EveryFifthUnanswered, "basics.connection_timeout"
    ),
    "bad-utf8-accepted": _row(messages.BadUtf8Accepted, "basics.message_validation"),
    "bad-utf8-ends-all": _row(messages.BadUtf8EndsAll, "basics.message_validation"),
    "single-precision-numbers": _row(
        delivery.SinglePrecisionNumbers, "basics.btc_price_update"
    ),
    "unmasked-accepted": _row(messages.UnmaskedAccepted, "basics.error_handling"),
    "violation-forgiven": _row(messages.ViolationForgiven, "basics.error_handling"),
    "violation-closed-as-normal": _row(
        messages.ViolationClosedAsNormal, "basics.error_handling"
    ),
    "violation-ends-all": _row(messages.ViolationEndsAll, "basics.error_handling"),
    "fifth-subscriber-deaf": _row(
        delivery.FifthSubscriberDeaf, "basics.multiple_client_broadcast"
    ),
    "lost-under-load": _row(delivery.LostUnderLoad, "basics.load"),
    "foreign-certificate": _row(transport.ForeignCertificate, "basics.ssl_connection"),
    "tls-garbage": _row(transport.TlsGarbage, "basics.ssl_connection"),
    "refused-after-reset": _row(lifecycle.RefusedAfterReset, "basics.reconnection"),
    # core
    "event-before-welcome": _row(
        handshake.EventBeforeWelcome, "core.initial_connection"
    ),
    "welcome-twice": _row(handshake.WelcomeTwice, "core.initial_connection"),
    "welcome-of-other-protocol": _row(
        handshake.WelcomeOfOtherProtocol, "core.initial_connection"
    ),
    "replay-skips-first": _row(delivery.ReplaySkipsFirst, "core.reconnection"),
    "replay-repeats-last": _row(delivery.ReplayRepeatsLast, "core.reconnection"),
    "partial-replay": _row(delivery.PartialReplay, "core.reconnection"),
    "prefix-routing": _row(delivery.PrefixRouting, "core.message_handling"),
    "reencoded-data": _row(delivery.ReencodedData, "core.message_handling"),
    "swapped-neighbours": _row(delivery.SwappedNeighbours, "core.broadcast"),
    "doubled-event": _row(delivery.DoubledEvent, "core.broadcast"),
    "count-never-falls": _row(lifecycle.CountNeverFalls, "core.client_tracking"),
    "count-keeps-resets": _row(lifecycle.CountKeepsResets, "core.client_tracking"),
    "half-handshake-kept": _row(handshake.HalfHandshakeKept, "core.connection_timeout"),
    "half-handshake-blocks": _row(
        handshake.HalfHandshakeBlocks, "core.connection_timeout"
    ),
    "bad-command-unanswered": _row(
        messages.BadCommandUnanswered, "core.message_validation"
    ),
    "bad-command-closes": _row(messages.BadCommandCloses, "core.message_validation"),
    "bad-command-accepted": _row(
        messages.BadCommandAccepted, "core.message_validation"
    ),
    "vague-errors": _row(messages.VagueErrors, "core.message_validation"),
    "wrong-close-code": _row(lifecycle.WrongCloseCode, "core.state_transitions"),
    "sends-after-close": _row(lifecycle.SendsAfterClose, "core.state_transitions"),
    "acts-after-close": _row(lifecycle.ActsAfterClose, "core.state_transitions"),
    "event-after-unsubscribe": _row(
        delivery.EventAfterUnsubscribe, "core.state_transitions"
    ),
    # connectivity
    "wrong-version-accepted": _row(
        handshake.WrongVersionAccepted, "connectivity.handshake"
    ),
    "missing-key-accepted": _row(
        handshake.MissingKeyAccepted, "connectivity.handshake"
    ),
    "plain-get-upgraded": _row(handshake.PlainGetUpgraded, "connectivity.handshake"),
    "cut-at-4096": _row(messages.CutAt4096, "connectivity.message_exchange"),
    "every-fiftieth-lost": _row(
        messages.EveryFiftiethLost, "connectivity.message_exchange"
    ),
    "late-pong": _row(messages.LatePong, "connectivity.ping_pong_latency"),
    "empty-pong": _row(messages.EmptyPong, "connectivity.ping_pong_latency"),
    "thirtieth-refused": _row(
        lifecycle.ThirtiethRefused, "connectivity.concurrent_connections"
    ),
    "newest-only": _row(lifecycle.NewestOnly, "connectivity.concurrent_connections"),
    "corrupt-over-32k": _row(messages.CorruptOver32K, "connectivity.large_messages"),
    "too-big-accepted": _row(messages.TooBigAccepted, "connectivity.large_messages"),
    "dies-on-too-big": _row(messages.DiesOnTooBig, "connectivity.large_messages"),
    # performance
    "capacity-of-500": _row(loads.CapacityOf500, "performance.message_throughput"),
    "one-in-300-lost": _row(loads.OneIn300Lost, "performance.message_throughput"),
    "stalls-once": _row(loads.StallsOnce, "performance.latency"),
    "heavy-connections": _row(
        costs.HeavyConnections, "performance.resource_utilization"
    ),
    "handshakes-in-turn": _row(
        loads.HandshakesInTurn, "performance.connection_handling"
    ),
    "memory-per-message": _row(costs.MemoryPerMessage, "performance.memory_usage"),
    "spins-per-message": _row(costs.SpinsPerMessage, "performance.cpu_usage"),
    "narrow-band": _row(loads.NarrowBand, "performance.network_bandwidth"),
    "slower-with-connections": _row(
        costs.SlowerWithConnections, "performance.scalability"
    ),
    # load
    "slower-and-slower": _row(loads.SlowerAndSlower, "load.sustained"),
    "burst-overflow": _row(loads.BurstOverflow, "load.burst"),
    "fifty-at-most": _row(loads.FiftyAtMost, "load.concurrent_connections"),
    "descriptor-per-connection": _row(
        costs.DescriptorPerConnection, "load.resource_monitoring"
    ),
    "one-in-300-twice": _row(loads.OneIn300Twice, "load.performance_metrics"),
    "one-in-300-swapped": _row(loads.OneIn300Swapped, "load.performance_metrics"),
    "one-in-300-corrupted": _row(loads.OneIn300Corrupted, "load.performance_metrics"),
    "dies-after-300": _row(loads.DiesAfter300, "load.fibonacci_ramp"),
    # latency
    "every-twentieth-late": _row(loads.EveryTwentiethLate, "latency.end_to_end"),
    "descriptor-per-message": _row(
        costs.DescriptorPerMessage, "latency.resource_tracking"
    ),
    "conflating": _row(loads.Conflating, "latency.message_rate"),
    "late-acknowledgements": _row(loads.LateAcknowledgements, "latency.bottleneck"),
    # conformance
    "texts-cut-short": _row(rules.TextsCutShort, "conformance.framing"),
    "pong-cut-short": _row(rules.PongCutShort, "conformance.pings"),
    "reserved-bits-ignored": _row(rules.ReservedBitsIgnored, "conformance.reserved"),
    "fragments-forgiven": _row(rules.FragmentsForgiven, "conformance.fragments"),
    "bad-utf8-closed-as-normal": _row(
        rules.BadUtf8ClosedAsNormal, "conformance.unicode"
    ),
    "close-codes-unread": _row(rules.CloseCodesUnread, "conformance.closing"),
    "broken-close-answered": _row(
        rules.BrokenCloseAnswered, "conformance.close_matrix"
    ),
    "unmasked-overlooked": _row(rules.UnmaskedOverlooked, "conformance.masking"),
    "long-control-frames-taken": _row(
        rules.LongControlFramesTaken, "conformance.lengths"
    ),
    "single-bytes-dropped": _row(rules.SingleBytesDropped, "conformance.transport"),
    "rsv1-overlooked": _row(rules.Rsv1Overlooked, "conformance.deflate"),
    "any-method-upgraded": _row(rules.AnyMethodUpgraded, "conformance.handshake"),
    "unoffered-subprotocol-spoken": _row(
        rules.UnofferedSubprotocolSpoken, "conformance.negotiation"
    ),
    # what it sends itself
    "masked-messages": _row(frames.MaskedMessages, "conformance.audit"),
    "reserved-bits-set": _row(frames.ReservedBitsSet, "conformance.audit"),
    "reserved-opcodes-behind-pongs": _row(
        frames.ReservedOpcodesBehindPongs, "conformance.audit"
    ),
    "fragmented-pongs": _row(frames.FragmentedPongs, "conformance.audit"),
    "long-lengths": _row(frames.LongLengths, "conformance.audit"),
    "endless-frame-behind-pongs": _row(
        frames.EndlessFrameBehindPongs, "conformance.audit"
    ),
    "orphans-behind-pongs": _row(frames.OrphansBehindPongs, "conformance.audit"),
    "bad-text-behind-pongs": _row(frames.BadTextBehindPongs, "conformance.audit"),
    "reserved-close-code": _row(frames.ReservedCloseCode, "conformance.audit"),
    "context-kept": _row(frames.ContextKept, "conformance.audit"),
    "window-forgotten": _row(frames.WindowForgotten, "conformance.audit"),
    "half-a-pong": _row(frames.HalfAPong, "basics.basic_connection"),
    "every-200th-twice": _row(
        volumes.EveryTwoHundredthTwice, "conformance.performance"
    ),
    "context-shared": _row(volumes.ContextShared, "conformance.compression"),
    "compression-unmarked": _row(
        volumes.CompressionUnmarked, "conformance.compression"
    ),
    "window-raised": _row(volumes.WindowRaised, "conformance.parameters"),
    "pongs-unheard": _row(patience.PongsUnheard, "conformance.timeouts"),
    "end-of-tcp-forgotten": _row(patience.EndOfTcpForgotten, "conformance.timeouts"),
    "half-frame-blocks": _row(patience.HalfFrameBlocks, "conformance.timeouts"),
    # fault_tolerance
    "unheard-unacknowledged": _row(
        faults.UnacknowledgedWithoutAudience,
        "fault_tolerance.dashboard_offline_at_start",
    ),
    "reset-mutes-topic": _row(
        faults.ResetMutesTopic, "fault_tolerance.dashboard_crash"
    ),
    "dies-on-half-frame": _row(
        faults.DiesOnHalfFrame, "fault_tolerance.dashboard_crash"
    ),
    "half-open-kept": _row(faults.HalfOpenKept, "fault_tolerance.network_partition"),
    "replay-lacks-last": _row(
        recovery.ReplayLacksLast, "fault_tolerance.network_partition"
    ),
    "slow-consumer-blocks-all": _row(
        faults.SlowConsumerBlocksAll, "fault_tolerance.queue_overflow"
    ),
    "silent-overflow": _row(faults.SilentOverflow, "fault_tolerance.queue_overflow"),
    "slots-kept": _row(faults.SlotsKept, "fault_tolerance.rapid_reconnection"),
    "exhausted-deaf": _row(
        exhaustion.ExhaustedDeaf, "fault_tolerance.descriptor_exhaustion"
    ),
    "exhausted-spins": _row(
        exhaustion.ExhaustedSpins, "fault_tolerance.descriptor_exhaustion"
    ),
    "exhausted-drops": _row(
        exhaustion.ExhaustedDrops, "fault_tolerance.descriptor_exhaustion"
    ),
    "second-life-replays-less": _row(
        mixes.SecondLifeReplaysLess, "fault_tolerance.mixed_schedule"
    ),
    "standstill-replays-less": _row(
        mixes.StandstillReplaysLess, "fault_tolerance.mixed_schedule"
    ),
    "impatient-tcp": _row(isolated.ImpatientTcp, "fault_tolerance.true_partition"),
    "acknowledges-unwritten": _row(
        isolated.AcknowledgesUnwritten, "fault_tolerance.full_disk"
    ),
    "writes-no-more": _row(isolated.WritesNoMore, "fault_tolerance.full_disk"),
    # self_healing
    "replay-ends-twice": _row(
        recovery.ReplayEndsTwice, "self_healing.connection_recovery"
    ),
    "replay-overlaps": _row(
        recovery.ReplayOverlaps, "self_healing.connection_recovery"
    ),
    "replay-corrupted": _row(
        recovery.ReplayCorrupted, "self_healing.connection_recovery"
    ),
    "old-values-replayed": _row(
        recovery.OldValuesReplayed, "self_healing.connection_recovery"
    ),
    "recovered-in-word-only": _row(
        recovery.RecoveredInWordOnly, "self_healing.connection_recovery"
    ),
    "gap-undeclared": _row(recovery.GapUndeclared, "self_healing.server_restart"),
    "forgets-but-keeps-epoch": _row(
        recovery.ForgetsButKeepsEpoch, "self_healing.server_restart"
    ),
    "acknowledges-before-writing": _row(
        recovery.AcknowledgesBeforeWriting, "self_healing.server_restart"
    ),
    "plain-text-on-tls-port": _row(
        transport.PlainTextOnTlsPort, "self_healing.ssl_fallback"
    ),
    "old-tls-accepted": _row(transport.OldTlsAccepted, "self_healing.ssl_fallback"),
    "sessions-leaked": _row(faults.SessionsLeaked, "self_healing.memory_recovery"),
    "errors-stay": _row(edges.ErrorsStay, "self_healing.error_resilience"),
    # message_flow
    "every-fiftieth-untimed": _row(flow.EveryFiftiethUntimed, "message_flow.schemas"),
    "every-fiftieth-number-as-text": _row(
        flow.EveryFiftiethNumberAsText, "message_flow.schemas"
    ),
    "unknown-type-sent": _row(flow.UnknownTypeSent, "message_flow.schemas"),
    "reordered-under-load": _row(flow.ReorderedUnderLoad, "message_flow.ordering"),
    "publisher-order-swapped": _row(
        flow.PublisherOrderSwapped, "message_flow.ordering"
    ),
    "orders-disagree": _row(flow.OrdersDisagree, "message_flow.ordering"),
    "every-twentieth-corrupted": _row(
        flow.EveryTwentiethCorrupted, "message_flow.integrity"
    ),
    "every-twentieth-undelivered": _row(
        flow.EveryTwentiethUndelivered, "message_flow.end_to_end"
    ),
    "last-before-silence-lost": _row(
        flow.LastBeforeSilenceLost, "message_flow.end_to_end"
    ),
    # edge_cases
    "error-without-code": _row(
        edges.ErrorWithoutCode, "edge_cases.invalid_message_format"
    ),
    "big-payload-unanswered": _row(
        edges.BigPayloadUnanswered, "edge_cases.message_size_limit"
    ),
    "tls-error-ends-listener": _row(
        transport.TlsErrorEndsListener, "edge_cases.ssl_errors"
    ),
    "one-seq-for-two": _row(edges.OneSeqForTwo, "edge_cases.concurrent_access"),
    "deaf-after-errors": _row(edges.DeafAfterErrors, "edge_cases.error_recovery"),
    "one-more-after-unsubscribe": _row(
        edges.OneMoreAfterUnsubscribe, "edge_cases.state_transitions"
    ),
    "subscribed-twice": _row(edges.SubscribedTwice, "edge_cases.state_transitions"),
    "memory-per-bad-message": _row(
        edges.MemoryPerBadMessage, "edge_cases.memory_management"
    ),
    "hundred-at-most": _row(edges.HundredAtMost, "edge_cases.connection_limits"),
    # full_cycle
    "third-topic-deaf": _row(flow.ThirdTopicDeaf, "full_cycle.trading_cycle"),
}

ACCESS_WRECKS: dict[str, Wreck] = {
    "replayed-to-anybody": _row(recovery.ReplayedToAnybody, "security.access_control"),
}
"""Wrecks of rights; a row joins `WRECKS` once its check is there."""


def find(name: str) -> type[SoundServer]:
    """Return the server of that name.

    Raises:
        UsageError: If there is none; it names the nearest.
    """
    if name == SOUND:
        return frames.Deflating
    every = WRECKS | ACCESS_WRECKS
    if name not in every:
        hint = nearest(name, (SOUND, *every)) or "; see wavetank wreck --list"
        raise UsageError(f"no wreck is called {name!r}{hint}")
    return every[name].server
