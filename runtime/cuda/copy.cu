/* Copies and conversions: within the device, and between it and the host. */
#include <stdlib.h>

#include "pointwise.cuh"
#include "state.cuh"

/* Kernels -------------------------------------------------------------------------------------- */

/* Elements, moved. */
template <class T> struct move {
    typedef T compute;
    typedef ops_list<ops_common> outputs;
    typedef ops_list<ops_common> inputs;
    explicit move(const ops_scalar *) {}
    __device__ __forceinline__ void operator()(int64_t, int, unsigned, T from, T &to) const
    {
        to = from;
    }
};

/* Between dtypes, through the widest of the source's kind: rounded once. */
typedef move<double> convert_float;
typedef move<int64_t> convert_int;

struct accumulate_base {
    explicit accumulate_base(const ops_scalar *) {}
    typedef ops_list<ops_common> outputs;
    typedef ops_list<ops_common, ops_common> inputs;
};

struct accumulate_f64 : accumulate_base {
    typedef double compute;
    using accumulate_base::accumulate_base;
    __device__ __forceinline__ void operator()(int64_t, int, unsigned, double a, double b, double &to) const
    {
        to = a + b;
    }
};

struct accumulate_f32 : accumulate_base {
    typedef float compute;
    using accumulate_base::accumulate_base;
    __device__ __forceinline__ void operator()(int64_t, int, unsigned, float a, float b, float &to) const
    {
        to = a + b;
    }
};

extern const ops_launcher ops_accumulate__cuda;
const ops_launcher ops_accumulate__cuda = {
    .pointwise = {
        ops_pointwise_launch<accumulate_f64, double>,
        ops_pointwise_launch<accumulate_f32, float, ops_short_float>,
        NULL,
        NULL,
        NULL,
    },
};

const void *ops_cuda_probe(void)
{
    return (const void *)ops_pointwise_grid<accumulate_f32, float, 4, 1, false>;
}

/* Plans ---------------------------------------------------------------------------------------- */

/* On the device: both operands there, or the source a value of the host. */
static cudaError_t copy_on_device(ops_plan *plan)
{
    const cudaStream_t stream = ops_cuda_stream;
    ops_operand_plan *to = &plan->op[0], *from = &plan->op[1];
    if (to->dtype == from->dtype && from->device != OPS_CPU) {
        const int64_t size = ops_dtype_size[to->dtype];
        if (plan->ndim == 1 && to->stride[0] == size && from->stride[0] == size) {
            return cudaMemcpyAsync(to->data, from->data, (size_t)(plan->numel * size),
                                   cudaMemcpyDeviceToDevice, stream);
        }
        const ops_plan_traits t = ops_plan_look(plan, 1, ops_list<ops_common, ops_common>());
        if (!from->constant) {
            switch (size) { /* as integers of that size, whatever the bits mean */
            case 8: return ops_pointwise_as<move<int64_t>, int64_t>(plan, t, NULL, stream);
            case 4: return ops_pointwise_as<move<int32_t>, int32_t>(plan, t, NULL, stream);
            case 2: return ops_pointwise_as<move<int32_t>, int16_t>(plan, t, NULL, stream);
            default: return ops_pointwise_as<move<int32_t>, int8_t>(plan, t, NULL, stream);
            }
        }
    }
    const bool real = ops_is_float(from->dtype);
    from->want = to->want = (uint8_t)(real ? OPS_F64 : OPS_I64);
    return real ? ops_pointwise_launch<convert_float>(plan, NULL, stream)
                : ops_pointwise_launch<convert_int>(plan, NULL, stream);
}

/* The plan with operand `side` replaced by dense memory. */
static void make_dense(ops_plan *plan, int side, char *data, int dtype, int device)
{
    ops_operand_plan *o = &plan->op[side];
    int64_t step = ops_dtype_size[dtype];
    o->data = data;
    o->dtype = o->want = (uint8_t)dtype;
    o->device = (uint8_t)device;
    o->constant = 0;
    for (int d = plan->ndim - 1; d >= 0; --d) {
        o->stride[d] = step;
        step *= plan->shape[d];
    }
}

static int is_dense(const ops_plan *plan, int side)
{
    int64_t step = ops_dtype_size[plan->op[side].dtype];
    for (int d = plan->ndim - 1; d >= 0; --d) {
        if (plan->shape[d] != 1 && plan->op[side].stride[d] != step) {
            return 0;
        }
        step *= plan->shape[d];
    }
    return 1;
}

