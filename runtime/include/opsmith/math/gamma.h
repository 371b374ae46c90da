/* opsmith/math/gamma.h: lgamma, digamma, trigamma and the Bessel functions i0, i1. */
#ifndef OPSMITH_MATH_GAMMA_H
#define OPSMITH_MATH_GAMMA_H

#include "opsmith/math/base.h"
#include "opsmith/math/exponential.h"
#include "opsmith/math/logarithm.h"
#include "opsmith/math/trigonometric.h"

/* ---- Bessel ---------------------------------------------------------------------------------- */

/* A power series in x^2 / 4 up to 15, exp(x) / sqrt(x) P(30 / x - 1) beyond. */
OPS_INLINE double ops_i0_f64(double x)
{
    double a = __builtin_fabs(x);
    double near = a > 15.0 ? 15.0 : a;
    double far = a < 15.0 ? 15.0 : a;
    double z = 0.25 * (near * near);
    double p = 1.1358892761281518e-39;
    p = ops_fma_f64(p, z, -4.730628556316685e-38);
    p = ops_fma_f64(p, z, 1.0259267853448652e-34);
    p = ops_fma_f64(p, z, 2.0635372215293903e-32);
    p = ops_fma_f64(p, z, 8.192811313629287e-30);
    p = ops_fma_f64(p, z, 2.2678780286261354e-27);
    p = ops_fma_f64(p, z, 5.855061293396287e-25);
    p = ops_fma_f64(p, z, 1.315540572506431e-22);
    p = ops_fma_f64(p, z, 2.5789911036736482e-20);
    p = ops_fma_f64(p, z, 4.358377283542674e-18);
    p = ops_fma_f64(p, z, 6.276083296939457e-16);
    p = ops_fma_f64(p, z, 7.594058196013708e-14);
    p = ops_fma_f64(p, z, 7.594058448898901e-12);
    p = ops_fma_f64(p, z, 6.151187325415964e-10);
    p = ops_fma_f64(p, z, 3.9367598892047735e-08);
    p = ops_fma_f64(p, z, 1.929012345676987e-06);
    p = ops_fma_f64(p, z, 6.944444444444847e-05);
    p = ops_fma_f64(p, z, 0.0017361111111111067);
    p = ops_fma_f64(p, z, 0.02777777777777778);
    p = ops_fma_f64(p, z, 0.25);
    p = ops_fma_f64(p, z, 1.0);
    double t = 30.0 / far - 1.0;
    double q = -3.8035341643362296e-13;
    q = ops_fma_f64(q, t, -1.62767282743685e-14);
    q = ops_fma_f64(q, t, 1.5184620613307729e-12);
    q = ops_fma_f64(q, t, 9.835564786895069e-14);
    q = ops_fma_f64(q, t, -2.323604049240534e-12);
    q = ops_fma_f64(q, t, 1.8029430944629936e-13);
    q = ops_fma_f64(q, t, 2.825111933610462e-12);
    q = ops_fma_f64(q, t, 3.249050743607438e-12);
    q = ops_fma_f64(q, t, 1.4898446442695415e-11);
    q = ops_fma_f64(q, t, 9.506246718183401e-11);
    q = ops_fma_f64(q, t, 7.03808861825782e-10);
    q = ops_fma_f64(q, t, 6.566418803408476e-09);
    q = ops_fma_f64(q, t, 8.002452615171427e-08);
    q = ops_fma_f64(q, t, 1.3480636241684353e-06);
    q = ops_fma_f64(q, t, 3.478816199515473e-05);
    q = ops_fma_f64(q, t, 0.0017280825606888822);
    q = ops_fma_f64(q, t, 0.4006368487838702);
    double half = ops_exp_f64(0.5 * far); /* exp(far) overflows before I0 does */
    double series = ops_fma_f64(p, z, 1.0);
    /* The rounding error of z counts x / 2 times; d log(I0) / dz is 1 / (1 + x / 2), nearly. */
    double z_low = 0.25 * ops_mul_error_f64(near, near, 4.0 * z);
    series = ops_fma_f64(series, z_low / (1.0 + 0.5 * near), series);
    double asymptotic = half * (q / __builtin_sqrt(far)) * half;
    return a > 15.0 ? (a == OPS_INF_F64 ? a : asymptotic) : series;
}

OPS_INLINE float ops_i0_f32(float x)
{
    return (float)ops_i0_f64(x);
}

