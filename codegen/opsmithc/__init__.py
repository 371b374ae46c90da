"""opsmithc: compiles a registry of tensor operations (ops.yaml) to C, CUDA, Python and docs."""

__version__ = "0.1.0"
