"""Without a CUDA library, or with one and no GPU, all else works and errors are like PyTorch's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from opsmithc import paths

USES = (
    "opsmith.zeros(2).cuda()",
    "opsmith.zeros(2).to('cuda')",
    "opsmith.zeros(2, device='cuda')",
    "opsmith.zeros(2, device='cuda:0')",
    "opsmith.nn.Linear(2, 2).cuda()",
    "opsmith.nn.Linear(2, 2).to('cuda')",
    "opsmith.cuda.current_device()",
    "opsmith.cuda.synchronize()",
    "opsmith.cuda.Stream()",
)
NO_LIBRARY = "sys.modules['opsmith._generated._cuda'] = None"  # how Python marks what is absent
NO_GPU = """
class lib:
    ops_cuda_device_count = staticmethod(lambda: 0)
    ops_cuda_why_not = staticmethod(lambda: TEXT)
import opsmith
from opsmith._boundary import ffi
TEXT = ffi.new("char[]", b"no CUDA-capable device is detected")
module = types.ModuleType("opsmith._generated._cuda")
module.lib = lib
sys.modules[module.__name__] = module
"""
PROGRAM = """
import sys, types
{setting}
import opsmith
assert not opsmith.cuda.is_available() and opsmith.cuda.device_count() == 0
assert not opsmith.cuda.is_initialized()
assert opsmith.cuda.memory_allocated() == 0 and opsmith.cuda.memory_reserved() == 0
opsmith.cuda.empty_cache()
for use in {uses!r}:
    for _ in range(2):  # the same error each time
        try:
            eval(use)
        except {error} as e:
            assert {text!r} in str(e), (use, str(e))
        else:
            raise SystemExit(use + ": no error")
assert opsmith.device("cuda:1").index == 1
assert (opsmith.ones(2) + 1).sum().item() == 4
"""


@pytest.mark.parametrize(
    ("setting", "error", "text"),
    [
        (NO_LIBRARY, "AssertionError", "not compiled with CUDA enabled"),
        (NO_GPU, "RuntimeError", "no CUDA-capable device"),
    ],
    ids=["no library", "no GPU"],
)
def test_everything_else_works(setting: str, error: str, text: str) -> None:
    program = PROGRAM.format(setting=setting, uses=USES, error=error, text=text)
    env = dict(os.environ, PYTHONPATH=str(paths.FRONTEND))
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