/* x / 2 times a power series in x^2 / 4 up to 15, exp(x) / sqrt(x) P(30 / x - 1) beyond. */
OPS_INLINE double ops_i1_f64(double x)
{
    double a = __builtin_fabs(x);
    double near = a > 15.0 ? 15.0 : a;
    double far = a < 15.0 ? 15.0 : a;
    double z = 0.25 * (near * near);
    double p = 4.5847763617499917e-67;
    p = ops_fma_f64(p, z, 4.263842016427493e-64);
    p = ops_fma_f64(p, z, 3.7095425542919185e-61);
    p = ops_fma_f64(p, z, 3.0121485540850376e-58);
    p = ops_fma_f64(p, z, 2.2771843068882885e-55);
    p = ops_fma_f64(p, z, 1.5985833834355786e-52);
    p = ops_fma_f64(p, z, 1.0390791992331261e-49);
    p = ops_fma_f64(p, z, 6.234475195398757e-47);
    p = ops_fma_f64(p, z, 3.4414303078601135e-44);
    p = ops_fma_f64(p, z, 1.7413637357772174e-41);
    p = ops_fma_f64(p, z, 8.045100459290744e-39);
    p = ops_fma_f64(p, z, 3.3789421929021126e-36);
    p = ops_fma_f64(p, z, 1.2839980333028028e-33);
    p = ops_fma_f64(p, z, 4.391273273895586e-31);
    p = ops_fma_f64(p, z, 1.3437296218120491e-28);
    p = ops_fma_f64(p, z, 3.654944571328774e-26);
    p = ops_fma_f64(p, z, 8.771866971189057e-24);
    p = ops_fma_f64(p, z, 1.842092063949702e-21);
    p = ops_fma_f64(p, z, 3.352607556388458e-19);
    p = ops_fma_f64(p, z, 5.230067787965994e-17);
    p = ops_fma_f64(p, z, 6.903689480115112e-15);
    p = ops_fma_f64(p, z, 7.594058428126623e-13);
    p = ops_fma_f64(p, z, 6.834652585313961e-11);
    p = ops_fma_f64(p, z, 4.920949861426052e-09);
    p = ops_fma_f64(p, z, 2.755731922398589e-07);
    p = ops_fma_f64(p, z, 1.1574074074074073e-05);
    p = ops_fma_f64(p, z, 0.00034722222222222224);
    p = ops_fma_f64(p, z, 0.006944444444444444);
    p = ops_fma_f64(p, z, 0.08333333333333333);
    p = ops_fma_f64(p, z, 0.5);
    double t = 30.0 / far - 1.0;
    double q = 1.1881112995850214e-14;
    q = ops_fma_f64(q, t, 1.4583923513947313e-14);
    q = ops_fma_f64(q, t, -4.493697459702704e-14);
    q = ops_fma_f64(q, t, -9.485112232179205e-14);
    q = ops_fma_f64(q, t, -7.891004760484833e-14);
    q = ops_fma_f64(q, t, -2.062357519849169e-13);
    q = ops_fma_f64(q, t, -8.602525639900236e-13);
    q = ops_fma_f64(q, t, -3.5445443226745665e-12);
    q = ops_fma_f64(q, t, -1.759939118928224e-11);
    q = ops_fma_f64(q, t, -1.0753878069542411e-10);
    q = ops_fma_f64(q, t, -8.156130607188617e-10);
    q = ops_fma_f64(q, t, -7.876226735973335e-09);
    q = ops_fma_f64(q, t, -1.0101756022153037e-07);
    q = ops_fma_f64(q, t, -1.853700267885548e-06);
    q = ops_fma_f64(q, t, -5.696899670221915e-05);
    q = ops_fma_f64(q, t, -0.005095524343232613);
    q = ops_fma_f64(q, t, 0.39390196521878273);
    double half = ops_exp_f64(0.5 * far); /* exp(far) overflows before I1 does */
    double z_low = 0.25 * ops_mul_error_f64(near, near, 4.0 * z);
    double series = ops_fma_f64(p, z, 1.0);
    series = ops_fma_f64(series, z_low / (1.0 + 0.5 * near), series) * (0.5 * near);
    double asymptotic = half * (q / __builtin_sqrt(far)) * half;
    double value = a > 15.0 ? (a == OPS_INF_F64 ? a : asymptotic) : series;
    return x < 0 ? -value : x == 0 ? x : value;
}

OPS_INLINE float ops_i1_f32(float x)
{
    return (float)ops_i1_f64(x);
}

/* ---- gamma function -------------------------------------------------------------------------- */

/* sin(pi x) and cos(pi x), up to a common sign: x is taken to within 1/2 of an integer, exactly. */
OPS_INLINE void ops_sincos_pi_f64(double x, double *sine, double *cosine)
{
    double f = x - __builtin_rint(x);
    double a = __builtin_fabs(f);
    int outer = a > 0.25;
    double r = 3.141592653589793 * (outer ? 0.5 - a : a);
    double s = ops_sin_reduced_f64(r, 0.0), c = ops_cos_reduced_f64(r, 0.0);
    *sine = __builtin_copysign(outer ? c : s, f);
    *cosine = outer ? s : c;
}

