"""The final phase has to be finished before anything is lost for good."""

from wavetank.lab.checkers.final_phase import FinalPhase


def test_a_phase_is_finished_once_all_is_drained() -> None:
    """A run without faults needs nothing but the wait."""
    phase = FinalPhase()
    assert not phase.is_finished
    assert repr(phase).startswith("<FinalPhase nobody has waited")
    phase.drain([], finished=True)
    assert phase.is_finished
    assert repr(phase) == "<FinalPhase finished>"


def test_a_phase_is_void_once_something_is_published() -> None:
    """What comes after the wait was not waited for."""
    phase = FinalPhase()
    phase.drain([], finished=True)
    phase.go_on()
    assert not phase.is_finished


def test_a_phase_names_what_is_still_broken() -> None:
    """Each fault has to be healed, one by one or all at once."""
    phase = FinalPhase()
    phase.begin_fault("cut")
    phase.begin_fault("kill")
    phase.heal_fault("cut")
    phase.heal_fault("never began")
    phase.reconnect()
    phase.drain([], finished=True)
    assert phase.doubts == ["still broken: kill"]
    phase.heal()
    phase.drain([], finished=True)
    assert phase.is_finished


def test_a_phase_wants_everybody_back() -> None:
    """Who is known to be away is named, and the names are bounded."""
    phase = FinalPhase()
    phase.drain([f"s{n}" for n in range(7)], finished=True)
    assert phase.doubts == ["not connected again: s0, s1, s2, s3, s4, and 2 more"]


def test_a_phase_after_a_fault_wants_somebody_to_look_who_is_connected() -> None:
    """A half-open connection does not say that it is gone."""
    phase = FinalPhase()
    phase.begin_fault("stall")
    phase.heal()
    phase.drain([], finished=True)
    assert phase.doubts == ["nobody has made sure that all are connected again"]
    phase.reconnect()
    phase.drain([], finished=True)
    assert phase.is_finished
    phase.begin_fault("stall")
    assert not phase.is_finished
    phase.heal()
    phase.drain([], finished=True)
    assert phase.doubts == ["nobody has made sure that all are connected again"]


def test_a_phase_whose_time_was_over_is_not_finished() -> None:
    """What was still coming then may be missing for no fault of the target."""
    phase = FinalPhase()
    phase.drain([], finished=False)
    assert phase.doubts == ["messages were still coming when the time was over"]
