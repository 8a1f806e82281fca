from __future__ import annotations

import os
import signal

import pytest

from restore.interrupt import deferred


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with deferred() as signalled:
        assert signalled() == 0
        os.kill(os.getpid(), number)
        assert signalled() == number
    assert signal.getsignal(number) == before


def test_the_second_signal_acts() -> None:
    with deferred() as signalled:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signalled() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_second_signal_may_act_otherwise() -> None:
    heard: list[int] = []
    with deferred(second=heard.append) as signalled:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert signalled() == signal.SIGINT
    assert heard == [signal.SIGINT] * 2


def test_handlers_are_put_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="boom"), deferred():
        raise ValueError("boom")
    assert signal.getsignal(signal.SIGINT) == before