/*
 * The three functions below reflect x < 0 to y = 1 - x, step y < 3 by one to t in [1, 2], where a
 * polynomial in t - 3/2 holds, and use Stirling's series in z = 1 / y^2, economised, from 3 on.
 */

/* On [1, 2] as (t - root) P(t), the root in two parts: relative accuracy through the zero. */
OPS_INLINE double ops_digamma_f64(double x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double t_low = below ? y - (t - 1.0) : 0.0;
    double inverse = 1.0 / (near & above ? t : y);
    double u = t - 1.5;
    double p = -0.0001780896909540723;
    p = ops_fma_f64(p, u, 0.0002627488859748722);
    p = ops_fma_f64(p, u, -0.00014499222322385914);
    p = ops_fma_f64(p, u, 0.00022322609578966684);
    p = ops_fma_f64(p, u, -0.0004858348323176673);
    p = ops_fma_f64(p, u, 0.0007255715586688223);
    p = ops_fma_f64(p, u, -0.0010364991518573721);
    p = ops_fma_f64(p, u, 0.0015559281830497384);
    p = ops_fma_f64(p, u, -0.002345485843135098);
    p = ops_fma_f64(p, u, 0.0035191415131744517);
    p = ops_fma_f64(p, u, -0.005279938506234876);
    p = ops_fma_f64(p, u, 0.00792692827413518);
    p = ops_fma_f64(p, u, -0.011908219993127607);
    p = ops_fma_f64(p, u, 0.01790725368189974);
    p = ops_fma_f64(p, u, -0.026975796666111832);
    p = ops_fma_f64(p, u, 0.04076083375580243);
    p = ops_fma_f64(p, u, -0.06192213327528345);
    p = ops_fma_f64(p, u, 0.0949887244563576);
    p = ops_fma_f64(p, u, -0.14840492305388422);
    p = ops_fma_f64(p, u, 0.240542484240758);
    p = ops_fma_f64(p, u, -0.4236274212814606);
    p = ops_fma_f64(p, u, 0.951055876031833);
    double from_root = (t - 1.4616321449683622) + (t_low - 9.549995429965697e-17);
    double step = below ? -inverse : above ? inverse : 0.0;
    double value_near = ops_fma_f64(from_root, p, step);
    double z = inverse * inverse;
    double q = 124.09088967271576;
    q = ops_fma_f64(q, z, -104.63385391147092);
    q = ops_fma_f64(q, z, 41.76599191949853);
    q = ops_fma_f64(q, z, -10.849262273567392);
    q = ops_fma_f64(q, z, 2.190542304253145);
    q = ops_fma_f64(q, z, -0.40586685533909544);
    q = ops_fma_f64(q, z, 0.08213768053216945);
    q = ops_fma_f64(q, z, -0.021066005593671906);
    q = ops_fma_f64(q, z, 0.007575362045529819);
    q = ops_fma_f64(q, z, -0.004166663146943765);
    q = ops_fma_f64(q, z, 0.003968253952027915);
    q = ops_fma_f64(q, z, -0.008333333333305229);
    q = ops_fma_f64(q, z, 0.08333333333333333);
    double value_far = ops_log_f64(y) - ops_fma_f64(z, q, 0.5 * inverse);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    value = x < 0 ? value - 3.141592653589793 * c / s : value;
    value = ((x < 0) & (__builtin_trunc(x) == x)) ? OPS_NAN_F64 : value; /* a pole of two signs */
    return x == 0 ? __builtin_copysign(OPS_INF_F64, -x) : value;
}

