"""Requests are scored at once when the model is idle and together when it is not; none pays for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from autofi.serving.batching import BusyError, MicroBatcher
from autofi.serving.limits import Limits
from autofi.serving.served_model import Floats

#: Nobody waits as long as this window.
LIMITS = Limits(batch_rows=10, window=3600.0, waiting=20)


class Model:
    """Doubles numbers, refuses negative ones, and waits for `go` before every batch."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def score(self, table: pa.Table) -> Floats:
        numbers = table["x"].to_numpy()
        self.batches.append(numbers.tolist())
        self.begun.release()
        assert self.go.acquire(timeout=60)
        if (numbers < 0).any():
            raise ValueError("a negative number")
        return numbers * 2.0


def table(*numbers: float) -> pa.Table:
    return pa.table({"x": pa.array(numbers, pa.float64())})


def with_batcher(
    scenario: Callable[[MicroBatcher, Model], Awaitable[None]], limits: Limits = LIMITS
) -> Model:
    async def run() -> Model:
        model = Model()
        batcher = MicroBatcher(model.score, limits)
        async with batcher.running():
            await scenario(batcher, model)
        return model

    return asyncio.run(run())


async def busy(batcher: MicroBatcher, model: Model) -> asyncio.Task[Floats]:
    """A request that the model works at until it may go."""
    first = asyncio.create_task(batcher.score(table(1)))
    assert await asyncio.to_thread(model.begun.acquire, timeout=60)
    return first


async def several(batcher: MicroBatcher, *tables: pa.Table) -> list[asyncio.Task[Floats]]:
    tasks = [asyncio.create_task(batcher.score(given)) for given in tables]
    await asyncio.sleep(0)
    return tasks


def test_a_lone_request_does_not_wait_for_the_window() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        for number in (1.0, 2.0, 3.0):
            model.go.release()
            assert (await batcher.score(table(number))).tolist() == [2 * number]

    assert with_batcher(scenario).batches == [[1.0], [2.0], [3.0]]


def test_what_comes_meanwhile_is_scored_together_and_each_gets_its_own() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        first = await busy(batcher, model)
        others = await several(batcher, table(2), table(3, 4, 5), table(6, 7))
        model.go.release(2)
        answers = [(await answer).tolist() for answer in (first, *others)]
        assert answers == [[2.0], [4.0], [6.0, 8.0, 10.0], [12.0, 14.0]]

    model = with_batcher(scenario, replace(LIMITS, window=0.0))
    assert model.batches == [[1.0], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]


def test_collecting_goes_on_until_a_batch_is_full() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        first = await busy(batcher, model)
        others = await several(batcher, table(*range(6)))
        model.go.release()
        await first
        await asyncio.sleep(0.1)
        assert len(model.batches) == 1
        others += await several(batcher, table(6, 7, 8, 9), table(*range(20)), table(5))
        model.go.release(3)
        await asyncio.gather(*others[:3])
        others += await several(batcher, table(*range(9)))
        await asyncio.gather(*others)

    sizes = [len(batch) for batch in with_batcher(scenario).batches]
    assert sizes == [1, 10, 20, 10]


def test_one_that_cannot_be_scored_takes_no_other_with_it() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        first = await busy(batcher, model)
        others = await several(batcher, table(2), table(-1), table(3))
        model.go.release(5)
        await first
        answers = await asyncio.gather(*others, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["[4.]", "a negative number", "[6.]"]
        model.go.release()
        assert (await batcher.score(table(9))).tolist() == [18.0]

    with_batcher(scenario, replace(LIMITS, window=0.0))


def test_a_request_too_many_is_refused_at_once_and_no_other() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        first = await busy(batcher, model)
        waiting = await several(batcher, *(table(number) for number in range(20)))
        with pytest.raises(BusyError):
            await batcher.score(table(99))
        model.go.release(3)
        answers = await asyncio.gather(first, *waiting)
        assert np.concatenate(answers).tolist() == [2.0, *(2.0 * number for number in range(20))]

    with_batcher(scenario)


def test_who_has_gone_does_not_disturb_the_others() -> None:
    async def scenario(batcher: MicroBatcher, model: Model) -> None:
        first = await busy(batcher, model)
        gone, stays = await several(batcher, table(2), table(3))
        gone.cancel()
        model.go.release(2)
        assert [(await first).tolist(), (await stays).tolist()] == [[2.0], [6.0]]

    with_batcher(scenario, replace(LIMITS, window=0.0))
