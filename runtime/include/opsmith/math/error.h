/* opsmith/math/error.h: erf, erfc and the inverse of erf. */
#ifndef OPSMITH_MATH_ERROR_H
#define OPSMITH_MATH_ERROR_H

#include "opsmith/math/base.h"
#include "opsmith/math/exponential.h"
#include "opsmith/math/logarithm.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

/* An odd polynomial up to 0.93, 1 - exp(polynomial) beyond (Juffa). */
OPS_INLINE float ops_erf_f32(float x)
{
    float a = __builtin_fabsf(x), s = x * x;
    float r = ops_fma_f32(-1.72853470e-5f, a, 3.83197126e-4f);
    float u = ops_fma_f32(-3.88396438e-3f, a, 2.42546219e-2f);
    r = ops_fma_f32(r, s, u);
    r = ops_fma_f32(r, a, -1.06777877e-1f);
    r = ops_fma_f32(r, a, -6.34846687e-1f);
    r = ops_fma_f32(r, a, -1.28717512e-1f);
    r = ops_fma_f32(r, a, -a);
    float large = 1.0f - ops_exp_shifted_f32(r, 0.0f); /* r > -33 up to a = 4.1 */
    large = __builtin_copysignf(a > 4.0f ? 1.0f : large, x);
    float q = -5.96761703e-4f;
    q = ops_fma_f32(q, s, 4.99119423e-3f);
    q = ops_fma_f32(q, s, -2.67681349e-2f);
    q = ops_fma_f32(q, s, 1.12819925e-1f);
    q = ops_fma_f32(q, s, -3.76125336e-1f);
    q = ops_fma_f32(q, s, 1.28379166e-1f);
    q = ops_fma_f32(q, x, x);
    q = x == 0 ? x : q;
    return a > 0.927734375f ? large : q; /* NaN takes q */
}

/*
 * erfc(a) = exp(-a^2) P(q) / (1 + 2 a), q = (a - 2) / (a + 2). The rounding errors of q and of a^2
 * are put back, since exp and the small end would magnify them.
 */
OPS_INLINE float ops_erfc_f32(float x)
{
    float a = __builtin_fabsf(x);
    a = a > 10.1f ? 10.1f : a; /* erfc(10.1) rounds to 0 */
    float inverse = 1.0f / (a + 2.0f);
    float q = (a - 2.0f) * inverse;
    float missing = ops_fma_f32(q, -a, ops_fma_f32(q + 1.0f, -2.0f, a)); /* a - 2 - q (a + 2) */
    q = ops_fma_f32(inverse, missing, q);
    float p = -0.000431946042f;
    p = ops_fma_f32(p, q, -0.00126808253f);
    p = ops_fma_f32(p, q, 0.00134345854f);
    p = ops_fma_f32(p, q, 0.00867119618f);
    p = ops_fma_f32(p, q, -0.00807066448f);
    p = ops_fma_f32(p, q, -0.0542173907f);
    p = ops_fma_f32(p, q, 0.164057299f);
    p = ops_fma_f32(p, q, -0.166030049f);
    p = ops_fma_f32(p, q, -0.0927641168f);
    p = ops_fma_f32(p, q, 1.27697837f);
    float square = a * a;
    float square_error = ops_mul_error_f32(a, a, square);
    float e = ops_exp_shifted_f32(-square, 0.0f); /* -square >= -102.1 */
    float value = p / ops_fma_f32(2.0f, a, 1.0f);
    value = value * ops_fma_f32(e, -square_error, e);
    value = x < 0 ? 2.0f - value : value;
    return x != x ? x : value;
}

