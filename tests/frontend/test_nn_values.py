"""Layers and losses against figures computed with PyTorch 2.13.0+cpu.

A case is a module's name and arguments, what its inputs are, and the digests (sum, weighted sum) of
its output in training mode, of its first floating input's gradient, and of all its parameters'
gradients. Inputs and parameters are ramps, so that no random numbers are involved.
"""

import numpy as np
import pytest

import opsmith
from opsmith import nn


def ramp(shape, low=-1.0, high=1.0, shift=0):
    """Values that differ from each other and run all over [low, high]."""
    count = int(np.prod(shape))
    steps = (np.arange(count) * 373 + shift) % 997 / 996
    return (low + (high - low) * steps).astype(np.float32).reshape(shape)


def made(kind, shape, position):
    """An input: x (real), p (probability), y (1 or -1), c5 (a class of five), z (twice x)."""
    if kind[0] == "c":
        return opsmith.from_numpy(
            (np.arange(int(np.prod(shape))) * 3 % int(kind[1:])).reshape(shape)
        )
    if kind == "y":
        return opsmith.from_numpy(np.sign(ramp(shape, shift=5)).astype(np.float32))
    low, high = {"x": (-2.0, 2.0), "p": (0.05, 0.95)}[kind]
    return opsmith.from_numpy(ramp(shape, low, high, 17 * position))


def digest(tensor):
    """Two figures that depend on every element and its place."""
    flat = tensor.detach().numpy().astype(np.float64).ravel()
    return float(flat.sum()), float(flat @ np.cos(np.arange(flat.size)))


def filled(module):
    """The module, with ramps for parameters."""
    with opsmith.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(opsmith.from_numpy(ramp(tuple(parameter.shape), -0.4, 0.6, 29 * i)))
    return module


def run(name, args, kwargs, inputs):
    """The digests of a case."""
    arguments = [opsmith.from_numpy(np.array(a)) if isinstance(a, list) else a for a in args]
    options = {
        key: opsmith.from_numpy(np.array(value, np.float32)) if isinstance(value, list) else value
        for key, value in kwargs.items()
    }
    module = filled(getattr(nn, name)(*arguments, **options))
    values = [made(kind, shape, i) for i, (kind, shape) in enumerate(inputs)]
    for value, (kind, _) in zip(values, inputs, strict=True):
        if kind == "x":
            value.requires_grad_()
    out = module(*values)
    out = out[0] if isinstance(out, tuple) else out
    digests = [digest(out)]
    if out.requires_grad:
        (out * out).sum().backward()
        wanted = [value.grad for value in values if value.grad is not None]
        digests += [digest(grad) for grad in wanted[:1]]
        grads = [digest(p.grad) for p in module.parameters() if p.grad is not None]
        digests += (
            [tuple(float(sum(column)) for column in zip(*grads, strict=True))] if grads else []
        )
    return digests