/* polygamma(1, x). */
OPS_INLINE double ops_trigamma_f64(double x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double inverse = 1.0 / (near & above ? t : y);
    double z = inverse * inverse;
    double u = t - 1.5;
    double p = 0.0017147005399141297;
    p = ops_fma_f64(p, u, -0.0020954847311056134);
    p = ops_fma_f64(p, u, 0.00033179395225239406);
    p = ops_fma_f64(p, u, -0.0010543569276690904);
    p = ops_fma_f64(p, u, 0.003353397404692485);
    p = ops_fma_f64(p, u, -0.004397336987017865);
    p = ops_fma_f64(p, u, 0.005532606236792345);
    p = ops_fma_f64(p, u, -0.008016787384764686);
    p = ops_fma_f64(p, u, 0.011544376972839573);
    p = ops_fma_f64(p, u, -0.01626031328267896);
    p = ops_fma_f64(p, u, 0.022836890034812818);
    p = ops_fma_f64(p, u, -0.031984187442910365);
    p = ops_fma_f64(p, u, 0.04456720761343125);
    p = ops_fma_f64(p, u, -0.06174053201097363);
    p = ops_fma_f64(p, u, 0.08496874690083576);
    p = ops_fma_f64(p, u, -0.11604071738366718);
    p = ops_fma_f64(p, u, 0.15705320404868833);
    p = ops_fma_f64(p, u, -0.21030987331315953);
    p = ops_fma_f64(p, u, 0.27808081326464285);
    p = ops_fma_f64(p, u, -0.3621493650199022);
    p = ops_fma_f64(p, u, 0.46306452510258117);
    p = ops_fma_f64(p, u, -0.579041637777917);
    p = ops_fma_f64(p, u, 0.70454551700121);
    p = ops_fma_f64(p, u, -0.8287966442343199);
    p = ops_fma_f64(p, u, 0.9348022005446793);
    double value_near = p + (below ? z : above ? -z : 0.0);
    double q = 2294.0623758887814;
    q = ops_fma_f64(q, z, -1915.602954783011);
    q = ops_fma_f64(q, z, 752.6943783891263);
    q = ops_fma_f64(q, z, -190.41298312796906);
    q = ops_fma_f64(q, z, 36.74111904754829);
    q = ops_fma_f64(q, z, -6.3146452192263025);
    q = ops_fma_f64(q, z, 1.1419805287578502);
    q = ops_fma_f64(q, z, -0.2525608475135116);
    q = ops_fma_f64(q, z, 0.07574937121679147);
    q = ops_fma_f64(q, z, -0.03333325929232789);
    q = ops_fma_f64(q, z, 0.023809523457451152);
    q = ops_fma_f64(q, z, -0.033333333332670544);
    q = ops_fma_f64(q, z, 0.16666666666666646);
    double value_far = inverse + z * ops_fma_f64(inverse, q, 0.5);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    return x < 0 ? 9.869604401089358 / (s * s) - value : value;
}

/* In double: on [1, 2] as (t - 1) (t - 2) P(t), which has the zeros. */
OPS_INLINE float ops_lgamma_f32(float x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double log_y = ops_log_f64(below ? y : !near ? y : above ? t : 1.0);
    double u = t - 1.5;
    double p = -0.0006075277508214175;
    p = ops_fma_f64(p, u, 0.000959132695349117);
    p = ops_fma_f64(p, u, -0.0011077794963780744);
    p = ops_fma_f64(p, u, 0.0018487991947101958);
    p = ops_fma_f64(p, u, -0.0032208574086176386);
    p = ops_fma_f64(p, u, 0.005456369614041078);
    p = ops_fma_f64(p, u, -0.00942496897120224);
    p = ops_fma_f64(p, u, 0.01679650683685636);
    p = ops_fma_f64(p, u, -0.03130850820003723);
    p = ops_fma_f64(p, u, 0.06291141391695415);
    p = ops_fma_f64(p, u, -0.14595989572768947);
    p = ops_fma_f64(p, u, 0.483128950495983);
    double value_near = ops_fma_f64((t - 1.0) * (t - 2.0), p, below ? -log_y : log_y);
    double inverse = 1.0 / y;
    double z = inverse * inverse;
    double q = 0.0018026537328543605;
    q = ops_fma_f64(q, z, -0.0014275069735015986);
    q = ops_fma_f64(q, z, 0.0008106507127134166);
    q = ops_fma_f64(q, z, -0.0005941447004493097);
    q = ops_fma_f64(q, z, 0.0007936318020946285);
    q = ops_fma_f64(q, z, -0.0027777776515608937);
    q = ops_fma_f64(q, z, 0.08333333333319472);
    double value_far = (y - 0.5) * log_y - y + ops_fma_f64(inverse, q, 0.9189385332046728);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    value = x < 0 ? 1.1447298858494002 - ops_log_f64(__builtin_fabs(s)) - value : value;
    return __builtin_fabsf(x) == OPS_INF_F32 ? OPS_INF_F32 : (float)value;
}

/* Scalar only. */
OPS_INLINE double ops_lgamma_f64(double x)
{
    int sign; /* lgamma() would write the global signgam */
    return lgamma_r(x, &sign);
}

OPS_INLINE float ops_digamma_f32(float x)
{
    return (float)ops_digamma_f64(x);
}

OPS_INLINE float ops_trigamma_f32(float x)
{
    return (float)ops_trigamma_f64(x);
}

#endif
