"""Indicators: averages and oscillators over prices, one price at a time.

They refuse to know what is decided on them.
"""

from collections import deque

__all__ = ["Exponential", "Macd", "Simple", "Strength"]


class Simple:
    """Simple moving average.

    Args:
        length: Over how many values.
    """

    def __init__(self, length: int) -> None:
        self._values: deque[float] = deque(maxlen=length)
        self._length = length

    @property
    def value(self) -> float | None:
        """The average; None while there are too few values."""
        if len(self._values) < self._length:
            return None
        return sum(self._values) / self._length

    def add(self, value: float) -> float | None:
        """Take the next value; return the average."""
        self._values.append(value)
        return self.value


class Exponential:
    """Exponential moving average, which begins with a simple one.

    Args:
        length: It weighs the newest value with 2 / (length + 1).
    """

    def __init__(self, length: int) -> None:
        self._first = Simple(length)
        self._weight = 2.0 / (length + 1)
        self.value: float | None = None

    def add(self, value: float) -> float | None:
        """Take the next value; return the average, None while there are too few."""
        if self.value is None:
            self.value = self._first.add(value)
        else:
            self.value += self._weight * (value - self.value)
        return self.value


class Strength:
    """Relative strength index with Wilder's smoothing, 0 to 100.

    Args:
        length: Over how many changes.
    """

    def __init__(self, length: int = 14) -> None:
        self._length = length
        self._last: float | None = None
        self._changes = 0
        self._gain = 0.0
        self._loss = 0.0

    @property
    def value(self) -> float | None:
        """The index; None while there are too few changes."""
        if self._changes < self._length:
            return None
        moved = self._gain + self._loss
        # Without any move neither side is the stronger one.
        return 50.0 if not moved else 100.0 * self._gain / moved

    def add(self, value: float) -> float | None:
        """Take the next value; return the index."""
        change = 0.0 if self._last is None else value - self._last
        if self._last is not None:
            self._changes += 1
            # The first ones are averaged evenly, the others fade (Wilder 1978).
            share = 1.0 / min(self._changes, self._length)
            self._gain += share * (max(0.0, change) - self._gain)
            self._loss += share * (max(0.0, -change) - self._loss)
        self._last = value
        return self.value


class Macd:
    """Moving average convergence divergence, with its signal line.

    Args:
        fast: Length of the faster average.
        slow: Length of the slower one.
        signal: Length of the average over their difference.
    """

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast = Exponential(fast)
        self._slow = Exponential(slow)
        self._signal = Exponential(signal)
        self.value: float | None = None

    @property
    def signal(self) -> float | None:
        """The signal line; None while there are too few values."""
        return self._signal.value

    def add(self, value: float) -> float | None:
        """Take the next value; return the difference of the averages."""
        fast, slow = self._fast.add(value), self._slow.add(value)
        if fast is not None and slow is not None:
            self.value = fast - slow
            self._signal.add(self.value)
        return self.value
