"""Write PyTorch's public names to frontend/opsmith/_pytorch_names.json; needs torch.

A module's public names are its ``__all__``; where it has none, the functions, classes and constants
in it that are its own. `opsmith._names` reads the list: for messages, and for the page on coverage.
"""

from __future__ import annotations

import importlib
import inspect
import json
import types
import warnings
from pathlib import Path

import torch

TARGET = Path(__file__).resolve().parents[1] / "frontend" / "opsmith" / "_pytorch_names.json"
MODULES = """
amp autograd autograd.forward_ad autograd.function autograd.functional autograd.grad_mode
autograd.graph autograd.profiler accelerator backends backends.cpu backends.cuda backends.cudnn
backends.cusparselt backends.mha backends.mkl backends.mkldnn backends.mps backends.nnpack
backends.openmp backends.opt_einsum backends.quantized compiler cpu cpu.amp cuda cuda.amp
cuda.memory cuda.nvtx cuda.random distributed distributions export fft func futures fx hub jit
library linalg masked monitor mps multiprocessing nested nn nn.attention nn.functional nn.init
nn.modules nn.parallel nn.parameter nn.utils nn.utils.parametrizations nn.utils.parametrize
nn.utils.prune nn.utils.rnn nn.utils.stateless onnx optim optim.lr_scheduler optim.swa_utils
overrides package profiler quantization random return_types serialization signal.windows sparse
special storage testing types utils utils.benchmark utils.checkpoint utils.collect_env
utils.cpp_extension utils.data utils.dlpack utils.hooks utils.mobile_optimizer utils.model_zoo
utils.tensorboard version xpu
""".split()


def names(module: types.ModuleType) -> list[str]:
    """The public names of a module."""
    if hasattr(module, "m") and isinstance(module.m, types.ModuleType):  # one with properties
        own = {n for n in vars(type(module)) if not n.startswith("_")}
        return sorted(own | set(names(module.m)))
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted({n for n in listed if not n.startswith("_") and hasattr(module, n)})
    found = set()
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            if value.__name__ == f"{module.__name__}.{name}":
                found.add(name)
        elif getattr(value, "__module__", "torch").startswith("torch"):
            found.add(name)
    return sorted(found)


def top() -> list[str]:
    """Those of ``torch`` itself: its list, dtypes and other constants, and its modules."""
    found = set(names(torch))
    for name, value in vars(torch).items():
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format, torch.qscheme)):
            found.add(name)
        if isinstance(value, types.ModuleType) and value.__name__ == f"torch.{name}":
            found.add(name)
    return sorted(n for n in found if not n.startswith("_"))


def main() -> None:
    """Collect and write them."""
    warnings.simplefilter("ignore")
    found = {"torch.Tensor": sorted(n for n in dir(torch.Tensor) if n[0] != "_")}
    for path in MODULES:
        try:
            module = importlib.import_module(f"torch.{path}")
        except ImportError as e:
            print(f"torch.{path}: {e}")
            continue
        assert inspect.ismodule(module)
        found[f"torch.{path}"] = names(module)
    found["torch"] = top()  # its modules are attributes by now
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items()))
    version = torch.__version__.partition("+")[0]
    TARGET.write_text(f'{{"version": "{version}",\n"names": {{\n{lines}\n}}}}\n', encoding="utf-8")
    print(f"{sum(map(len, found.values()))} names of {len(found)} namespaces, PyTorch {version}")


if __name__ == "__main__":
    main()
