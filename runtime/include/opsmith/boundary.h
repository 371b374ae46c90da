/* What Python calls besides the operations. Read by the compiler as cffi declarations too: plain
 * prototypes only, no preprocessor. Handles as in opsmith/abi.h. */
void ops_drop(double h);
double ops_hold(double h);
double ops_alias(double h);
double ops_unshared_alias(double h);
int ops_take_status(void);
const char *ops_error_text(void);
double ops_next_output(int k);
void ops_put_output(int k, double h);
int ops_check_plain(double h); /* nonzero: a slow path or an error, the status says which */

double ops_shape_key(double h);
int ops_ndim(double h);
int64_t *ops_shape(double h);
int64_t *ops_strides(double h);
int64_t ops_numel(double h);
int ops_dtype(double h);
int ops_device(double h);
int ops_flags(double h);
int64_t ops_itemsize_of(double h);
int64_t ops_storage_offset(double h);
int64_t ops_storage_bytes(double h);
int64_t ops_storage_pointer(double h);
int64_t ops_data_pointer(double h);
int64_t ops_version_of(double h);
void ops_bump_version(double h, double stamp);
int ops_is_stale(double h);
void ops_refresh_view(double h);
void ops_set_flag(double h, int flag, int on);
int ops_storage_refcount(double h);
int ops_overlaps_itself(double h);
double ops_none_handle(void);
int ops_saved_is_valid(double h, double seq);
double ops_last_write(void);

double ops_item_float(double h);
int64_t ops_item_int(double h);

double ops_make_number(int kind, double f, int64_t i);
double ops_empty(int dtype, int device, int64_t n, int64_t a, int64_t b, int64_t c, int64_t d);
double ops_empty_strided(int dtype, int device, int64_t n, const int64_t *shape,
                         const int64_t *stride);
double ops_full(int dtype, int device, int kind, double f, int64_t i, int64_t n, int64_t a,
                int64_t b, int64_t c, int64_t d);
double ops_like(double h, int dtype, int kind, double f, int64_t i);
double ops_from_block(int dtype, int source, const char *block, int64_t n, int64_t a, int64_t b,
                      int64_t c, int64_t d);
int ops_overlap(double a, double b); /* do they touch common memory? */
double ops_range(int64_t start, int64_t step, int64_t count);
double ops_from_doubles(int dtype, const char *block, int64_t n);
double ops_from_foreign(int dtype, char *data, int readonly, int64_t ndim, const int64_t *shape,
                        const int64_t *stride, double owner, void (*release)(double));
int ops_fill(double h, int kind, double f, int64_t i, double stamp);
int ops_copy(double to, double from, double stamp);
double ops_convert_to(double h, int dtype, int device, int always_copy, int contiguous);
double ops_bitcast(double h, int dtype);

double ops_accumulate(double a, double g);
double ops_ones_like(double h);
double ops_unreduce(double g, uint64_t dims, int keepdim, double factor, int divide, int64_t n,
                    int64_t a, int64_t b, int64_t c, int64_t d);
double ops_settle(double h);

void ops_set_grad_enabled(int on);
int ops_get_grad_enabled(void);
int ops_divert(int flags); /* returns what it was */
int ops_diverted_flags(void);
void ops_set_default_dtype(int dtype);
int64_t *ops_long_ints(void);
void ops_install(int on);
int ops_dispatch_load(void);
int ops_install_tensor_type(const char *module);
int ops_num_threads_now(void);
void ops_set_threads(int n);
int64_t ops_live_bytes(void);
int64_t ops_live_tensors(void);
void ops_seed(uint64_t seed);
uint64_t ops_get_seed(void);
uint64_t ops_get_offset(void);
void ops_set_offset(uint64_t offset);
