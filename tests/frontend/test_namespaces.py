"""Modules that programs name: they load, answer honestly, and refuse when they are used.

Answers are those of PyTorch 2.13.0 for the CPU, but for what this library is otherwise.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import opsmith as torch

MODULES = (
    "__config__ accelerator backends backends.cpu backends.cuda backends.cudnn "
    "backends.cusparselt backends.mha backends.miopen backends.mkl backends.mkldnn backends.mps "
    "backends.nnpack backends.openmp backends.opt_einsum backends.quantized compiler cpu cuda "
    "cuda.memory cuda.nvtx cuda.random distributed hub jit mps multiprocessing random types utils "
    "utils.collect_env utils.data version xpu"
).split()


@pytest.mark.parametrize("name", MODULES)
def test_modules_load_and_have_what_they_list(name):
    module = importlib.import_module(f"opsmith.{name}")
    for public in getattr(module, "__all__", ()):
        assert getattr(module, public, None) is not None or hasattr(module, public), public
    found = torch
    for part in name.split("."):
        found = getattr(found, part)
    assert found is module


ANSWERS = {
    "cuda.device_count()": 0,
    "cuda.is_initialized()": False,
    "cuda.manual_seed(1)": None,
    "cuda.manual_seed_all(1)": None,
    "cuda.is_bf16_supported()": False,
    "cuda.get_arch_list()": [],
    "cuda.get_gencode_flags()": "",
    "cuda.memory_stats()": {},
    "cuda.max_memory_reserved()": 0,
    "cuda.get_rng_state_all()": [],
    "cuda.reset_peak_memory_stats()": None,
    "cuda.default_generators": (),
    "mps.is_available()": False,
    "mps.device_count()": 0,
    "mps.manual_seed(0)": None,
    "xpu.is_available()": False,
    "xpu.device_count()": 0,
    "xpu.memory_allocated()": 0,
    "xpu.manual_seed(1)": None,
    "xpu.empty_cache()": None,
    "cpu.is_available()": True,
    "cpu.current_device()": "cpu",
    "cpu.device_count()": 1,
    "accelerator.is_available()": False,
    "accelerator.device_count()": 0,
    "accelerator.current_accelerator()": None,
    "backends.cudnn.version()": None,
    "backends.cudnn.is_available()": False,
    "backends.cudnn.enabled": True,
    "backends.cudnn.benchmark": False,
    "backends.cudnn.deterministic": False,
    "backends.cudnn.allow_tf32": True,
    "backends.cuda.is_built()": False,
    "backends.cuda.matmul.allow_tf32": False,
    "backends.cuda.flash_sdp_enabled()": True,
    "backends.mps.is_available()": False,
    "backends.mps.is_built()": False,
    "backends.mkl.is_available()": False,
    "backends.openmp.is_available()": False,
    "backends.mha.get_fastpath_enabled()": True,
    "backends.opt_einsum.strategy": None,
    "distributed.is_available()": False,
    "distributed.is_initialized()": False,
    "jit.is_scripting()": False,
    "jit.is_tracing()": False,
    "compiler.is_compiling()": False,
    "version.cuda": None,
    "version.hip": None,
    "get_float32_matmul_precision()": "highest",
    "are_deterministic_algorithms_enabled()": False,
    "get_deterministic_debug_mode()": 0,
    "is_warn_always_enabled()": False,
    "is_anomaly_enabled()": False,
    "is_inference_mode_enabled()": False,
    "typename(torch.ones(1))": "torch.FloatTensor",
    "typename(3)": "int",
    "get_device_module().__name__": "opsmith.cpu",
}


@pytest.mark.parametrize("question", list(ANSWERS))
def test_answers(question):
    if torch.cuda.is_available():
        pytest.skip("answers of a machine without a GPU")
    assert eval(question, {}, _Names()) == ANSWERS[question]


class _Names(dict):
    def __missing__(self, name):
        return torch if name == "torch" else getattr(torch, name)


REFUSALS = {
    "mps.synchronize()": (RuntimeError, "MPS"),
    "xpu.synchronize()": (AssertionError, "XPU"),
    "xpu.Stream()": (RuntimeError, "XPU"),
    "cuda.get_device_properties(0)": (AssertionError, "CUDA"),
    "cuda.get_rng_state()": (AssertionError, "CUDA"),
    "cuda.Event()": (AssertionError, "CUDA"),
    "cuda.CUDAGraph()": (RuntimeError, "launches"),
    "cuda.nvtx.range_push('a')": (RuntimeError, "NVTX"),
    "cuda.mem_get_info()": (AssertionError, "CUDA"),
    "accelerator.synchronize()": (RuntimeError, "none is available"),
    "distributed.init_process_group('gloo')": (RuntimeError, "distributed"),
    "distributed.get_rank()": (ValueError, "init_process_group"),
    "distributed.get_world_size()": (ValueError, "init_process_group"),
    "jit.save(None, 'x')": (RuntimeError, "scripted"),
    "hub.load('owner/repo', 'model')": (RuntimeError, "source='local'"),
    "hub.load('.', 'model', source='x')": (ValueError, "Unknown source"),
    "backends.cuda.matmul.foo": (AttributeError, "foo"),
    "set_num_threads(0)": (RuntimeError, "positive"),
    "set_num_interop_threads(0)": (RuntimeError, "positive"),
    "set_deterministic_debug_mode('x')": (RuntimeError, "but got x"),
    "set_deterministic_debug_mode(5)": (RuntimeError, "but got 5"),
    "compile(3)": (TypeError, "callable"),
    "compile(torch.ones, mode='a', options={})": (RuntimeError, "both"),
    "get_device_module('meta')": (RuntimeError, "meta"),
    "multiprocessing.set_sharing_strategy('x')": (ValueError, "file_descriptor"),
}


@pytest.mark.parametrize("use", list(REFUSALS))
def test_refusals(use):
    if torch.cuda.is_available() and use.startswith(("cuda", "accelerator")):
        pytest.skip("refusals of a machine without a GPU")
    error, text = REFUSALS[use]
    with pytest.raises(error, match=text):
        eval(use, {}, _Names())


def test_tensorboard_says_what_to_use():
    with pytest.raises(ImportError, match="tensorboardX"):
        importlib.import_module("opsmith.utils.tensorboard")


def test_switches_are_kept():
    import opsmith.backends.cudnn as cudnn

    cudnn.benchmark = True
    with cudnn.flags(enabled=False, benchmark=False):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.benchmark_limit) == (False, False, 10)
    assert (cudnn.enabled, cudnn.benchmark, cudnn.benchmark_limit) == (True, True, None)
    assert cudnn.set_flags(_benchmark=False)[1] is True and cudnn.benchmark is False
    torch.backends.cuda.matmul.allow_tf32 = True
    assert torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    with pytest.raises(AttributeError):
        torch.backends.cuda.matmul.allow_tf23 = True
    with torch.backends.cuda.sdp_kernel(enable_flash=False):
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("default")
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    with pytest.warns(UserWarning, match="is not one of"):
        torch.set_float32_matmul_precision("x")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")
    torch.autograd.set_detect_anomaly(False)
    torch.set_anomaly_enabled(True)
    assert torch.is_anomaly_enabled()
    torch.set_anomaly_enabled(False)


def test_compile_gives_back_what_it_is_given():
    net = torch.nn.Linear(2, 2)
    assert torch.compile(net, mode="max-autotune") is net

    @torch.compile
    def f(x):
        return x + 1

    @torch.compile(fullgraph=True)
    def g(x):
        return f(x) * 2

    assert g(torch.ones(1)).item() == 4
    assert torch.compiler.disable(f) is f and torch.compiler.disable()(f) is f
    assert "fused at run time" in torch.compile.__doc__


def test_jit_leaves_python():
    net = torch.nn.Linear(2, 2)
    assert torch.jit.script(net) is net and torch.jit.trace(net, torch.ones(1, 2)) is net
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        torch.jit.trace(net, torch.ones(1, 3))
    assert not isinstance(net, torch.jit.ScriptModule)
    assert torch.jit.annotate(int, 3) == 3 and torch.jit.isinstance([1], list[int])

    class M(torch.nn.Module):
        @torch.jit.export
        def a(self):
            return 1

        @torch.jit.ignore
        def b(self):
            return 2

        @torch.jit.ignore(drop=True)
        def c(self):
            return 3

        @torch.jit.unused
        def d(self):
            return 4

    m = M()
    assert (m.a(), m.b(), m.c(), m.d()) == (1, 2, 3, 4)
    assert torch.jit.wait(torch.jit.fork(lambda x: x + 1, 2)) == 3
    with pytest.raises(ZeroDivisionError):
        torch.jit.wait(torch.jit.fork(lambda: 1 / 0))
    with pytest.raises(RuntimeError, match="eval mode"):
        torch.jit.freeze(net)
    assert torch.jit.freeze(net.eval()) is net


def test_cpu_streams_and_capabilities():
    s = torch.cpu.Stream()
    with torch.cpu.stream(s):
        assert torch.cpu.current_stream() is s
        s.wait_event(s.record_event())
    assert torch.cpu.current_stream() is not s
    assert torch.cpu.get_capabilities()["architecture"]
    assert torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")


def test_fork_rng():
    torch.manual_seed(0)
    with torch.random.fork_rng():
        inner = torch.rand(3)
    assert torch.equal(torch.rand(3), inner)
    with torch.random.fork_rng(enabled=False):
        inner = torch.rand(3)
    assert not torch.equal(torch.rand(3), inner)


def test_reports_are_texts():
    assert "Tuned kernels" in torch.__config__.show()
    assert "get_num_threads()" in torch.__config__.parallel_info()
    assert "Python version" in torch.utils.collect_env.get_pretty_env_info()


HUBCONF = '''
"""Entry points."""
dependencies = ["math"]


def net(n, bias=True):
    """A layer."""
    import opsmith

    return opsmith.nn.Linear(n, n, bias=bias)
'''


def test_hub_loads_from_a_folder(tmp_path):
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    hub = torch.hub
    assert hub.list(str(tmp_path), source="local") == ["net"]
    assert hub.help(str(tmp_path), "net", source="local") == "A layer."
    assert hub.load(str(tmp_path), "net", 3, bias=False, source="local").weight.shape == (3, 3)
    with pytest.raises(RuntimeError, match="Cannot find callable nest"):
        hub.load(str(tmp_path), "nest", source="local")
    (tmp_path / "hubconf.py").write_text(HUBCONF.replace("math", "no_such_package"))
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package"):
        hub.list(str(tmp_path), source="local")
    with pytest.raises(FileNotFoundError):
        hub.list(str(tmp_path / "none"), source="local")


def test_hub_fetches_weights_once_and_checks_them(tmp_path, monkeypatch):
    hub = torch.hub
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert hub.get_dir() == str(tmp_path / "home" / "hub")
    source = tmp_path / "w-0000.pt"
    torch.save({"w": torch.ones(2)}, source)
    url = source.as_uri()
    assert torch.equal(hub.load_state_dict_from_url(url)["w"], torch.ones(2))
    source.unlink()
    assert torch.equal(hub.load_state_dict_from_url(url)["w"], torch.ones(2))
    other = tmp_path / "v-0000.pt"
    torch.save({}, other)
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.load_state_dict_from_url(other.as_uri(), check_hash=True)
    assert sorted(os.listdir(tmp_path / "home" / "hub" / "checkpoints")) == ["w-0000.pt"]


def test_names_of_devices_load_nothing_heavy():
    """What a program asks first does not load the layers."""
    program = (
        "import sys, opsmith as t; t.cuda.is_available(); t.backends.cudnn; t.distributed; "
        "t.version.cuda; t.mps.is_available(); "
        "print([m for m in ('numpy', 'inspect', 'opsmith.nn', 'typing', 're', 'threading', 'enum', "
        "'contextlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