/* x P(w), w = -log(1 - x^2) (Giles); the tail in sqrt(w). */
OPS_INLINE float ops_erfinv_f32(float x)
{
    float w = -ops_log_f32((1.0f - x) * (1.0f + x));
    float centre = w - 2.5f;
    float tail = __builtin_sqrtf(w) - 3.0f;
    float p = 2.54420716e-08f;
    p = ops_fma_f32(p, centre, 3.38437559e-07f);
    p = ops_fma_f32(p, centre, -3.49650736e-06f);
    p = ops_fma_f32(p, centre, -4.34603953e-06f);
    p = ops_fma_f32(p, centre, 0.000218502246f);
    p = ops_fma_f32(p, centre, -0.00125384203f);
    p = ops_fma_f32(p, centre, -0.00417761831f);
    p = ops_fma_f32(p, centre, 0.246640816f);
    p = ops_fma_f32(p, centre, 1.50140941f);
    float q = -0.000140342905f;
    q = ops_fma_f32(q, tail, 6.8055313e-05f);
    q = ops_fma_f32(q, tail, 0.0012650881f);
    q = ops_fma_f32(q, tail, -0.00364150922f);
    q = ops_fma_f32(q, tail, 0.00577838533f);
    q = ops_fma_f32(q, tail, -0.00763040176f);
    q = ops_fma_f32(q, tail, 0.00943297334f);
    q = ops_fma_f32(q, tail, 1.00167453f);
    q = ops_fma_f32(q, tail, 2.83297706f);
    float value = x * (w < 5.0f ? p : q);
    value = __builtin_fabsf(x) == 1.0f ? __builtin_copysignf(OPS_INF_F32, x) : value;
    return x == 0 ? x : value;
}

/* ---- f64 ------------------------------------------------------------------------------------- */

/* erf(x) for |x| <= 1. */
OPS_INLINE double ops_erf_reduced_f64(double x)
{
    double z = x * x;
    double p = 1.6394556901065913e-10;
    p = ops_fma_f64(p, z, -1.7637321780746772e-09);
    p = ops_fma_f64(p, z, 1.630479755386981e-08);
    p = ops_fma_f64(p, z, -1.6598472785685731e-07);
    p = ops_fma_f64(p, z, 1.6484741712423223e-06);
    p = ops_fma_f64(p, z, -1.4927095496330927e-05);
    p = ops_fma_f64(p, z, 0.00012055394353501151);
    p = ops_fma_f64(p, z, -0.0008548328735804778);
    p = ops_fma_f64(p, z, 0.005223977655691681);
    p = ops_fma_f64(p, z, -0.026866170648281482);
    p = ops_fma_f64(p, z, 0.11283791670972065);
    p = ops_fma_f64(p, z, -0.3761263890318411);
    p = ops_fma_f64(p, z, 0.1283791670955126);
    return ops_fma_f64(p, x, x);
}

/* An odd polynomial up to 1, 1 - exp(x P(x)) beyond. */
OPS_INLINE double ops_erf_f64(double x)
{
    double a = __builtin_fabs(x);
    double small = ops_erf_reduced_f64(x);
    a = a > 6.0 ? 6.0 : a; /* erf(6) rounds to 1 */
    double q = -9.605991286752597e-12;
    q = ops_fma_f64(q, a, 3.8205144678306853e-10);
    q = ops_fma_f64(q, a, -7.0578791232724525e-09);
    q = ops_fma_f64(q, a, 8.024393167958519e-08);
    q = ops_fma_f64(q, a, -6.257199148029612e-07);
    q = ops_fma_f64(q, a, 3.5136801569287144e-06);
    q = ops_fma_f64(q, a, -1.4365294308181943e-05);
    q = ops_fma_f64(q, a, 4.105238248781836e-05);
    q = ops_fma_f64(q, a, -6.595193543202464e-05);
    q = ops_fma_f64(q, a, -4.484828998828688e-05);
    q = ops_fma_f64(q, a, 0.000630313912851898);
    q = ops_fma_f64(q, a, -0.0017448818902569543);
    q = ops_fma_f64(q, a, 0.0002492129321548628);
    q = ops_fma_f64(q, a, 0.01910562865199764);
    q = ops_fma_f64(q, a, -0.10276389525681671);
    q = ops_fma_f64(q, a, -0.6366217822649025);
    q = ops_fma_f64(q, a, -1.1283789543997758);
    double large = __builtin_copysign(1.0 - ops_exp_shifted_f64(q * a, 0.0), x);
    small = x == 0 ? x : small;
    return a > 1.0 ? large : small; /* NaN takes small */
}

