/* What the cffi module of the runtime includes. */
#include "opsmith/abi.h"
#include "opsmith/boundary.h"
