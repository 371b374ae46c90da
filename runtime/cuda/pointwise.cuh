/* Pointwise kernels: one thread handles U vectors of V neighbouring elements.
 *
 * A generated kernel K is a functor over elements:
 *     typedef float compute;                              element type of common operands
 *     typedef ops_list<ops_common> outputs;               class of each operand
 *     typedef ops_list<ops_common, ops_long> inputs;
 *     K(const ops_scalar *s);                             scalars
 *     void operator()(int64_t start, int k, unsigned wanted, inputs..., outputs &...) const;
 * where start + k is the logical index of the element and bit m of `wanted` asks for output m.
 *
 * Operands are common (stored as S, computed as K::compute), bool or int64. Three forms:
 *     flat     long contiguous runs of floats: 16-byte loads and stores, no index computation
 *     lines    any strides: one index computation a vector of the innermost dim; an operand that
 *              lies there without gaps and aligned moves at once, others an element at a time
 *     any      with S = ops_any: one element at a time, of any storage dtypes */
#ifndef OPSMITH_CUDA_POINTWISE_CUH
#define OPSMITH_CUDA_POINTWISE_CUH

#include "launch.cuh"

struct ops_common {};
struct ops_bool {};
struct ops_long {};

template <class Class, class C> struct ops_element { typedef C type; };
template <class C> struct ops_element<ops_bool, C> { typedef uint8_t type; };
template <class C> struct ops_element<ops_long, C> { typedef int64_t type; };

template <class Class, class S> struct ops_stored { typedef S type; };
template <class S> struct ops_stored<ops_bool, S> { typedef bool type; };
template <class S> struct ops_stored<ops_long, S> { typedef int64_t type; };
template <> struct ops_stored<ops_bool, ops_any> { typedef ops_any type; };
template <> struct ops_stored<ops_long, ops_any> { typedef ops_any type; };

enum { OPS_PLAN_DIMS = 16 };

enum ops_form {
    OPS_FORM_ARRAY,  /* in device memory */
    OPS_FORM_SCALAR, /* one element in device memory, of any dtype */
    OPS_FORM_VALUE,  /* one element in the plan, already of the element type */
    OPS_FORM_NONE    /* an output that is not wanted */
};

/* Operands: outputs, then inputs. Dims are fastest first. */
template <int N> struct ops_device_plan {
    int64_t numel, units; /* units: vectors, the last of a line perhaps not whole */
    int64_t line;         /* elements of the innermost dim */
    int dims;
    int wide; /* numel is 2^31 or more: divide in 64 bits */
    unsigned wanted;
    int64_t size[OPS_PLAN_DIMS]; /* in units */
    ops_divider divider[OPS_PLAN_DIMS];
    int64_t stride[N][OPS_PLAN_DIMS]; /* bytes; of dim 0 per unit */
    int64_t inner[N];                 /* bytes from one element of a unit to the next */
    char *data[N];
    int64_t value[N]; /* bits of an element */
    uint8_t form[N], dtype[N], vector[N]; /* vector: whole units move at once */
};

/* Byte offsets of all operands at a unit; its first logical index, and how many elements it has. */
template <bool FLAT, int V, int N>
OPS_DEVICE void ops_plan_offsets(const ops_device_plan<N> &p, int64_t unit, int64_t (&offset)[N],
                                 int64_t *start, int *have)
{
    int64_t rest = unit, at = unit;
    if (!FLAT && p.dims > 1) {
        rest = p.wide ? unit / p.size[0] : (int64_t)ops_divide((uint32_t)unit, p.divider[0]);
        at = unit - rest * p.size[0];
    } else {
        rest = 0;
    }
    *start = rest * p.line + at * V;
    *have = (int)min((int64_t)V, p.line - at * V);
#pragma unroll
    for (int q = 0; q < N; ++q) {
        offset[q] = at * p.stride[q][0];
    }
    if constexpr (!FLAT) {
        for (int d = 1; d < p.dims; ++d) {
            int64_t up = 0;
            if (d + 1 < p.dims) {
                up = p.wide ? rest / p.size[d] : (int64_t)ops_divide((uint32_t)rest, p.divider[d]);
            }
            at = rest - up * p.size[d];
            rest = up;
#pragma unroll
            for (int q = 0; q < N; ++q) {
                offset[q] += at * p.stride[q][d];
            }
        }
    }
}

/* V elements of input q. */
template <class C, class S, int V, int N>
OPS_DEVICE void ops_load(const ops_device_plan<N> &p, int q, int64_t offset, int have,
                         ops_vector<C, V> &to)
{
    if (p.form[q] != OPS_FORM_ARRAY) {
        C x;
        if (p.form[q] == OPS_FORM_VALUE) {
            memcpy(&x, &p.value[q], sizeof x);
        } else {
            x = ops_load_any<C>(p.data[q], p.dtype[q]);
        }
#pragma unroll
        for (int j = 0; j < V; ++j) {
            to.at[j] = x;
        }
        return;
    }
    const char *const from = p.data[q] + offset;
    if constexpr (V > 1) {
        if (p.vector[q] && have == V) {
            ops_convert_vector(*(const ops_vector<S, V> *)from, p.dtype[q], to);
            return;
        }
    }
#pragma unroll
    for (int j = 0; j < V; ++j) {
        to.at[j] = j < have ? ops_load_one<C, S>(from + j * p.inner[q], p.dtype[q]) : C();
    }
}

