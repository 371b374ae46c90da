/* Which kernels run: see opsmith/dispatch.h. */
#include "opsmith/dispatch.h"

#include <stdlib.h>
#include <string.h>

int ops_tuned;

int ops_dispatch_load(void)
{
    const char *reference = getenv("OPSMITH_REFERENCE");
    if (!ops_tuned && (reference == NULL || strcmp(reference, "1") != 0)) {
        ops_override_half();
        ops_tuned = 1;
    }
    return ops_tuned;
}
