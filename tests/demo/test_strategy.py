"""The strategy."""

from wavetank.demo.strategy import Choice, Crossing, Readings


def readings(fast: float | None, rsi: float = 50.0) -> Readings:
    """Return readings whose slow average is 10."""
    return Readings(fast, 10.0, 10.0, rsi, 0.0, 0.0)


def test_a_crossing_upwards_buys_and_one_downwards_sells() -> None:
    """Nothing is done before the first side is known, nor where it stays."""
    crossing = Crossing()
    assert crossing.choose(readings(None)) is None
    assert crossing.choose(readings(9.0)) is None
    assert crossing.choose(readings(9.5)) is None
    assert crossing.choose(readings(11.0)) == Choice(
        "buy", "the fast average crossed upwards, RSI 50"
    )
    assert crossing.choose(readings(12.0)) is None
    assert crossing.choose(readings(9.0)) == Choice(
        "sell", "the fast average crossed downwards, RSI 50"
    )


def test_nothing_is_bought_that_has_run_too_far_nor_sold_that_has_fallen() -> None:
    """The strength index holds back."""
    crossing = Crossing()
    crossing.choose(readings(9.0))
    assert crossing.choose(readings(11.0, rsi=85.0)) is None
    assert crossing.choose(readings(9.0, rsi=15.0)) is None


def test_all_readings_are_there_once_there_are_enough_prices() -> None:
    """The longest of them takes 26 prices and nine more for its signal."""
    crossing = Crossing()
    every = [crossing.add(float(price)) for price in range(1, 60)]
    assert set(every[0]) == {None}
    assert None not in every[-1]
    assert every[-1].average == sum(range(45, 60)) / 15
