/* The pending error of a thread, and shapes as its text shows them. See opsmith/tensor.h. */
#include <stdarg.h>
#include <stdio.h>

#include "opsmith/tensor.h"

static __thread int pending_status;
static __thread char error_text[1024];

void *ops_fail(enum ops_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error_text, sizeof error_text, format, args);
    va_end(args);
    pending_status = (int)status;
    return NULL;
}

int ops_take_status(void)
{
    int status = pending_status;
    pending_status = OPS_OK;
    return status;
}

const char *ops_error_text(void)
{
    return error_text;
}

const char *ops_shape_text(int ndim, const int64_t *shape)
{
    static __thread char buffers[4][256];
    static __thread int next;
    char *text = buffers[next++ & 3];
    int used = snprintf(text, 256, "[");
    for (int d = 0; d < ndim && used < 230; ++d) {
        used += snprintf(text + used, 256 - (size_t)used, d ? ", %lld" : "%lld", (long long)shape[d]);
    }
    snprintf(text + used, 256 - (size_t)used, "]");
    return text;
}