CASES = [
    ("Identity", (), {}, [("x", (2, 3))], [(-1.54217, -0.761402), (-3.08434, -1.5228)]),
    (
        "Linear",
        (3, 4),
        {},
        [("x", (2, 3))],
        [(5.04031, 2.25144), (4.4293, -0.299671), (2.95419, -7.74498)],
    ),
    (
        "Linear",
        (3, 4),
        {"bias": False},
        [("x", (2, 5, 3))],
        [(6.82945, -0.354476), (4.90548, -5.62741), (-1.77223, -27.9376)],
    ),
    (
        "Bilinear",
        (3, 4, 5),
        {},
        [("x", (2, 3)), ("x", (2, 4))],
        [(0.157255, -4.4221), (-15.2496, -12.9589), (2.63657, -30.6652)],
    ),
    (
        "Conv1d",
        (2, 4, 3),
        {"padding": "same"},
        [("x", (2, 2, 7))],
        [(2.41481, -1.86974), (14.9593, -3.239), (40.1385, -39.9837)],
    ),
    (
        "Conv1d",
        (2, 4, 4),
        {"padding": "same", "dilation": 3},
        [("x", (2, 2, 17))],
        [(-2.02377, -3.21848), (18.2791, -32.7103), (123.173, -66.6442)],
    ),
    (
        "Conv1d",
        (2, 4, 2),
        {"stride": 2},
        [("x", (2, 7))],
        [(-2.53402, 0.423799), (0.880627, -0.853182), (-4.79438, 0.191114)],
    ),
    (
        "Conv2d",
        (2, 4, 3),
        {},
        [("x", (2, 2, 6, 6))],
        [(-7.6892, -1.14055), (-16.3062, 12.3549), (233.785, 171.271)],
    ),
    (
        "Conv2d",
        (2, 4, 3),
        {"stride": 2, "padding": 1, "groups": 2, "bias": False},
        [("x", (2, 2, 7, 7))],
        [(0.78973, -2.86977), (3.38813, -4.73966), (115.406, -24.9794)],
    ),
    (
        "Conv2d",
        (2, 4, (2, 3)),
        {"padding": "same", "padding_mode": "reflect"},
        [("x", (1, 2, 5, 5))],
        [(17.2365, -11.956), (65.8259, -5.07821), (252.69, -42.2738)],
    ),
    (
        "Conv2d",
        (2, 2, 3),
        {"padding": "valid", "padding_mode": "circular", "dilation": 2},
        [("x", (1, 2, 7, 7))],
        [(-1.23626, 6.09155), (-5.70624, 4.9817), (-20.8286, 20.2215)],
    ),
    (
        "Conv2d",
        (2, 2, 3),
        {"padding": (1, 2), "padding_mode": "replicate"},
        [("x", (1, 2, 5, 5))],
        [(17.7277, -11.2169), (82.0569, 10.112), (529.331, -0.306022)],
    ),
    (
        "ConvTranspose1d",
        (2, 4, 3),
        {"stride": 2, "dilation": 2},
        [("x", (2, 2, 5))],
        [(-2.69069, 10.3599), (-1.38807, -12.001), (17.5938, -32.9427)],
    ),
    (
        "ConvTranspose2d",
        (2, 4, 3),
        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        [("x", (2, 2, 4, 4))],
        [(-23.5386, 7.85812), (-5.11816, -1.30128), (169.818, 58.7267)],
    ),
    (
        "BatchNorm1d",
        (3,),
        {},
        [("x", (5, 3))],
        [(0.0542165, -0.422163), (-2.88477e-07, -1.87258e-06), (-0.656557, -10.8528)],
    ),
    (
        "BatchNorm1d",
        (3,),
        {"momentum": None},
        [("x", (5, 3, 2))],
        [(0.108434, -4.84057), (3.99201e-08, -3.07798e-06), (-1.31325, -21.7058)],
    ),
    (
        "BatchNorm2d",
        (3,),
        {"affine": False},
        [("x", (5, 3, 2, 2))],
        [(1.43424e-07, -0.942897), (1.94185e-07, -2.47436e-05)],
    ),
    (
        "BatchNorm2d",
        (3,),
        {"track_running_stats": False},
        [("x", (2, 3, 2, 2))],
        [(0.0867468, -1.68709), (2.1857e-08, 9.45008e-08), (-1.05059, -17.3646)],
    ),
    (
        "InstanceNorm2d",
        (3,),
        {"affine": True, "track_running_stats": True},
        [("x", (2, 3, 2, 3))],
        [(0.130121, 1.16181), (1.07767e-07, -2.14555e-06), (-1.57589, -26.0469)],
    ),
    (
        "InstanceNorm1d",
        (3,),
        {},
        [("x", (3, 4))],
        [(1.19209e-07, -1.66317), (2.88224e-07, -2.93081e-05)],
    ),
    (
        "LayerNorm",
        (3,),
        {},
        [("x", (5, 3))],
        [(2.07288, -0.0901533), (-6.70552e-08, -0.0665217), (9.31925, -5.80861)],
    ),
    (
        "LayerNorm",
        ((2, 3),),
        {"bias": False},
        [("x", (5, 2, 3))],
        [(1.591, -0.0885565), (2.23517e-08, 0.0704039), (2.14456, -2.05568)],
    ),
    (
        "RMSNorm",
        (3,),
        {"eps": 0.001},
        [("x", (5, 3))],
        [(1.92893, 0.119406), (-0.727232, 0.00439613), (1.22399, -5.92517)],
    ),
    (
        "GroupNorm",
        (2, 4),
        {},
        [("x", (3, 4, 5))],
        [(-2.96514, 1.68544), (-1.93715e-07, -0.415438), (-16.1091, -13.9855)],
    ),
    (
        "LocalResponseNorm",
        (3,),
        {"alpha": 0.3},
        [("x", (2, 5, 4, 4))],
        [(-0.119065, -3.75555), (0.307649, -0.811855)],
    ),
    ("Embedding", (5, 3), {}, [("c5", (2, 3))], [(1.21365, -1.18354), (2.42731, -1.25216)]),
    (
        "Embedding",
        (5, 3),
        {"padding_idx": -1},
        [("c5", (2, 3))],
        [(1.21365, -1.18354), (1.64257, -2.20261)],
    ),
    (
        "Embedding",
        (5, 3),
        {"max_norm": 0.5},
        [("c5", (2, 3))],
        [(1.04008, -1.17277), (2.08016, -1.15649)],
    ),
    ("CELU", (), {}, [("x", (3, 4))], [(2.01707, -1.2736), (9.44476, -1.60349)]),
    ("ELU", (), {}, [("x", (3, 4))], [(2.01707, -1.2736), (9.44476, -1.60349)]),
    ("GELU", (), {}, [("x", (3, 4))], [(4.56742, -0.701164), (11.4236, -1.48946)]),
    ("GLU", (), {}, [("x", (3, 4))], [(0.700847, -3.37887), (3.95857, -3.05439)]),
    ("Hardshrink", (), {}, [("x", (3, 4))], [(-1.6747, -2.37213), (-3.3494, -4.74427)]),
    ("Hardsigmoid", (), {}, [("x", (3, 4))], [(5.79853, -0.540504), (1.93284, -0.180168)]),
    ("Hardswish", (), {}, [("x", (3, 4))], [(2.47713, -0.724674), (8.2602, -0.930118)]),
    ("Hardtanh", (), {}, [("x", (3, 4))], [(-0.60241, -1.48308), (2.79518, -1.29328)]),
    ("LeakyReLU", (), {}, [("x", (3, 4))], [(5.83249, -0.744995), (11.8058, -1.46481)]),
    ("LogSigmoid", (), {}, [("x", (3, 4))], [(-11.0173, -0.88414), (-15.344, -1.99478)]),
    ("Mish", (), {}, [("x", (3, 4))], [(3.74668, -0.830839), (11.1339, -1.44065)]),
    (
        "PReLU",
        (),
        {},
        [("x", (3, 4))],
        [(8.74859, -0.223606), (9.53125, -1.87149), (-8.17591, -8.17591)],
    ),
    ("ReLU", (), {}, [("x", (3, 4))], [(5.90361, -0.732278), (11.8072, -1.46456)]),
    ("ReLU6", (), {}, [("x", (3, 4))], [(5.90361, -0.732278), (11.8072, -1.46456)]),
    ("SELU", (), {}, [("x", (3, 4))], [(-0.630004, -1.72111), (5.73268, -2.04627)]),
    ("SiLU", (), {}, [("x", (3, 4))], [(3.22522, -0.725687), (9.22098, -1.12726)]),
    ("Sigmoid", (), {}, [("x", (3, 4))], [(5.75243, -0.606453), (2.13356, -0.253065)]),
    ("Softplus", (), {}, [("x", (3, 4))], [(9.80851, -1.11982), (13.1412, -1.67787)]),
    ("Softshrink", (), {}, [("x", (3, 4))], [(-0.674699, -1.51172), (-1.3494, -3.02344)]),
    ("Softsign", (), {}, [("x", (3, 4))], [(-0.495929, -0.719364), (-0.246244, -0.133888)]),
    ("Tanh", (), {}, [("x", (3, 4))], [(-0.696798, -1.10224), (-0.394915, -0.330885)]),
    ("Tanhshrink", (), {}, [("x", (3, 4))], [(-0.512037, -0.901716), (-0.933643, -1.53603)]),
    ("GELU", ("tanh",), {}, [("x", (3, 4))], [(4.56644, -0.700901), (11.4254, -1.48899)]),
    ("Threshold", (0.1, 20), {}, [("x", (3, 4))], [(145.904, -1.72964), (11.8072, -1.46456)]),
    ("Softmax", (1,), {}, [("x", (3, 4))], [(3.0, -0.302914), (-1.11759e-07, -0.0136437)]),
    ("LogSoftmax", (0,), {}, [("x", (3, 4))], [(-20.1187, -1.59989), (2.38419e-07, -3.72273)]),
    ("Softmin", (-1,), {}, [("x", (3, 4))], [(3.0, 0.536956), (1.11759e-08, -0.517449)]),
    ("Softmax2d", (), {}, [("x", (2, 3, 2, 2))], [(8.0, -0.612295), (-3.57628e-07, 0.204226)]),
    (
        "PReLU",
        (4,),
        {},
        [("x", (3, 4))],
        [(7.22466, -0.695622), (10.444, -2.11115), (-5.0797, -0.964163)],
    ),
    ("MaxPool1d", (2,), {}, [("x", (2, 3, 9))], [(23.8675, -0.364837), (47.7349, -2.13862)]),
    (
        "MaxPool1d",
        (2,),
        {"return_indices": True, "padding": 1},
        [("x", (2, 3, 9))],
        [(24.3253, -3.9672), (48.6506, -7.10228)],
    ),
    ("MaxPool2d", (3, 2, 1), {}, [("x", (2, 3, 9, 9))], [(225.153, -3.38087), (450.305, 7.17596)]),
    (
        "MaxPool2d",
        ((3, 2),),
        {"return_indices": True, "ceil_mode": True},
        [("x", (2, 3, 7, 7))],
        [(86.1205, -0.230689), (172.241, -8.57941)],
    ),
    ("AvgPool1d", (2,), {}, [("x", (2, 3, 9))], [(1.85944, -2.13903), (3.71888, -4.85786)]),
    (
        "AvgPool2d",
        (2,),
        {"divisor_override": 3},
        [("x", (2, 3, 5, 5))],
        [(-1.30254, -5.09582), (-3.47345, -1.74119)],
    ),
    (
        "AvgPool2d",
        (3, 2, 1),
        {"count_include_pad": False},
        [("x", (2, 3, 5, 5))],
        [(-0.403837, -0.986598), (-0.807675, -2.58623)],
    ),
    (
        "AdaptiveAvgPool1d",
        (3,),
        {},
        [("x", (2, 3, 7))],
        [(2.91031, -0.475756), (5.82062, -1.08971)],
    ),
    (
        "AdaptiveAvgPool2d",
        ((3, None),),
        {},
        [("x", (2, 3, 5, 4))],
        [(1.10643, -0.269307), (2.21285, -0.700185)],
    ),
    ("AdaptiveMaxPool1d", (4,), {}, [("x", (2, 3, 9))], [(34.3534, -1.12813), (68.7068, -6.37035)]),
    (
        "AdaptiveMaxPool2d",
        (3,),
        {"return_indices": True},
        [("x", (2, 3, 5, 4))],
        [(69.6024, 0.929599), (139.205, -1.54846)],
    ),
    ("Flatten", (), {}, [("x", (2, 3, 4))], [(1.08032, -3.79912), (2.16064, -7.59823)]),
    ("Unflatten", (1, (2, 3)), {}, [("x", (2, 6, 4))], [(4.14056, -2.03664), (8.28112, -4.07329)]),
    ("PixelShuffle", (2,), {}, [("x", (2, 8, 3, 4))], [(4.02008, 1.27468), (8.04016, -11.1851)]),
    ("PixelUnshuffle", (2,), {}, [("x", (2, 2, 6, 4))], [(4.18876, -3.74132), (8.37751, -3.27495)]),
    (
        "ZeroPad2d",
        ((1, 2, 3, 4),),
        {},
        [("x", (2, 3, 4))],
        [(1.08032, 1.53884), (2.16064, -7.59823)],
    ),
    ("ConstantPad1d", (1, 3.5), {}, [("x", (2, 3, 4))], [(43.0803, 12.7086), (2.16064, -7.59823)]),
    ("ReflectionPad2d", (1,), {}, [("x", (2, 3, 4, 5))], [(6.8755, -4.095), (13.751, -1.74737)]),
    (
        "ReplicationPad1d",
        (2,),
        {},
        [("x", (2, 3, 4))],
        [(-1.84337, -6.83337), (-3.68675, -25.4912)],
    ),
    (
        "CircularPad2d",
        (1,),
        {},
        [("x", (2, 3, 4, 5))],
        [(-5.13655, 0.690791), (-10.2731, -31.1056)],
    ),
    (
        "CosineSimilarity",
        (),
        {},
        [("x", (3, 4)), ("x", (3, 4))],
        [(1.94742, 1.55858), (0.23342, 0.0498143)],
    ),
    (
        "PairwiseDistance",
        (),
        {"keepdim": True},
        [("x", (3, 4)), ("x", (3, 4))],
        [(4.21061, -1.42827), (6.3695, -1.10877)],
    ),
    (
        "MultiheadAttention",
        (8, 2),
        {},
        [("x", (5, 3, 8)), ("x", (4, 3, 8)), ("x", (4, 3, 8))],
        [(68.4351, 0.147807), (-0.862311, 0.229107), (1440.64, -68.2361)],
    ),
    (
        "MultiheadAttention",
        (8, 2),
        {"batch_first": True, "kdim": 4, "vdim": 6, "add_bias_kv": True, "add_zero_attn": True},
        [("x", (3, 5, 8)), ("x", (3, 7, 4)), ("x", (3, 7, 6))],
        [(54.7928, 0.00738008), (3.19777, 0.0810378), (159.814, 61.7579)],
    ),
    ("MSELoss", (), {}, [("x", (3, 4)), ("x", (3, 4))], [(1.29511, 1.29511), (1.37487, -0.239331)]),
    (
        "MSELoss",
        (),
        {"reduction": "none"},
        [("x", (3, 4)), ("x", (3, 4))],
        [(15.5413, -2.25505), (243.846, -35.4813)],
    ),
    (
        "L1Loss",
        (),
        {"reduction": "sum"},
        [("x", (3, 4)), ("x", (3, 4))],
        [(4.68675, 4.68675), (-93.7349, 1.14377)],
    ),
    (
        "SmoothL1Loss",
        (),
        {"beta": 0.5},
        [("x", (3, 4)), ("x", (3, 4))],
        [(0.311418, 0.311418), (-0.0260557, -0.00565592)],
    ),
    (
        "HuberLoss",
        (),
        {"delta": 0.5},
        [("x", (3, 4)), ("x", (3, 4))],
        [(0.155709, 0.155709), (-0.00651393, -0.00141398)],
    ),
    (
        "CrossEntropyLoss",
        (),
        {},
        [("x", (3, 5)), ("c5", (3,))],
        [(2.6294, 2.6294), (-1.9744e-07, -1.40058)],
    ),
    (
        "CrossEntropyLoss",
        (),
        {"label_smoothing": 0.1, "ignore_index": 3},
        [("x", (3, 5)), ("c5", (3,))],
        [(3.46102, 3.46102), (-2.08616e-07, -3.2581)],
    ),
    (
        "CrossEntropyLoss",
        (),
        {"reduction": "none", "weight": [0.1, 0.2, 0.3, 0.4, 0.5]},
        [("x", (3, 5, 2)), ("c5", (3, 2))],
        [(3.57909, -1.25069), (1.52795e-08, -1.65411)],
    ),
    (
        "CrossEntropyLoss",
        (),
        {},
        [("x", (3, 5)), ("p", (3, 5))],
        [(3.83978, 3.83978), (-7.84174e-07, -0.93468)],
    ),
    ("NLLLoss", (), {}, [("x", (3, 5)), ("c5", (3,))], [(0.52075, 0.52075), (-1.0415, -0.29819)]),
    ("BCELoss", (), {}, [("p", (3, 4)), ("p", (3, 4))], [(0.730921, 0.730921)]),
    (
        "BCEWithLogitsLoss",
        (),
        {"pos_weight": [0.5, 1.0, 2.0, 3.0]},
        [("x", (3, 4)), ("p", (3, 4))],
        [(0.869597, 0.869597), (-0.109027, -0.0224784)],
    ),
    (
        "KLDivLoss",
        (),
        {"reduction": "batchmean"},
        [("x", (3, 4)), ("p", (3, 4))],
        [(-1.67538, -1.67538), (5.5974, -0.594946)],
    ),
    (
        "HingeEmbeddingLoss",
        (),
        {"margin": 0.7},
        [("x", (3, 4)), ("y", (3, 4))],
        [(1.43266, 1.43266), (0.0, -0.386956)],
    ),
    (
        "MarginRankingLoss",
        (),
        {"margin": 0.7},
        [("x", (5,)), ("x", (5,)), ("y", (5,))],
        [(0.686345, 0.686345), (0.274538, 0.444779)],
    ),
    (
        "CosineEmbeddingLoss",
        (0.2,),
        {"reduction": "none"},
        [("x", (5, 4)), ("x", (5, 4)), ("y", (5,))],
        [(4.48439, -0.676562), (1.89527, -0.18794)],
    ),
    (
        "TripletMarginLoss",
        (),
        {"swap": True},
        [("x", (3, 4)), ("x", (3, 4)), ("x", (3, 4))],
        [(2.26699, 2.26699), (-4.61328, -1.29111)],
    ),
    (
        "TripletMarginWithDistanceLoss",
        (),
        {},
        [("x", (3, 4)), ("x", (3, 4)), ("x", (3, 4))],
        [(0.929911, 0.929911), (0.0341695, -0.0195018)],
    ),
    (
        "PoissonNLLLoss",
        (),
        {"full": True},
        [("x", (3, 4)), ("p", (3, 4))],
        [(1.66176, 1.66176), (4.62155, -0.546738)],
    ),
    ("PoissonNLLLoss", (False,), {}, [("p", (3, 4)), ("p", (3, 4))], [(0.750666, 0.750666)]),
    (
        "GaussianNLLLoss",
        (),
        {"full": True},
        [("x", (3, 4)), ("x", (3, 4)), ("p", (3, 1))],
        [(1.17445, 1.17445), (0.177349, -0.1828)],
    ),
    (
        "SoftMarginLoss",
        (),
        {},
        [("x", (3, 4)), ("y", (3, 4))],
        [(0.326412, 0.326412), (-0.0134684, 0.0223236)],
    ),
    (
        "MultiLabelSoftMarginLoss",
        (),
        {},
        [("x", (3, 4)), ("p", (3, 4))],
        [(0.670959, 0.670959), (0.0828614, -0.00825141)],
    ),
    (
        "MultiMarginLoss",
        (2, 0.7),
        {},
        [("x", (3, 5)), ("c5", (3,))],
        [(3.82418, 3.82418), (-1.3113e-06, -10.5358)],
    ),
    (
        "Conv3d",
        (2, 4, (2, 3, 2)),
        {"stride": (1, 2, 1), "padding": (1, 0, 1), "groups": 2},
        [("x", (1, 2, 4, 5, 6))],
        [(-7.19591, -3.47887), (29.5758, -7.36587), (319.721, -97.5635)],
    ),
    (
        "Conv3d",
        (2, 2, 3),
        {"padding": "same", "padding_mode": "circular", "bias": False},
        [("x", (1, 2, 4, 5, 6))],
        [(20.8231, 3.19998), (249.747, -71.46), (610.914, -0.166556)],
    ),
    (
        "ConvTranspose3d",
        (2, 4, 2),
        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        [("x", (1, 2, 4, 5, 6))],
        [(-151.062, 22.0992), (10.3587, -6.77444), (540.562, -520.992)],
    ),
    (
        "MaxPool3d",
        (2,),
        {"stride": (1, 2, 2), "padding": 1, "ceil_mode": True},
        [("x", (1, 2, 4, 5, 6))],
        [(131.964, -0.0376519), (263.928, -10.5145)],
    ),
    (
        "AvgPool3d",
        ((2, 3, 2),),
        {"stride": 2, "padding": 1, "count_include_pad": False},
        [("x", (1, 2, 4, 5, 6))],
        [(-0.727577, -3.86599), (-1.45515, -4.13893)],
    ),
    (
        "AdaptiveAvgPool3d",
        ((2, 3, None),),
        {},
        [("x", (1, 2, 4, 5, 6))],
        [(0.607095, -0.455648), (1.21419, -3.4346)],
    ),
    (
        "AdaptiveMaxPool3d",
        ((2, 3, 4),),
        {},
        [("x", (1, 2, 4, 5, 6))],
        [(81.9598, -2.22994), (163.92, -7.53247)],
    ),
    ("LPPool1d", (3.0, 2), {}, [("p", (2, 3, 9))], [(17.9679, -0.515905)]),
    (
        "LPPool2d",
        (2, (2, 3)),
        {"stride": 1},
        [("x", (2, 3, 6, 7))],
        [(423.4, -1.82051), (52.6345, -34.0603)],
    ),
    (
        "LPPool3d",
        (2, 2),
        {"ceil_mode": True},
        [("x", (1, 2, 4, 5, 6))],
        [(117.401, 1.50837), (11.4859, -8.58778)],
    ),
    (
        "InstanceNorm3d",
        (2,),
        {"affine": True},
        [("x", (1, 2, 4, 5, 6))],
        [(-44.0723, 0.96196), (3.50959e-06, -5.88535e-06), (-190.264, -187.85)],
    ),
    (
        "ReflectionPad3d",
        ((1, 2, 0, 1, 2, 1),),
        {},
        [("x", (1, 2, 4, 5, 6))],
        [(23.9036, 12.8893), (47.8072, -22.8589)],
    ),
    (
        "ReplicationPad3d",
        (2,),
        {},
        [("x", (1, 2, 4, 5, 6))],
        [(66.8635, 9.96694), (133.727, -49.6552)],
    ),
    (
        "CircularPad3d",
        ((1, 2, 2, 1, 0, 1),),
        {},
        [("x", (1, 2, 4, 5, 6))],
        [(2.6747, -17.3395), (5.3494, -60.5169)],
    ),
    ("ChannelShuffle", (2,), {}, [("x", (2, 6, 3, 2))], [(5.17671, 0.961258), (10.3534, -1.76929)]),
    (
        "Unfold",
        ((2, 3),),
        {"dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)},
        [("x", (2, 3, 6, 7))],
        [(6.91165, -16.0832), (13.8233, -10.1536)],
    ),
    (
        "Fold",
        ((4, 5), (2, 3)),
        {"padding": (1, 0), "stride": (2, 1)},
        [("x", (2, 12, 9))],
        [(5.95181, 3.80845), (11.7831, 18.0861)],
    ),
    ("Upsample", (7,), {}, [("x", (2, 3, 9))], [(1.76305, 7.51345), (3.5261, -13.8468)]),
    (
        "Upsample",
        (),
        {"scale_factor": 1.7, "mode": "nearest-exact"},
        [("x", (2, 3, 6, 7))],
        [(27.996, -9.69589), (55.992, -27.8783)],
    ),
    (
        "Upsample",
        (5,),
        {"mode": "linear"},
        [("x", (2, 3, 9))],
        [(2.57189, -2.54022), (5.14378, -6.01521)],
    ),
    (
        "Upsample",
        (),
        {"scale_factor": (1.5, 0.6), "mode": "bilinear"},
        [("x", (2, 3, 6, 7))],
        [(5.40161, -4.3217), (10.8032, -9.53583)],
    ),
    (
        "Upsample",
        ((9, 4),),
        {"mode": "bicubic", "align_corners": True},
        [("x", (2, 3, 6, 7))],
        [(1.69534, -4.60637), (3.39067, -9.79488)],
    ),
    (
        "Upsample",
        (),
        {"scale_factor": 1.5, "mode": "bicubic", "recompute_scale_factor": True},
        [("x", (2, 3, 6, 7))],
        [(9.67977, 10.9129), (19.3595, -21.5845)],
    ),
    (
        "Upsample",
        ((6, 3, 8),),
        {"mode": "trilinear"},
        [("x", (1, 2, 4, 5, 6))],
        [(7.51682, 3.70628), (15.0336, -11.9432)],
    ),
    (
        "Upsample",
        ((3, 4),),
        {"mode": "area"},
        [("x", (2, 3, 6, 7))],
        [(1.4247, -1.56935), (2.8494, -2.32234)],
    ),
    (
        "UpsamplingNearest2d",
        (),
        {"scale_factor": 2},
        [("x", (2, 3, 6, 7))],
        [(17.9438, -12.7106), (35.8876, -40.0896)],
    ),
    (
        "UpsamplingBilinear2d",
        ((9, 10),),
        {},
        [("x", (2, 3, 6, 7))],
        [(10.8521, 6.37977), (21.7042, -20.0973)],
    ),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "inputs", "expected"),
    CASES,
    ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)],
)
def test_values_and_gradients(name, args, kwargs, inputs, expected):
    found = run(name, args, kwargs, inputs)
    assert len(found) == len(expected)
    for have, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(have, want, rtol=2e-4, atol=2e-4)


