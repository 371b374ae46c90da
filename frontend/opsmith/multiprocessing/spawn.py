"""Several processes that run one function, watched together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

PATIENCE = 30.0  # seconds between asking a process to end and ending it


class ProcessException(Exception):
    """A process failed: which one."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """Its function raised; the message has the traceback."""


class ProcessExitedException(ProcessException):
    """It ended with a status, or by a signal."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int,
        signal_name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> tuple[Any, ...]:
        given = self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name
        return type(self), given


def _run(fn: Callable[..., Any], i: int, args: tuple[Any, ...], error_file: str) -> None:
    """What each process does: a failure's traceback goes into a file."""
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent ends its children so
    except Exception:
        with open(error_file, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """Processes that were started together."""

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        self.processes, self.error_files = processes, error_files
        self.sentinels = {p.sentinel: k for k, p in enumerate(processes)}

    def pids(self) -> list[int]:
        """Their ids."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one ends, for ``timeout`` seconds at most; True once all have ended.

        When one failed the others are ended: asked first, after ``grace_period`` seconds.

        Raises:
            ProcessException: the first failure.
        """
        if not self.sentinels:
            return True
        failed = None
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout=timeout):
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                failed = index
                break
        if failed is None:
            return not self.sentinels
        self._end(grace_period)
        raise self._failure(failed)

    def _end(self, grace_period: float | None) -> None:
        if grace_period is not None:
            self._wait(grace_period)
        for end in ("terminate", "kill"):
            for p in self.processes:
                if p.is_alive():
                    getattr(p, end)()
            self._wait(PATIENCE if grace_period is None else grace_period)
        for p in self.processes:
            p.join()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for p in self.processes:
            p.join(max(0.0, until - time.monotonic()))

    def _failure(self, index: int) -> ProcessException:
        process, path = self.processes[index], self.error_files[index]
        if os.path.exists(path):
            with open(path, "rb") as file:
                trace = pickle.load(file)
            os.unlink(path)
            msg = f"\n\n-- Process {index} terminated with the following error:\n{trace}"
            return ProcessRaisedException(msg, index, process.pid)
        code = process.exitcode
        if code >= 0:
            msg = f"process {index} terminated with exit code {code}"
            return ProcessExitedException(msg, index, process.pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        msg = f"process {index} terminated with signal {name}"
        return ProcessExitedException(msg, index, process.pid, code, name)


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run ``fn(i, *args)`` in processes i = 0 .. nprocs - 1, and wait for them if ``join``."""
    context: Any = multiprocessing.get_context(start_method)
    processes, error_files = [], []
    for i in range(nprocs):
        handle, path = tempfile.mkstemp(prefix="opsmith-error-", suffix=".pickle")
        os.close(handle)
        os.unlink(path)
        process = context.Process(target=_run, args=(fn, i, args, path), daemon=daemon)
        process.start()
        processes.append(process)
        error_files.append(path)
    started = ProcessContext(processes, error_files)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """``start_processes`` with fresh interpreters; ``fn`` must be importable."""
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}).\nTo use a "
            "different start_method use start_processes(...)", FutureWarning, stacklevel=2,
        )  # fmt: skip
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")


__all__ = [
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException",
    "spawn", "start_processes",
]  # fmt: skip
