"""In: ops with their gradients. Out: the text of their Python functions.

Must not know: kernels. One function text per op and variant; gradients appear twice, from one
tree: on raw handles (``b_op``, may consume its cotangent) and as recorded calls (``r_op``).

signature  how functions are called and documented
modes      how they ask whether a block changes the call
opening    what functions do first
tree       formulas on whole tensors as Python expressions
record     what a node keeps
backward   ``b_op`` and ``r_op``; ``raw`` writes programs of ops on handles
result     from a handle to the returned tensors
pointwise  functions, in-place functions and operators of pointwise ops
function   functions of all other families
module     the module of a shard
"""