def test_batch_norm_keeps_running_statistics():
    norm = nn.BatchNorm1d(2, momentum=0.5)
    x = opsmith.tensor([[1.0, 2.0], [3.0, 6.0]])
    norm(x)
    assert norm.running_mean.tolist() == [1.0, 2.0]
    assert norm.running_var.tolist() == [1.5, 4.5]
    assert norm.num_batches_tracked.item() == 1
    norm.eval()
    expected = (x.numpy() - [1.0, 2.0]) / np.sqrt(np.array([1.5, 4.5]) + 1e-5)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-5)
    assert norm.num_batches_tracked.item() == 1
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        norm.train()(x[:1])
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        norm(opsmith.zeros(1, 2, 3, 4))


def test_cumulative_average_of_statistics():
    norm = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 3.0, 8.0):
        norm(opsmith.tensor([[value], [value]]))
    np.testing.assert_allclose(norm.running_mean.numpy(), [4.0], rtol=1e-6)


@pytest.mark.parametrize("name", ["Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"])
def test_dropout_is_the_identity_in_evaluation(name):
    layer = getattr(nn, name)(0.5)
    x = opsmith.ones(4, 5, 6) if name == "Dropout1d" else opsmith.ones(4, 5, 6, 2)
    assert layer.eval()(x).tolist() == x.tolist()
    opsmith.manual_seed(0)
    assert layer.train()(x).tolist() != x.tolist()
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        getattr(nn, name)(1.5)


