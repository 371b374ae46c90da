/* Reference first, tuned kernels override.
 *
 * What the compiler generates, and the runtime's portable loops, is complete by itself. Hand-tuned
 * code takes its place slot by slot when the library is loaded, if OPSMITH_REFERENCE is not set to
 * 1: the shared matrix products and convolutions take that of loop nests, runtime/cpu/overrides
 * that of portable loops. The tests pass either way. */
#ifndef OPSMITH_DISPATCH_H
#define OPSMITH_DISPATCH_H

#pragma GCC visibility push(default)

/* Do tuned kernels run? Written once, by ops_dispatch_load. */
extern int ops_tuned;

/* Fill the slots as the environment says; returns ops_tuned. */
int ops_dispatch_load(void);

#pragma GCC visibility pop

/* One function a file of runtime/cpu/overrides: it writes the slots that it has kernels for. */
void ops_override_half(void);

#endif