template <class C, class S, int V, int N>
OPS_DEVICE void ops_store(const ops_device_plan<N> &p, int q, int64_t offset, int have,
                          const ops_vector<C, V> &x)
{
    if (p.form[q] == OPS_FORM_NONE) {
        return;
    }
    char *const to = p.data[q] + offset;
    if constexpr (V > 1) {
        if (p.vector[q] && have == V) {
            ops_unconvert_vector(x, p.dtype[q], *(ops_vector<S, V> *)to);
            return;
        }
    }
#pragma unroll
    for (int j = 0; j < V; ++j) {
        if (j < have) {
            ops_store_one<C, S>(to + j * p.inner[q], p.dtype[q], x.at[j]);
        }
    }
}

template <class K, class S, int V, class Outputs, class Inputs, class O, class I>
struct ops_pointwise_unit;

template <class K, class S, int V, class... Out, class... In, int... O, int... I>
struct ops_pointwise_unit<K, S, V, ops_list<Out...>, ops_list<In...>, ops_indices<O...>,
                          ops_indices<I...>> {
    typedef typename K::compute C;
    static constexpr int OUT = sizeof...(Out), N = OUT + (int)sizeof...(In);
    ops_tuple<ops_vector<typename ops_element<In, C>::type, V>...> in;
    int64_t offset[N];
    int64_t start;
    int have; /* elements of this unit */

    __device__ __forceinline__ void load(const ops_device_plan<N> &p)
    {
        (ops_load<typename ops_element<In, C>::type, typename ops_stored<In, S>::type, V>(
             p, OUT + I, offset[OUT + I], have, in.template get<I>()), ...);
    }

    __device__ __forceinline__ void finish(const K &kernel, const ops_device_plan<N> &p)
    {
        ops_tuple<ops_vector<typename ops_element<Out, C>::type, V>...> out;
#pragma unroll
        for (int j = 0; j < V; ++j) {
            kernel(start, j, p.wanted, in.template get<I>().at[j]..., out.template get<O>().at[j]...);
        }
        (ops_store<typename ops_element<Out, C>::type, typename ops_stored<Out, S>::type, V>(
             p, O, offset[O], have, out.template get<O>()), ...);
    }
};

template <class K, class S, int V, int U, bool FLAT>
__global__ void __launch_bounds__(OPS_THREADS)
ops_pointwise_grid(const K kernel,
                     const __grid_constant__ ops_device_plan<K::outputs::COUNT + K::inputs::COUNT> p)
{
    typedef ops_pointwise_unit<K, S, V, typename K::outputs, typename K::inputs,
                               typename ops_counted<K::outputs::COUNT>::type,
                               typename ops_counted<K::inputs::COUNT>::type> unit;
    const int64_t first = (int64_t)blockIdx.x * (OPS_THREADS * U) + threadIdx.x;
    unit units[U];
    /* All loads before the first store: outputs may be the very memory of inputs. */
#pragma unroll
    for (int u = 0; u < U; ++u) {
        const int64_t at = first + u * OPS_THREADS;
        units[u].have = 0;
        if (at < p.units) {
            ops_plan_offsets<FLAT, V>(p, at, units[u].offset, &units[u].start, &units[u].have);
            units[u].load(p);
        }
    }
#pragma unroll
    for (int u = 0; u < U; ++u) {
        if (units[u].have > 0) {
            units[u].finish(kernel, p);
        }
    }
}

/* Host --------------------------------------------------------------------------------------------- */

/* Do vectors of that many elements of an operand lie without gaps, and where they may be moved? */
static inline int ops_plan_aligned(const ops_plan *plan, int q, int vector)
{
    const ops_operand_plan *o = &plan->op[q];
    const int64_t size = ops_dtype_size[o->dtype], bytes = vector * size;
    uint64_t bits = (uint64_t)(uintptr_t)o->data;
    for (int d = 0; d + 1 < plan->ndim; ++d) {
        bits |= (uint64_t)o->stride[d];
    }
    return o->stride[plan->ndim - 1] == size && bits % (uint64_t)(bytes < 16 ? bytes : 16) == 0;
}

