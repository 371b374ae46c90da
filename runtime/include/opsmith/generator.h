/* The default random generator: a Philox key and a counter; draws reserve a range of it. */
#ifndef OPSMITH_GENERATOR_H
#define OPSMITH_GENERATOR_H

#include "opsmith/tensor.h"

OPS_EXPORT uint64_t ops_generator_seed(void);
/* The first counter of `n` reserved ones. */
OPS_EXPORT uint64_t ops_generator_reserve(int64_t n);

#endif
