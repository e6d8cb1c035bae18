"""Ctrl-C is put off while something is written, and never lost."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from databroker_writable.runs.interrupts import are_broken_off, deferred_interrupts, interruptible


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handler() -> Iterator[Any]:
    """The handler is in force again after each test."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert after is before


def test_the_block_is_done_and_then_interrupted() -> None:
    done = []

    def work() -> None:
        with deferred_interrupts():
            interrupt()
            interrupt()
            done.append(1)
        done.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    # and only once
    with deferred_interrupts():
        pass


def test_only_the_outermost_block_is_interrupted() -> None:
    done = []

    def work() -> None:
        with deferred_interrupts():
            with deferred_interrupts():
                interrupt()
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


def test_an_interrupt_is_not_lost_where_the_block_fails() -> None:
    def work() -> None:
        with deferred_interrupts():
            interrupt()
            raise ValueError("failed")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_a_handler_of_the_user_is_called_after_the_block(handler: Any) -> None:
    calls: list[Any] = []
    signal.signal(signal.SIGINT, lambda *args: calls.append(args))
    try:
        with deferred_interrupts():
            interrupt()
            assert calls == []
    finally:
        signal.signal(signal.SIGINT, handler)
    ((number, frame),) = calls
    assert number == signal.SIGINT
    assert frame.f_code.co_name == "test_a_handler_of_the_user_is_called_after_the_block"


@pytest.mark.parametrize("action", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_no_python_code_handles_is_left_alone(action: Any, handler: Any) -> None:
    signal.signal(signal.SIGINT, action)
    try:
        with deferred_interrupts(), interruptible():
            assert signal.getsignal(signal.SIGINT) is action
    finally:
        signal.signal(signal.SIGINT, handler)


def test_other_threads_defer_nothing(handler: Any) -> None:
    seen = []

    def work() -> None:
        with deferred_interrupts(), interruptible():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler]


def test_a_long_wait_within_can_be_interrupted() -> None:
    done = []

    def work() -> None:
        with deferred_interrupts():
            try:
                with interruptible():
                    interrupt()
                    done.append("not this")
            except KeyboardInterrupt:
                interrupt()
                done.append("this")
                raise

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["this"]


def test_an_interrupt_that_comes_while_a_lock_is_taken_back_is_an_interrupt() -> None:
    def interrupted() -> None:
        with interruptible():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                threading.Lock().release()

    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        interrupted()
    with pytest.raises(RuntimeError, match="unlocked"), deferred_interrupts(), interruptible():
        threading.Lock().release()


def test_what_came_before_a_long_wait_ends_it_at_once() -> None:
    done = []

    def work() -> None:
        with deferred_interrupts():
            interrupt()
            with interruptible():
                done.append("not this")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_interrupts_at_any_moment_leave_the_handler_and_whole_blocks() -> None:
    choose = random.Random(0)
    for _ in range(200):
        begun = ended = interrupts = 0
        timer = threading.Timer(choose.uniform(0, 0.002), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            until = time.monotonic() + 10
            # without a condition: python/cpython#130279
            while True:
                assert time.monotonic() < until
                with deferred_interrupts():
                    begun += 1
                    with deferred_interrupts():
                        pass
                    ended += 1
        except KeyboardInterrupt:
            interrupts += 1
        timer.join()
        assert (begun, interrupts) == (ended, 1)


def test_a_second_interrupt_ends_a_block_that_is_not_to_be_waited_for() -> None:
    done: list[Any] = []

    def work() -> None:
        with deferred_interrupts(patience=0.05), deferred_interrupts():
            interrupt()
            interrupt()
            done.append("at once")
            time.sleep(0.1)
            try:
                interrupt()
                done.append("not this")
            finally:
                done.append(are_broken_off())

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["at once", True]
    assert not are_broken_off()


def test_a_second_interrupt_whose_handler_lets_the_block_go_on_breaks_nothing_off(handler: Any) -> None:
    calls: list[Any] = []
    signal.signal(signal.SIGINT, lambda *args: calls.append(args))
    try:
        with deferred_interrupts(patience=0.0):
            interrupt()
            time.sleep(0.01)
            interrupt()
            assert (len(calls), are_broken_off()) == (1, False)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert len(calls) == 2