/*
 * erfc(a) = exp(-a^2) P(q) / (1 + 2 a), q = (a - 4) / (a + 4). The rounding errors of q and of a^2
 * are put back, since exp and the small end would magnify them. 1 - erf(a) where it is above 1/2.
 */
OPS_INLINE double ops_erfc_f64(double x)
{
    double a = __builtin_fabs(x);
    a = a > 27.3 ? 27.3 : a; /* erfc(27.3) rounds to 0 */
    double inverse = 1.0 / (a + 4.0);
    double q = (a - 4.0) * inverse;
    double missing = ops_fma_f64(q, -a, ops_fma_f64(q + 1.0, -4.0, a)); /* a - 4 - q (a + 4) */
    q = ops_fma_f64(inverse, missing, q);
    double p = 2.2450927572790274e-10;
    p = ops_fma_f64(p, q, -7.732539091492106e-09);
    p = ops_fma_f64(p, q, -8.066481780708754e-09);
    p = ops_fma_f64(p, q, 9.990888396690297e-08);
    p = ops_fma_f64(p, q, 5.4316223556530646e-08);
    p = ops_fma_f64(p, q, -8.185463915453355e-07);
    p = ops_fma_f64(p, q, 3.152252091510449e-07);
    p = ops_fma_f64(p, q, 5.7084159282767956e-06);
    p = ops_fma_f64(p, q, -1.1235350751355979e-05);
    p = ops_fma_f64(p, q, -2.440016609534267e-05);
    p = ops_fma_f64(p, q, 0.00015062685659993644);
    p = ops_fma_f64(p, q, -0.00019925599228704083);
    p = ops_fma_f64(p, q, -0.0007577745657028166);
    p = ops_fma_f64(p, q, 0.005031969774642035);
    p = ops_fma_f64(p, q, -0.016197733862265487);
    p = ops_fma_f64(p, q, 0.037167515567878555);
    p = ops_fma_f64(p, q, -0.0663303658297392);
    p = ops_fma_f64(p, q, 0.09373283499604083);
    p = ops_fma_f64(p, q, -0.10103906603549222);
    p = ops_fma_f64(p, q, 0.06809705425476903);
    p = ops_fma_f64(p, q, 0.015379652102604885);
    p = ops_fma_f64(p, q, -0.13962111684056322);
    p = ops_fma_f64(p, q, 1.2329951186255526);
    double square = a * a;
    double square_error = ops_mul_error_f64(a, a, square);
    double e = ops_exp_shifted_f64(-square, 0.0); /* -square >= -745.3 */
    double value = p / ops_fma_f64(2.0, a, 1.0);
    value = value * ops_fma_f64(e, -square_error, e);
    value = x < 0 ? 2.0 - value : value;
    value = a < 0.45 ? 1.0 - ops_erf_reduced_f64(x) : value;
    return x != x ? x : value;
}