/* Between strided host memory and a dense block of the host, of the same dtype. */
static void gather(const ops_plan *plan, int side, char *block, int scatter)
{
    const ops_operand_plan *o = &plan->op[side];
    const int last = plan->ndim - 1;
    const int64_t row = plan->shape[last], bytes = row * ops_dtype_size[o->dtype];
    int64_t index[OPS_MAX_NDIM] = {0};
    for (int64_t done = 0; done < plan->numel; done += row, block += bytes) {
        char *p = o->data;
        for (int d = 0; d < last; ++d) {
            p += index[d] * o->stride[d];
        }
        if (scatter) {
            ops_convert_out(o->dtype, o->dtype, row, block, p, o->stride[last]);
        } else {
            ops_convert(o->dtype, o->dtype, row, p, o->stride[last], block);
        }
        for (int d = last - 1; d >= 0 && ++index[d] == plan->shape[d]; --d) {
            index[d] = 0;
        }
    }
}

/* One side is host memory: strides are undone there, dtypes and strides of the other side on the
 * device, so that the wire carries dense blocks of the narrower of the two dtypes. */
static int cross(const ops_plan *plan, int host)
{
    const int device = !host, up = host == 1; /* operand 1 is the source */
    const int dtype = up ? plan->op[1].dtype
                         : ops_dtype_size[plan->op[0].dtype] < ops_dtype_size[plan->op[1].dtype]
                               ? plan->op[0].dtype
                               : plan->op[1].dtype;
    const int64_t bytes = plan->numel * ops_dtype_size[dtype];
    ops_plan inside = *plan;
    char *staged = NULL, *block = plan->op[host].data, *remote = plan->op[device].data;
    const int direct_host = is_dense(plan, host) && plan->op[host].dtype == dtype;
    const int direct_device = is_dense(plan, device) && plan->op[device].dtype == dtype;
    int16_t size_class = -1;
    int ok = 1;
    if (!direct_host) {
        block = staged = (char *)malloc((size_t)bytes);
    }
    if (!direct_device) {
        remote = ops_cuda_allocate(bytes, &size_class);
        if (remote != NULL) {
            make_dense(&inside, host, remote, dtype, OPS_CUDA);
        }
    }
    if (block == NULL || remote == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "out of memory for a copy of %lld bytes", (long long)bytes);
        ok = 0;
    }
    if (ok && up && staged != NULL) {
        gather(plan, host, block, 0);
    }
    if (ok && !up && !direct_device) {
        ok = ops_cuda_launched(copy_on_device(&inside), "copy");
    }
    if (ok) {
        /* From pageable memory the call returns once the source may be reused; to it, we wait. */
        void *lock = bytes > 32768 && ops_gil_release ? ops_gil_release() : NULL;
        cudaError_t status = cudaMemcpyAsync(up ? remote : block, up ? block : remote, (size_t)bytes,
                                             up ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost,
                                             ops_cuda_stream);
        if (status == cudaSuccess && (!up || staged != NULL)) {
            status = cudaStreamSynchronize(ops_cuda_stream);
        }
        if (lock != NULL) {
            ops_gil_acquire(lock);
        }
        ok = ops_cuda_settled(status);
    }
    if (ok && up && !direct_device) {
        ok = ops_cuda_launched(copy_on_device(&inside), "copy");
    }
    if (ok && !up && staged != NULL) {
        if (dtype != plan->op[host].dtype) { /* widen on the host: the block is read as it came */
            const ops_operand_plan *o = &plan->op[host];
            char *wide = (char *)malloc((size_t)(plan->numel * ops_dtype_size[o->dtype]));
            ok = wide != NULL;
            if (ok) {
                ops_convert(o->dtype, dtype, plan->numel, block, ops_dtype_size[dtype], wide);
                free(staged);
                block = staged = wide;
            } else {
                ops_fail(OPS_MEMORY_ERROR, "out of memory for a copy");
            }
        }
        if (ok) {
            gather(plan, host, block, 1);
        }
    }
    free(staged);
    if (size_class >= 0) {
        ops_cuda_release(remote, bytes, size_class);
    }
    return ok;
}

int ops_cuda_copy(const ops_plan *plan)
{
    const ops_operand_plan *to = &plan->op[0], *from = &plan->op[1];
    ops_cuda_here();
    if (to->device == OPS_CPU) {
        return cross(plan, 0);
    }
    if (from->device == OPS_CPU && !from->constant) {
        return cross(plan, 1);
    }
    ops_plan inside = *plan;
    return ops_cuda_launched(copy_on_device(&inside), "copy");
}

int ops_cuda_zero(char *data, int64_t nbytes)
{
    ops_cuda_here();
    return ops_cuda_launched(cudaMemsetAsync(data, 0, (size_t)nbytes, ops_cuda_stream), "zero");
}
