"""Comes in: runtime/cpu/parallel.c, compiled with a few C bodies that record what they are given.
Goes out: verdicts on coverage, nesting, concurrent callers, fork, exit, scratch memory.
Must not know: any kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import pytest

BODIES = r"""
#include "opsmith/parallel.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef struct { _Atomic int *seen; int64_t grain; atomic_int ranges, misplaced; } visit_t;

static void visit(int64_t lo, int64_t hi, void *arg)
{
    visit_t *v = arg;
    ++v->ranges;
    v->misplaced += lo % v->grain != 0;
    for (int64_t i = lo; i < hi; ++i) {
        ++v->seen[i];
    }
}

/* Number of ranges, or -1 if one did not start at a multiple of grain. */
int count_visits(int64_t n, int64_t grain, int *seen)
{
    visit_t v = {(_Atomic int *)seen, grain, 0, 0};
    ops_parallel_for(n, grain, visit, &v);
    return v.misplaced ? -1 : v.ranges;
}

typedef struct { pthread_t outer; _Atomic int64_t sum, elsewhere; } nest_t;

static void inner(int64_t lo, int64_t hi, void *arg)
{
    nest_t *n = arg;
    n->elsewhere += !pthread_equal(n->outer, pthread_self());
    n->sum += hi - lo;
}

static void outer(int64_t lo, int64_t hi, void *arg)
{
    for (int64_t i = lo; i < hi; ++i) {
        nest_t n = {pthread_self(), 0, 0};
        ops_parallel_for(1000, 1, inner, &n);
        *(_Atomic int64_t *)arg += n.sum + 1000000 * n.elsewhere;
    }
}

int64_t nested_sum(int64_t n)
{
    _Atomic int64_t sum = 0;
    ops_parallel_for(n, 1, outer, &sum);
    return sum;
}

typedef struct { const double *x; double *partial; int64_t n; } block_t;
enum { BLOCK = 1000 };

static void sum_blocks(int64_t lo, int64_t hi, void *arg)
{
    const block_t *b = arg;
    for (int64_t i = lo; i < hi; ++i) {
        double sum = 0;
        for (int64_t j = i * BLOCK; j < b->n && j < (i + 1) * BLOCK; ++j) {
            sum += b->x[j];
        }
        b->partial[i] = sum;
    }
}

double block_sum(const double *x, int64_t n, double *partial)
{
    block_t b = {x, partial, n};
    const int64_t blocks = (n + BLOCK - 1) / BLOCK;
    double sum = 0;
    ops_parallel_blocks(blocks, sum_blocks, &b);
    for (int64_t i = 0; i < blocks; ++i) {
        sum += partial[i];
    }
    return sum;
}

static void wait_a_little(int64_t lo, int64_t hi, void *arg)
{
    (void)lo, (void)hi;
    usleep(20000);
    ++*(atomic_int *)arg;
}

