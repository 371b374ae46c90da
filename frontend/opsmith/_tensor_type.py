"""Holds the Tensor class that the runtime's C module makes; see runtime/include/opsmith/python_tensor.h."""  # noqa: E501
