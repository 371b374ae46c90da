"""Worker processes of a loader.

Each worker has a queue of jobs `(epoch, number, index)`; all write `(epoch, number, batch)` to one
queue of results. A job without an index starts an epoch, None ends the worker.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
import traceback
from collections.abc import Iterator
from typing import Any

import opsmith
from opsmith.utils.data._fetch import IterableFetcher, MapFetcher

__all__ = ["WorkerInfo", "Workers", "get_worker_info"]

_POLL = 5.0  # seconds between looks at whether the workers live
_info: WorkerInfo | None = None


class WorkerInfo:
    """What a worker knows of itself: `id`, `num_workers`, `seed`, `dataset` (its own copy)."""

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        """Keep the arguments."""
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        """The fields."""
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed})"


def get_worker_info() -> WorkerInfo | None:
    """In a worker process its `WorkerInfo`, in the main process None."""
    return _info


class _Over:
    """A worker's stream is over."""


class _Failure:
    """An error in a worker, with its traceback as text: exceptions may not pickle."""

    def __init__(self, worker: int, error: BaseException) -> None:
        self.kind = type(error)
        self.text = (
            f"Caught {self.kind.__name__} in DataLoader worker process {worker}.\n"
            f"Original {traceback.format_exc()}"
        )

    def reraise(self) -> None:
        try:
            error = self.kind(self.text)
        except Exception:
            raise RuntimeError(self.text) from None
        raise error


def _fetcher(options: dict[str, Any]) -> Any:
    dataset, batched, collate = options["dataset"], options["batched"], options["collate"]
    if options["iterable"]:
        return IterableFetcher(dataset, batched, collate, options["drop_last"])
    return MapFetcher(dataset, batched, collate)


def _work(options: dict[str, Any], worker: int, count: int, seed: int, jobs: Any, out: Any) -> None:
    """The body of a worker."""
    global _info
    random.seed(seed + worker)
    opsmith.manual_seed(seed + worker)
    _info = WorkerInfo(worker, count, seed + worker, options["dataset"])
    failure = fetcher = None
    if options["init"] is not None:
        try:
            options["init"](worker)
        except Exception as error:
            failure = _Failure(worker, error)
    while (job := jobs.get()) is not None:
        epoch, number, index = job
        if number is None:
            fetcher = None
            continue
        try:
            if failure is None and fetcher is None:
                fetcher = _fetcher(options)
            result = failure or fetcher.fetch(index)
        except StopIteration:
            result = _Over()
        except Exception as error:
            result = _Failure(worker, error)
        out.put((epoch, number, result))


class Workers:
    """Processes that fetch batches ahead of their use.

    Args:
        count: how many.
        ahead: how many batches each may have under way.
        seed: worker i seeds its random numbers by seed + i.
        timeout: seconds to wait for a batch, 0 for as long as it takes.
        context: a start method or a multiprocessing context.
        **options: dataset, batched, collate, iterable, drop_last, init.
    """

    def __init__(
        self, count: int, ahead: int, seed: int, timeout: float, context: Any, **options: Any
    ) -> None:
        """Start the processes."""
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.count = count
        self.ahead = ahead
        self.timeout = timeout
        self.epoch = 0
        self.results = context.Queue()
        self.jobs = [context.Queue() for _ in range(count)]
        self.processes = [
            context.Process(
                target=_work,
                args=(options, i, count, seed, self.jobs[i], self.results),
                daemon=True,
            )
            for i in range(count)
        ]
        for process in self.processes:
            process.start()

    def run(self, indices: Iterator[Any]) -> Iterator[Any]:
        """Yield the batches of an epoch in the order of their indices."""
        self.epoch += 1
        for jobs in self.jobs:
            jobs.put((self.epoch, None, None))
        active = list(range(self.count))
        arrived: dict[int, Any] = {}
        owner: dict[int, int] = {}
        sent = wanted = 0

        def send(worker: int) -> None:
            nonlocal sent
            index = next(indices, _Over)
            if index is not _Over:
                self.jobs[worker].put((self.epoch, sent, index))
                owner[sent] = worker
                sent += 1

        for _ in range(self.ahead):
            for worker in active:
                send(worker)
        while wanted < sent:
            while wanted not in arrived:
                epoch, number, result = self._receive()
                if epoch == self.epoch:
                    arrived[number] = result
            result = arrived.pop(wanted)
            worker = owner.pop(wanted)
            wanted += 1
            if isinstance(result, _Over):
                if worker in active:
                    active.remove(worker)
                continue
            if isinstance(result, _Failure):
                result.reraise()
            if worker in active:
                send(worker)
            yield result

    def _receive(self) -> Any:
        waited = 0.0
        while True:
            step = min(_POLL, self.timeout - waited) if self.timeout > 0 else _POLL
            try:
                return self.results.get(timeout=step)
            except queue.Empty:
                waited += step
            dead = [process.pid for process in self.processes if not process.is_alive()]
            if dead:
                pids = ", ".join(map(str, dead))
                raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly")
            if 0 < self.timeout <= waited:
                raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")

    def stop(self) -> None:
        """End the processes."""
        for jobs in self.jobs:
            jobs.put(None)
        for process in self.processes:
            process.join(timeout=0.2)
            if process.is_alive():
                process.terminate()
                process.join()
        for channel in (*self.jobs, self.results):
            channel.cancel_join_thread()
            channel.close()
