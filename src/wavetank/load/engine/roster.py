"""Who is there: users that join and leave at once, and are asked in turn.

It refuses to know what they are asked for.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Roster"]

_U = TypeVar("_U")


class Roster(Generic[_U]):
    """Users in an order that changes when one leaves: nobody is looked for.

    Attributes:
        users: Who is there; for reading alone.
    """

    __slots__ = ("_places", "_turn", "users")

    def __init__(self) -> None:
        self.users: list[_U] = []
        self._places: dict[_U, int] = {}
        self._turn = 0

    def add(self, user: _U) -> None:
        """Let a user join; nothing where it is there already."""
        if user not in self._places:
            self._places[user] = len(self.users)
            self.users.append(user)

    def discard(self, user: _U) -> bool:
        """Let a user leave; tell whether it was there."""
        place = self._places.pop(user, None)
        if place is None:
            return False
        last = self.users.pop()
        if place < len(self.users):
            self.users[place] = last
            self._places[last] = place
        return True

    def next(self, is_free: Callable[[_U], bool]) -> _U | None:
        """Return the next one in turn that is free; None where nobody is."""
        users, turn = self.users, self._turn
        for _ in range(len(users)):
            turn = turn + 1 if turn + 1 < len(users) else 0
            if is_free(users[turn]):
                self._turn = turn
                return users[turn]
        return None

    def __contains__(self, user: _U) -> bool:
        """Tell whether a user is there."""
        return user in self._places

    def __len__(self) -> int:
        """How many are there."""
        return len(self.users)

    def __iter__(self) -> Iterator[_U]:
        """Go over all who are there now, whoever leaves meanwhile."""
        return iter([*self.users])

    def __repr__(self) -> str:
        """Show how many are there."""
        return f"<Roster of {len(self.users)}>"
