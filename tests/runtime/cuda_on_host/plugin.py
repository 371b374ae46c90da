"""A pytest plugin: opsmith finds the library of $CUDA_ON_HOST instead of a real CUDA one."""

import importlib.machinery
import importlib.util
import os
import sys

path = os.environ["CUDA_ON_HOST"]
loader = importlib.machinery.ExtensionFileLoader("opsmith._generated._cuda", path)
spec = importlib.util.spec_from_file_location("opsmith._generated._cuda", path, loader=loader)
assert spec is not None
module = importlib.util.module_from_spec(spec)
loader.exec_module(module)
sys.modules["opsmith._generated._cuda"] = module
