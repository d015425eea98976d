"""Batching of requests: those that arrive while the model is busy are scored together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from autofi.bundle.scorer import ScoringTimeError
from autofi.serving.limits import Limits
from autofi.serving.served_model import Floats


class BusyError(Exception):
    """The most requests that may wait are already waiting."""


class StuckError(Exception):
    """Scoring takes longer than allowed: that of the request's own batch (`own`), or of the batch before it."""

    def __init__(self, *, own: bool) -> None:
        super().__init__()
        self.own = own


@dataclass(frozen=True, eq=False)
class _Request:
    table: pa.Table
    answer: asyncio.Future[Floats]
    came: float


class MicroBatcher:
    """A queue that scores tables of equal schemas in one thread, several at a time while the model is busy.

    A request that finds the model idle is scored at once. Requests that arrive while it is busy are scored
    together afterwards, once the oldest has waited for `limits.window` seconds or there are `limits.batch_rows`
    rows. A request is never split; one with more rows is a batch of its own.

    A batch that takes longer than `limits.batch_seconds` is given up, and its requests and those behind it get
    an error. The thread itself cannot be ended; until it ends, `stuck_seconds` says for how long it has been
    late.
    """

    def __init__(
        self,
        score: Callable[[pa.Table], Floats],
        limits: Limits,
        *,
        observe: Callable[[int, int], None] = lambda requests, rows: None,
    ) -> None:
        """`observe` is called with the number of requests and of rows of every batch."""
        self._score = score
        self._limits = limits
        self._observe = observe
        self._waiting: deque[_Request] = deque()
        self._came = asyncio.Event()
        self._late_since: float | None = None

    @property
    def stuck_seconds(self) -> float:
        """The seconds by which the current batch is late; 0 while none is."""
        return 0.0 if self._late_since is None else time.monotonic() - self._late_since

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Score requests while the block runs; when it ends, waiting requests are cancelled."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="autofi-model")
        work = asyncio.create_task(self._work(thread))
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            for request in self._waiting:
                request.answer.cancel()
            # The thread is not waited for, because it may be stuck.
            thread.shutdown(wait=False, cancel_futures=True)

    async def score(self, table: pa.Table) -> Floats:
        """Return the probabilities of a table's rows.

        Raises:
            BusyError: Too many requests wait.
            StuckError: Scoring is late.
        """
        if self._late_since is not None:
            raise StuckError(own=False)
        if len(self._waiting) >= self._limits.waiting:
            raise BusyError
        loop = asyncio.get_running_loop()
        request = _Request(table, loop.create_future(), loop.time())
        self._waiting.append(request)
        self._came.set()
        return await request.answer

    async def _work(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        was_busy = False
        while True:
            if not self._waiting:
                await self._next()
            elif was_busy:
                await self._collect()
            was_busy = True
            batch = self._take()
            scoring = loop.run_in_executor(thread, self._scored, [request.table for request in batch])
            done, _ = await asyncio.wait([scoring], timeout=self._limits.batch_seconds)
            if not done:
                self._give_up(batch)
                with suppress(Exception):  # nobody waits for the result any more
                    await scoring
                self._late_since = None
                continue
            for request, answer in zip(batch, scoring.result(), strict=True):
                if request.answer.done():  # the client has gone
                    continue
                if isinstance(answer, Exception):
                    request.answer.set_exception(answer)
                else:
                    request.answer.set_result(answer)

    def _give_up(self, batch: list[_Request]) -> None:
        self._late_since = time.monotonic()
        for waiting, own in ((batch, True), (self._waiting, False)):
            for request in waiting:
                if not request.answer.done():
                    request.answer.set_exception(StuckError(own=own))
        self._waiting.clear()

    async def _next(self) -> None:
        """Wait for a new request."""
        self._came.clear()
        await self._came.wait()

    async def _collect(self) -> None:
        """Wait until the oldest request's window is over, or a batch is full."""
        deadline = self._waiting[0].came + self._limits.window
        while sum(request.table.num_rows for request in self._waiting) < self._limits.batch_rows:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._next()
            except TimeoutError:
                return

    def _take(self) -> list[_Request]:
        batch = [self._waiting.popleft()]
        rows = batch[0].table.num_rows
        while self._waiting and rows + self._waiting[0].table.num_rows <= self._limits.batch_rows:
            batch.append(self._waiting.popleft())
            rows += batch[-1].table.num_rows
        self._observe(len(batch), rows)
        return batch

    def _scored(self, tables: list[pa.Table]) -> list[Floats | Exception]:
        """Return the answer to every table; a table that cannot be scored does not affect the others."""
        try:
            probabilities = self._score(pa.concat_tables(tables))
        except Exception as error:
            if len(tables) == 1 or isinstance(error, ScoringTimeError):
                return [error] * len(tables)
            return [self._scored([table])[0] for table in tables]
        ends = np.cumsum([table.num_rows for table in tables])
        return list(np.split(probabilities, ends[:-1]))