int slow_tasks(int64_t n)
{
    atomic_int done = 0;
    ops_parallel_for(n, 1, wait_a_little, &done);
    return done;
}
"""
DECLARED = """
int count_visits(int64_t n, int64_t grain, int *seen);
int64_t nested_sum(int64_t n);
double block_sum(const double *x, int64_t n, double *partial);
int slow_tasks(int64_t n);
"""


@pytest.fixture(scope="module")
def pool_path(
    tmp_path_factory: pytest.TempPathFactory, pool_library: Callable[[Path, str], Path]
) -> Path:
    return pool_library(tmp_path_factory.mktemp("parallel"), BODIES)


@pytest.fixture(scope="module")
def declared(pool_declarations: str) -> str:
    return pool_declarations + DECLARED


@pytest.fixture(scope="module")
def ffi(declared: str) -> cffi.FFI:
    ffi = cffi.FFI()
    ffi.cdef(declared)
    return ffi


@pytest.fixture(scope="module")
def pool(pool_path: Path, ffi: cffi.FFI) -> Any:
    return ffi.dlopen(str(pool_path))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_index_is_visited_once(pool: Any, ffi: cffi.FFI, threads: int) -> None:
    pool.ops_set_num_threads(threads)
    assert pool.ops_num_threads() == threads
    for n in (1, 2, 7, 64, 1000, 4097):
        for grain in (1, 3, 64, 5000):
            seen = ffi.new("int[]", n)
            ranges = pool.count_visits(n, grain, seen)
            assert list(seen) == [1] * n
            assert ranges == 1 if threads == 1 or n <= grain else ranges >= 1


def test_nothing_to_do(pool: Any, ffi: cffi.FFI) -> None:
    assert pool.count_visits(0, 1, ffi.NULL) == 0
    assert pool.count_visits(-5, 1, ffi.NULL) == 0


def test_nested_regions_run_where_they_are_called(pool: Any) -> None:
    pool.ops_set_num_threads(4)
    assert pool.nested_sum(50) == 50 * 1000


def test_tasks_overlap(pool: Any) -> None:
    pool.ops_set_num_threads(4)
    assert _tasks_overlap(pool)


def test_block_sums_do_not_depend_on_threads(pool: Any, ffi: cffi.FFI) -> None:
    n = 123_457
    x = ffi.new("double[]", [1.0 / (i + 1) for i in range(n)])
    partial = ffi.new("double[]", n // 1000 + 1)
    sums = set()
    for threads in (1, 2, 3, 7):
        pool.ops_set_num_threads(threads)
        sums.add(pool.block_sum(x, n, partial))
    assert len(sums) == 1


def test_sleeping_workers_wake(pool: Any, ffi: cffi.FFI) -> None:
    pool.ops_set_num_threads(3)
    for pause in (0.0, 0.001, 0.02, 0.05):
        time.sleep(pause)
        seen = ffi.new("int[]", 500)
        pool.count_visits(500, 1, seen)
        assert list(seen) == [1] * 500


def test_several_callers_at_once(pool: Any, ffi: cffi.FFI) -> None:
    pool.ops_set_num_threads(3)
    wrong: list[int] = []

    def call() -> None:
        for _ in range(200):
            seen = ffi.new("int[]", 300)
            pool.count_visits(300, 2, seen)
            if list(seen) != [1] * 300:
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork(pool: Any, ffi: cffi.FFI) -> None:
    pool.ops_set_num_threads(3)
    assert pool.slow_tasks(3) == 3  # workers exist now
    for _ in range(5):
        child = os.fork()
        if child == 0:
            seen = ffi.new("int[]", 1000)
            pool.count_visits(1000, 1, seen)
            os._exit(0 if list(seen) == [1] * 1000 and _tasks_overlap(pool) else 1)
        assert _exit_code(child) == 0
        assert pool.slow_tasks(3) == 3


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_while_another_thread_is_in_a_region(pool: Any, ffi: cffi.FFI) -> None:
    pool.ops_set_num_threads(3)
    busy = threading.Thread(target=lambda: pool.slow_tasks(12))
    busy.start()
    time.sleep(0.01)
    child = os.fork()
    if child == 0:
        os._exit(0 if pool.nested_sum(20) == 20 * 1000 and _tasks_overlap(pool) else 1)
    assert _exit_code(child) == 0
    busy.join()


def _tasks_overlap(pool: Any) -> bool:
    """Ten sleeps of 20 ms take 200 ms on one thread, at most 80 on three."""
    start = time.perf_counter()
    return pool.slow_tasks(10) == 10 and time.perf_counter() - start < 0.17


def _exit_code(child: int) -> int:
    for _ in range(1000):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


SCRIPT = """
import sys, threading, cffi
ffi = cffi.FFI()
ffi.cdef({declared!r})
pool = ffi.dlopen({path!r})
{body}
"""


Run = Callable[..., str]


@pytest.fixture
def run(pool_path: Path, declared: str) -> Run:
    """Runs Python text that uses `pool` in a fresh process; returns what it prints."""

    def run_script(body: str, **environment: str) -> str:
        script = SCRIPT.format(declared=declared, path=str(pool_path), body=body)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run_script


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), ("0", None), ("two", None), ("", None), ("-4", None)]
)
def test_environment(run: Run, value: str, expected: int | None) -> None:
    found = run("print(pool.ops_num_threads())", OPSMITH_NUM_THREADS=value)
    assert int(found) == (expected or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    "end",
    ["pass", "ffi.dlclose(pool)", "sys.exit()", "import os; os._exit(0)"],
    ids=["falls off the end", "dlclose", "sys.exit", "_exit"],
)
def test_exit(run: Run, end: str) -> None:
    run(f"pool.ops_set_num_threads(4)\nassert pool.slow_tasks(4) == 4\n{end}")


def test_exit_while_a_daemon_thread_is_in_a_region(run: Run) -> None:
    body = """
pool.ops_set_num_threads(3)
threading.Thread(target=lambda: pool.slow_tasks(30), daemon=True).start()
import time; time.sleep(0.05)
"""
    run(body)


def test_pinned_workers(run: Run) -> None:
    body = "pool.ops_set_num_threads(4)\nprint(pool.slow_tasks(8))"
    assert run(body, OPSMITH_PIN_THREADS="1") == "8"


def test_scratch(pool: Any, ffi: cffi.FFI) -> None:
    gemm = pool.ops_scratch(pool.OPS_SCRATCH_GEMM, 1000)
    conv = pool.ops_scratch(pool.OPS_SCRATCH_CONV, 1000)
    assert gemm != ffi.NULL
    assert gemm != conv
    assert pool.ops_scratch(pool.OPS_SCRATCH_GEMM, 1000) == gemm
    huge = pool.ops_scratch(pool.OPS_SCRATCH_GEMM, 5 << 20)
    assert int(ffi.cast("intptr_t", huge)) % (2 << 20) == 0
    assert pool.ops_scratch(pool.OPS_SCRATCH_GEMM, 10) == huge  # kept
    assert pool.ops_scratch(pool.OPS_SCRATCH_OTHER, 0) != ffi.NULL
    assert pool.ops_scratch(pool.OPS_SCRATCH_OTHER, 2**64 - 1) == ffi.NULL
    assert pool.ops_scratch(pool.OPS_SCRATCH_OTHER, 64) != ffi.NULL

    def use() -> None:
        for _ in range(3):
            assert pool.ops_scratch(pool.OPS_SCRATCH_GEMM, 3 << 20) != huge

    for _ in range(10):  # freed with each thread
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
