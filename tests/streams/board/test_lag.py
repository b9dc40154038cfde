"""How long something waits for the service."""

from streams.board.lag import Lag


def test_nothing_waits_where_all_is_decided():
    lag = Lag()
    assert lag.longest(1.0) == 0.0
    lag.note(0, 10, 10, 1.0)
    assert (lag.seconds(0, 9.0), lag.seconds(1, 9.0)) == (0.0, 0.0)


def test_what_waits_waits_from_when_it_was_first_seen():
    lag = Lag()
    for clock, end, decided in ((1.0, 10, 8), (3.0, 12, 9), (5.0, 12, 9)):
        lag.note(0, end, decided, clock)
    assert lag.seconds(0, 6.0) == 5.0
    lag.note(0, 12, 10, 7.0)
    assert lag.seconds(0, 8.0) == 5.0
    lag.note(0, 12, 12, 9.0)
    assert lag.seconds(0, 9.0) == 0.0


def test_the_slowest_part_counts():
    lag = Lag()
    lag.note(0, 5, 0, 4.0)
    lag.note(1, 5, 0, 2.0)
    assert lag.longest(10.0) == 8.0