/* The plan of vectors of V elements; 0 if its dims do not fit. */
template <int N>
static int ops_plan_fill(ops_device_plan<N> *p, const ops_plan *plan, int outputs, int vector)
{
    if (plan->ndim > OPS_PLAN_DIMS) {
        return 0;
    }
    memset(p, 0, sizeof *p);
    p->numel = plan->numel;
    p->dims = plan->ndim;
    p->wide = plan->numel >= ((int64_t)1 << 31);
    const int last = plan->ndim - 1;
    p->line = plan->shape[last];
    p->units = 1;
    for (int d = 0; d < plan->ndim; ++d) {
        p->size[d] = d == 0 ? (p->line + vector - 1) / vector : plan->shape[last - d];
        p->divider[d] = ops_divider_of(p->size[d]);
        p->units *= p->size[d];
    }
    for (int q = 0; q < N; ++q) {
        const ops_operand_plan *o = &plan->op[q];
        p->data[q] = o->data;
        p->dtype[q] = o->dtype;
        for (int d = 0; d < plan->ndim; ++d) {
            p->stride[q][d] = o->stride[last - d] * (d == 0 ? vector : 1);
        }
        p->inner[q] = o->stride[last];
        p->vector[q] = (uint8_t)ops_plan_aligned(plan, q, vector);
        if (q < outputs) {
            p->form[q] = o->data == NULL ? OPS_FORM_NONE : OPS_FORM_ARRAY;
            p->wanted |= (unsigned)(o->data != NULL) << q;
        } else if (o->device == OPS_CPU) { /* a number or a 0-d tensor of the host */
            p->form[q] = OPS_FORM_VALUE;
            ops_convert(o->want, o->dtype, 1, o->data, 0, &p->value[q]);
        } else {
            p->form[q] = o->constant ? OPS_FORM_SCALAR : OPS_FORM_ARRAY;
        }
    }
    return 1;
}

/* What arrays have in common. */
typedef struct ops_plan_traits {
    int dtype;  /* of common operands; -1 when they differ */
    int direct; /* bool and int64 operands are stored as such */
    int flat;   /* one dim, contiguous, aligned */
} ops_plan_traits;

template <class... Class>
static ops_plan_traits ops_plan_look(const ops_plan *plan, int outputs, ops_list<Class...>)
{
    const bool common[] = {std::is_same<Class, ops_common>::value...};
    ops_plan_traits t = {-2, 1, plan->ndim == 1};
    for (int q = 0; q < (int)sizeof...(Class); ++q) {
        const ops_operand_plan *o = &plan->op[q];
        if (o->data == NULL || (q >= outputs && (o->device == OPS_CPU || o->constant))) {
            continue;
        }
        if (common[q]) {
            t.dtype = t.dtype == -2 || t.dtype == o->dtype ? o->dtype : -1;
        } else {
            t.direct &= o->dtype == o->want;
        }
        t.flat &= ops_plan_aligned(plan, q, 16);
    }
    return t;
}

template <class... A, class... B> ops_list<A..., B...> ops_join(ops_list<A...>, ops_list<B...>);

template <class K, class S, int V, int U, bool FLAT>
static cudaError_t ops_pointwise_run(const ops_plan *plan, const ops_scalar *s, cudaStream_t stream)
{
    ops_device_plan<K::outputs::COUNT + K::inputs::COUNT> p;
    if (!ops_plan_fill(&p, plan, K::outputs::COUNT, V)) {
        return ops_cuda_refuse("more than 16 dims that do not collapse");
    }
    const int64_t blocks = (p.units + OPS_THREADS * U - 1) / (OPS_THREADS * U);
    return ops_launch(ops_pointwise_grid<K, S, V, U, FLAT>, dim3((unsigned)blocks), stream, K(s), p);
}

/* Common operands all stored as S. */
template <class K, class S>
static cudaError_t ops_pointwise_as(const ops_plan *plan, const ops_plan_traits &t,
                                    const ops_scalar *s, cudaStream_t stream)
{
    constexpr int V = sizeof(S) < 2 ? 8 : 16 / sizeof(S);
    constexpr int64_t LONG = 1 << 20; /* from here on two vectors a thread pay */
    if constexpr (std::is_same<S, float>::value || std::is_same<S, ops_short_float>::value) {
        if (t.flat && plan->numel >= LONG) {
            return ops_pointwise_run<K, S, V, 2, true>(plan, s, stream);
        }
    }
    return ops_pointwise_run<K, S, V, 1, false>(plan, s, stream);
}

/* The launcher of a kernel: S are the storage types that have kernels of their own. */
template <class K, class... S>
static cudaError_t ops_pointwise_launch(const ops_plan *plan, const ops_scalar *s,
                                        cudaStream_t stream)
{
    typedef decltype(ops_join(typename K::outputs(), typename K::inputs())) classes;
    const ops_plan_traits t = ops_plan_look(plan, K::outputs::COUNT, classes());
    cudaError_t status = cudaSuccess;
    const bool done =
        t.direct && ((ops_stores<S>(t.dtype) || t.dtype == -2
                          ? (status = ops_pointwise_as<K, S>(plan, t, s, stream), true)
                          : false) || ...);
    return done ? status : ops_pointwise_run<K, ops_any, 1, 1, false>(plan, s, stream);
}

#endif
