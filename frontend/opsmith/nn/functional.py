"""The functional forms of layers, activations and losses, under PyTorch's signatures.

What PyTorch's `nn.functional` and a registry entry agree on is that operation itself; the rest are
thin wrappers, by kind in the modules imported below.
"""

from opsmith import _loading
from opsmith.nn._activations import *  # noqa: F403
from opsmith.nn._attention import multi_head_attention_forward as multi_head_attention_forward
from opsmith.nn._bags import embedding_bag as embedding_bag
from opsmith.nn._dropouts import *  # noqa: F403
from opsmith.nn._grids import *  # noqa: F403
from opsmith.nn._images import *  # noqa: F403
from opsmith.nn._layers import *  # noqa: F403
from opsmith.nn._losses import *  # noqa: F403
from opsmith.nn._margin_losses import *  # noqa: F403
from opsmith.nn._norms import *  # noqa: F403
from opsmith.nn._pools import *  # noqa: F403
from opsmith.nn._sequence_losses import ctc_loss as ctc_loss
from opsmith.nn._unpools import *  # noqa: F403

TYPE_CHECKING = False
if TYPE_CHECKING:  # what the loop below brings, for editors
    from opsmith import channel_shuffle as channel_shuffle
    from opsmith import cosine_similarity as cosine_similarity
    from opsmith import gelu as gelu
    from opsmith import hardshrink as hardshrink
    from opsmith import linear as linear
    from opsmith import logsigmoid as logsigmoid
    from opsmith import max_pool1d_with_indices as max_pool1d_with_indices
    from opsmith import max_pool2d_with_indices as max_pool2d_with_indices
    from opsmith import max_pool3d_with_indices as max_pool3d_with_indices
    from opsmith import one_hot as one_hot
    from opsmith import pad as pad
    from opsmith import pairwise_distance as pairwise_distance
    from opsmith import pixel_shuffle as pixel_shuffle
    from opsmith import pixel_unshuffle as pixel_unshuffle
    from opsmith import prelu as prelu
    from opsmith import scaled_dot_product_attention as scaled_dot_product_attention
    from opsmith import sigmoid as sigmoid
    from opsmith import softsign as softsign
    from opsmith import tanh as tanh
    from opsmith import tanhshrink as tanhshrink

# The operations themselves. A name the registry does not have yet is no attribute of this module.
_OPERATIONS = (
    "channel_shuffle",
    "cosine_similarity",
    "gelu",
    "hardshrink",
    "linear",
    "logsigmoid",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "one_hot",
    "pad",
    "pdist",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "scaled_dot_product_attention",
    "sigmoid",
    "softsign",
    "tanh",
    "tanhshrink",
)
for _name in _OPERATIONS:
    if _loading.home(_name) is not None:
        globals()[_name] = _loading.lookup(_name)
del _name


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)