/* x P(w), w = -log(1 - x^2) (Giles); beyond w = 6.25 in sqrt(w), two pieces. */
OPS_INLINE double ops_erfinv_f64(double x)
{
    double w = -ops_log_f64((1.0 - x) * (1.0 + x));
    double root = __builtin_sqrt(w);
    double centre = w - 3.125;
    double middle = root - 3.25;
    double tail = root - 5.0;
    double p = -7.55429551803311e-21;
    p = ops_fma_f64(p, centre, -1.6826618285936531e-19);
    p = ops_fma_f64(p, centre, 1.4935883488718633e-18);
    p = ops_fma_f64(p, centre, 1.114833907556133e-17);
    p = ops_fma_f64(p, centre, -1.3807971517582563e-16);
    p = ops_fma_f64(p, centre, 2.1119431272264828e-17);
    p = ops_fma_f64(p, centre, 6.69928371775957e-15);
    p = ops_fma_f64(p, centre, -4.054666045223301e-14);
    p = ops_fma_f64(p, centre, -8.201430087783423e-14);
    p = ops_fma_f64(p, centre, 2.633510503625881e-12);
    p = ops_fma_f64(p, centre, -1.2972583354028788e-11);
    p = ops_fma_f64(p, centre, -5.415409471874991e-11);
    p = ops_fma_f64(p, centre, 1.051203848415596e-09);
    p = ops_fma_f64(p, centre, -4.112634155694915e-09);
    p = ops_fma_f64(p, centre, -2.907035263195063e-08);
    p = ops_fma_f64(p, centre, 4.234787787790632e-07);
    p = ops_fma_f64(p, centre, -1.3654692208299843e-06);
    p = ops_fma_f64(p, centre, -1.38825233634726e-05);
    p = ops_fma_f64(p, centre, 0.00018673420804676694);
    p = ops_fma_f64(p, centre, -0.0007407025341658629);
    p = ops_fma_f64(p, centre, -0.006033670871433175);
    p = ops_fma_f64(p, centre, 0.24015818242558956);
    p = ops_fma_f64(p, centre, 1.653654562683103);
    double q = 9.056320721061578e-09;
    q = ops_fma_f64(q, middle, 9.022776986215672e-08);
    q = ops_fma_f64(q, middle, -2.922736563794155e-07);
    q = ops_fma_f64(q, middle, 1.9443668765877293e-08);
    q = ops_fma_f64(q, middle, 1.5205243285487097e-06);
    q = ops_fma_f64(q, middle, -4.014989478902382e-06);
    q = ops_fma_f64(q, middle, 2.9134843506076787e-06);
    q = ops_fma_f64(q, middle, 1.247585509124724e-05);
    q = ops_fma_f64(q, middle, -4.731498265101995e-05);
    q = ops_fma_f64(q, middle, 6.828469897228599e-05);
    q = ops_fma_f64(q, middle, 2.4030489982286382e-05);
    q = ops_fma_f64(q, middle, -0.0003550374966816448);
    q = ops_fma_f64(q, middle, 0.0009532894461985646);
    q = ops_fma_f64(q, middle, -0.0016882755579451319);
    q = ops_fma_f64(q, middle, 0.002491442092550288);
    q = ops_fma_f64(q, middle, -0.003751208507500584);
    q = ops_fma_f64(q, middle, 0.005370914553663161);
    q = ops_fma_f64(q, middle, 1.0052589676941586);
    q = ops_fma_f64(q, middle, 3.0838856104922203);
    double t = -6.475753872598046e-12;
    t = ops_fma_f64(t, tail, -2.465344404299326e-10);
    t = ops_fma_f64(t, tail, 1.426147629742061e-09);
    t = ops_fma_f64(t, tail, -3.823993665116435e-09);
    t = ops_fma_f64(t, tail, 7.74566686253727e-09);
    t = ops_fma_f64(t, tail, -1.490736096479329e-08);
    t = ops_fma_f64(t, tail, 2.9040964942145986e-08);
    t = ops_fma_f64(t, tail, -6.775274967959877e-08);
    t = ops_fma_f64(t, tail, 2.290530568448242e-07);
    t = ops_fma_f64(t, tail, -9.92965930629626e-07);
    t = ops_fma_f64(t, tail, 4.526050972545113e-06);
    t = ops_fma_f64(t, tail, -1.9681781635056586e-05);
    t = ops_fma_f64(t, tail, 7.599527837560445e-05);
    t = ops_fma_f64(t, tail, -0.00021503011897661202);
    t = ops_fma_f64(t, tail, -0.00013871931839364577);
    t = ops_fma_f64(t, tail, 1.010300464864526);
    t = ops_fma_f64(t, tail, 4.849906401408584);
    double value = x * (w < 6.25 ? p : w < 16.0 ? q : t);
    value = __builtin_fabs(x) == 1.0 ? __builtin_copysign(OPS_INF_F64, x) : value;
    return x == 0 ? x : value;
}

#endif
