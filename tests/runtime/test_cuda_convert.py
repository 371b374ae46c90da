"""Comes in: runtime/cuda/convert.cuh, compiled for the CPU.
Goes out: verdicts on every dtype, and rows that could be added, against runtime/cpu/convert.c.
Must not know: any kernel.
"""

import shutil
import subprocess

import pytest

from opsmithc import dtype_text

from .ccompile import ROOT
from .test_convert import TABLE

SOURCE = r"""
#include "convert.cuh"
#include <stdio.h>

static const double values[] = {
    0, -0.0, 0.001, 1.06, -1.0625, 255.9, 256.5, 448, 464, 465, 480, -5, 57344, 61439, 61440, 65536,
    70000.7, -1e9, 3e9, 1e-9, 0x1p-9, 0x1.8p-10, 0x1p-10, 0x1p-17, NAN, INFINITY, -INFINITY,
};
static int bad;

static void same(const char *what, int dtype, double x, double got, double want)
{
    if (got != want && !(got != got && want != want)) {
        ++bad;
        printf("%s %s of %g: %g, expected %g\n", what, ops_dtype_name[dtype], x, got, want);
    }
}

template <class C> static void check(const char *what, int code, int dtype, double x)
{
    char stored[8] = {0}, want_stored[8] = {0};
    C value, want;
    ops_store_any<double>(stored, dtype, x);
    ops_convert(dtype, OPS_F64, 1, &x, 8, want_stored);
    value = ops_load_any<C>(stored, dtype);
    ops_convert(code, dtype, 1, want_stored, ops_dtype_size[dtype], &want);
    same(what, dtype, x, (double)value, (double)want);
    double back, want_back;
    ops_store_any<C>(stored, dtype, want);
    ops_convert(dtype, code, 1, &want, sizeof want, want_stored);
    ops_convert(OPS_F64, dtype, 1, stored, 8, &back);
    ops_convert(OPS_F64, dtype, 1, want_stored, 8, &want_back);
    same(what, dtype, x, back, want_back);
}

int main(void)
{
    for (int dtype = 0; dtype < OPS_DTYPE_COUNT; ++dtype) {
        for (double x : values) {
            check<double>("f64", OPS_F64, dtype, x);
            check<float>("f32", OPS_F32, dtype, x);
            check<int64_t>("i64", OPS_I64, dtype, x);
            check<int32_t>("i32", OPS_I32, dtype, x);
        }
    }
    return bad != 0;
}
"""


def test_the_rules_are_the_cpus(tmp_path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    table = tuple(d for d in TABLE if d.code != "u64")  # 2^63 and more is the CPU's alone
    arrays = dtype_text.write(tmp_path, table)
    (tmp_path / "main.cpp").write_text(SOURCE)
    runtime = ROOT / "runtime"
    host = ROOT / "tests" / "runtime" / "cuda_on_host"
    folders = (host, runtime / "include", runtime / "cuda", tmp_path)
    include = [f"-I{f}" for f in folders]
    objects = []
    for source, language in (
        (arrays, ["gcc", "-std=gnu11"]),
        (runtime / "cpu" / "convert.c", ["gcc", "-std=gnu11"]),
        (tmp_path / "main.cpp", [compiler, "-std=c++20"]),
    ):
        objects.append(tmp_path / f"{source.stem}.o")
        subprocess.run(
            [*language, "-w", "-O1", "-fwrapv", *include, "-c", source, "-o", objects[-1]],
            check=True,
        )
    program = tmp_path / "program"
    subprocess.run([compiler, *objects, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