def test_channel_dropout_drops_whole_channels():
    opsmith.manual_seed(0)
    out = nn.Dropout2d(0.5)(opsmith.ones(8, 16, 3, 3)).numpy().reshape(128, 9)
    assert np.isin(out, [0.0, 2.0]).all()
    assert (out == out[:, :1]).all()
    assert 30 < (out[:, 0] == 0).sum() < 98


def test_inplace_activations_overwrite_their_input():
    for name in ("ReLU", "ELU", "SiLU", "LeakyReLU", "Hardtanh", "SELU", "Mish"):
        x = opsmith.tensor([-2.0, -0.5, 0.5, 2.0])
        want = getattr(nn, name)()(x).tolist()
        out = getattr(nn, name)(inplace=True)(x)
        assert out is x or out.data_ptr() == x.data_ptr()
        np.testing.assert_allclose(x.numpy(), want, rtol=1e-6)


def test_conv_transpose_output_size():
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = opsmith.zeros(1, 1, 4, 4)
    assert tuple(layer(x).shape) == (1, 1, 7, 7)
    assert tuple(layer(x, output_size=(8, 7)).shape) == (1, 1, 8, 7)
    with pytest.raises(ValueError, match="requested an output size"):
        layer(x, output_size=(9, 9))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups"),
        (lambda: nn.Conv2d(1, 1, 3, padding="odd"), "Invalid padding string"),
        (lambda: nn.Conv2d(1, 1, 3, padding="same", stride=2), "not supported for strided"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="x"), "padding_mode must be one of"),
        (lambda: nn.GroupNorm(2, 3), "must be divisible by num_groups"),
        (lambda: nn.TripletMarginLoss(margin=0), "expected margin to be greater than 0"),
    ],
)
def test_wrong_arguments(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_attention_masks_and_weights():
    layer = filled(nn.MultiheadAttention(4, 2))
    x = made("x", (3, 1, 4), 0)
    causal = opsmith.tensor([[False, True, True], [False, False, True], [False, False, False]])
    out, weights = layer(x, x, x, attn_mask=causal)
    assert tuple(weights.shape) == (1, 3, 3)
    assert weights[0, 0, 1:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), np.ones((1, 3)), rtol=1e-5)
    quick, none = layer(x, x, x, attn_mask=causal, need_weights=False)
    assert none is None
    np.testing.assert_allclose(quick.detach().numpy(), out.detach().numpy(), rtol=1e-4, atol=1e-6)
    padded = layer(x, x, x, key_padding_mask=opsmith.tensor([[False, True, True]]))[1]
    assert padded[0, :, 0].tolist() == [1.0, 1.0, 1.0]
    heads = layer(x, x, x, average_attn_weights=False)[1]
    assert tuple(heads.shape) == (1, 2, 3, 3)


def test_embedding_padding_row_gets_no_gradient():
    table = nn.Embedding(4, 2, padding_idx=1)
    assert table.weight[1].tolist() == [0.0, 0.0]
    table(opsmith.tensor([0, 1, 1, 3])).sum().backward()
    assert table.weight.grad.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]
    fixed = nn.Embedding.from_pretrained(opsmith.ones(3, 2))
    assert not fixed.weight.requires_grad


def test_functional_names():
    from opsmith.nn import functional

    missing = [name for name in functional._OPERATIONS if not hasattr(functional, name)]
    assert not missing


def test_softmax_without_dim_warns():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert nn.functional.softmax(opsmith.zeros(2, 4)).tolist() == [[0.25] * 4] * 2
