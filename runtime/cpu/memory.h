/* What cpu/memory.c gives tensors besides the device tables. See opsmith/tensor.h. */
#ifndef OPSMITH_MEMORY_H
#define OPSMITH_MEMORY_H

#include "opsmith/tensor.h"

/* A struct, never given back: from slabs of their own, packed, since data blocks stay aligned to
 * 64 bytes. */
char *ops_struct_allocate(int64_t nbytes);

#endif
