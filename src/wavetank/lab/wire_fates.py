"""Who lost a message that did not come, as the proxy's wire log has it.

It refuses to know what is missing: it is asked message by message.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wavetank.chaos.fates import Crossing, Loser, who_lost
from wavetank.chaos.toxic import Direction
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.ids import find_id

__all__ = ["Reading", "WireFates"]

_FATES = {
    Loser.SENDER: Fate.TARGET,
    Loser.PROXY: Fate.PROXY,
    Loser.READER: Fate.CLIENT,
    Loser.UNKNOWN: Fate.CUT,
}

Reading = tuple[int, str, bool]
"""Number of a link, id of the last message that was read from it ("" for none), and
whether it is the last link of its reader: that one is read to its end."""


class WireFates(Mapping[tuple[str, str, int | str], Fate]):
    """(subscriber, topic, id) -> where that message was lost.

    Of each link counts what its reader has read past, and of the last one all. What
    was on its way when a link ended is for the target to send again: the reader has
    come back behind it.

    Args:
        crossings: All frames that came to the proxy.
        readings: Subscriber -> its links, in order.
        is_complete: Whether the log has every frame.
    """

    def __init__(
        self,
        crossings: Iterable[Crossing],
        readings: Mapping[str, Sequence[Reading]],
        *,
        is_complete: bool,
    ) -> None:
        self._is_complete = is_complete
        by_link: defaultdict[int, list[tuple[str, Crossing]]] = defaultdict(list)
        for crossing in crossings:
            if crossing.direction is Direction.DOWNSTREAM:
                id_ = find_id(crossing.start.decode("utf-8", "replace"))
                by_link[crossing.link].append((id_, crossing))
        self._read = {
            name: _read_of(by_link, links) for name, links in readings.items()
        }

    def __getitem__(self, key: tuple[str, str, int | str]) -> Fate:
        """Return where it was lost.

        Raises:
            KeyError: If nothing is known of this subscriber, or it is no id.
        """
        name, _, id_ = key
        if name not in self._read or not isinstance(id_, str):
            raise KeyError(key)
        crossings = self._read[name].get(id_, ())
        return _FATES[
            who_lost(crossings, lambda _: True, is_complete=self._is_complete)
        ]

    def __iter__(self) -> Iterator[tuple[str, str, int | str]]:
        """Yield what was read, by its id; topics are not told apart."""
        for name, read in self._read.items():
            for id_ in read:
                yield name, "", id_

    def __len__(self) -> int:
        """Return for how many subscribers something is known."""
        return len(self._read)

    def __repr__(self) -> str:
        """Show of whom something is known."""
        return f"<WireFates of {', '.join(self._read) or 'nobody'}>"


def _read_of(
    by_link: Mapping[int, Sequence[tuple[str, Crossing]]], links: Sequence[Reading]
) -> dict[str, list[Crossing]]:
    """Return id -> the frames with it that a reader has read past."""
    read: defaultdict[str, list[Crossing]] = defaultdict(list)
    for link, last, is_last in links:
        frames = by_link.get(link, ())
        ends = len(frames)
        if not is_last:
            places = [place for place, (id_, _) in enumerate(frames) if id_ == last]
            ends = places[-1] + 1 if last and places else 0
        for id_, crossing in frames[:ends]:
            read[id_].append(crossing)
    return dict(read)
