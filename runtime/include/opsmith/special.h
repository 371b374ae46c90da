/* Special functions in plain C, for one element at a time: the host's and the device's.
 *
 * Who includes this has defined OPS_SPECIAL, how such a function is declared, and the elementary
 * functions under their names (ops_exp_f64, ..). Coefficients of polynomials are those of Chebyshev
 * interpolation at 60 digits; the rest is the series named at each function. */
#ifndef OPSMITH_SPECIAL_H
#define OPSMITH_SPECIAL_H

/* The sum of c[k] T_k(t), by Clenshaw's recurrence. */
OPS_SPECIAL double ops_chebyshev_sum(const double *c, int n, double t)
{
    double b = 0.0, before = 0.0;
    for (int k = n - 1; k > 0; --k) {
        const double next = 2.0 * t * b - before + c[k];
        before = b;
        b = next;
    }
    return t * b - before + c[0];
}

/* exp(x * x) erfc(x): (1 + 2 x) times it is smooth in (x - 3.75) / (x + 3.75). */
OPS_SPECIAL double ops_erfcx_f64(double x)
{
    static const double c[] = {
        1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189,
        -0.026658668435305753, 0.009074997670705265, -0.002413163540417608, 0.0004907758365258086,
        -6.916973302501207e-05, 4.13902798607301e-06, 7.74038306619849e-07,
        -2.1886401049234397e-07, 1.076499946567091e-08, 4.521959811218287e-09,
        -7.754400208831351e-10, -6.318088340886684e-11, 2.86879501093067e-11,
        1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14,
        3.3478119482868056e-14, -1.864562880419313e-15, -1.250795053068865e-15,
        7.418235256624102e-17, 5.0681489047965936e-17, -2.2370566594348316e-18,
        -2.1873429443848148e-18,
    };
    const double a = ops_abs_f64(x);
    double value = 0.5641895835477563 / a; /* beyond, 1 / (2 x^2) is lost */
    if (a < 1e9) {
        value = ops_chebyshev_sum(c, (int)(sizeof c / sizeof *c), (a - 3.75) / (a + 3.75));
        value /= 1.0 + 2.0 * a;
    }
    if (x < 0.0) { /* 2 exp(x * x) - erfcx(-x), the square in two parts */
        const double high = (double)(float)x, low = x - high;
        value = 2.0 * ops_exp_f64(high * high) * ops_exp_f64((x + high) * low) - value;
    }
    return x != x ? x : x < -27.0 ? (double)INFINITY : value;
}

/* The quantile of the normal distribution: Newton's method on the logarithm of its tail, which
 * erfcx has to full precision; in the middle the inverse of erf. */
OPS_SPECIAL double ops_ndtri_f64(double p)
{
    if (!(p >= 0.0 && p <= 1.0)) {
        return NAN;
    }
    if (p == 0.0 || p == 1.0) {
        return p == 0.0 ? -(double)INFINITY : (double)INFINITY;
    }
    if (p > 0.3 && p < 0.7) {
        return 1.4142135623730951 * ops_erfinv_f64(2.0 * p - 1.0);
    }
    const double tail = p < 0.5 ? p : 1.0 - p, target = ops_log_f64(tail);
    const double t = ops_sqrt_f64(-2.0 * target);
    /* Abramowitz and Stegun 26.2.22 */
    double x = t - (2.30753 + 0.27061 * t) / (1.0 + 0.99229 * t + 0.04481 * t * t);
    for (int k = 0; k < 5; ++k) {
        const double scaled = ops_erfcx_f64(x * 0.7071067811865476);
        const double error = ops_log_f64(0.5 * scaled) - 0.5 * x * x - target;
        x += error * scaled * 1.2533141373155003;
    }
    return p < 0.5 ? -x : x;
}

/* exp(-abs(x)) I0(x) and I1(x); the asymptotic series (DLMF 10.40.1) where I0 overflows. */
OPS_SPECIAL double ops_i0e_f64(double x)
{
    const double a = ops_abs_f64(x), r = 1.0 / (8.0 * a);
    if (a <= 700.0 || x != x) {
        return ops_i0_f64(x) * ops_exp_f64(-a);
    }
    double sum = 459.375 + r * (7441.875 + r * 150077.8125);
    sum = 1.0 + r * (1.0 + r * (4.5 + r * (37.5 + r * sum)));
    return 0.3989422804014327 / ops_sqrt_f64(a) * sum;
}

OPS_SPECIAL double ops_i1e_f64(double x)
{
    const double a = ops_abs_f64(x), r = 1.0 / (8.0 * a);
    if (a <= 700.0 || x != x) {
        return ops_i1_f64(x) * ops_exp_f64(-a);
    }
    double sum = 590.625 + r * (9095.625 + r * 177364.6875);
    sum = 1.0 - r * (3.0 + r * (7.5 + r * (52.5 + r * sum)));
    const double value = 0.3989422804014327 / ops_sqrt_f64(a) * sum;
    return x < 0.0 ? -value : value;
}

/* exp(x) K0(x) and K1(x): a logarithm and a power series (DLMF 10.31) up to 2, exp(-x) / sqrt(x)
 * times a polynomial of 4 / x - 1 beyond. */
OPS_SPECIAL double ops_k0e_f64(double x)
{
    static const double near[] = {
        -0.5772156649015329, 0.42278433509846713, 0.23069608377461678, 0.0348921574564389,
        0.0026147876188052093, 0.00011848039364109726, 3.6126241031992037e-06,
        7.935096521304209e-08, 1.3167486730385647e-09, 1.709994072705808e-11,
        1.785934656987074e-13, 1.5330343403208473e-15, 1.1009270959725744e-17,
        6.712740659979047e-20,
    };
    static const double far[] = {
        1.2201515410329777, -0.0314481013119645, 0.0015698838857300533, -0.00012849549581627802,
        1.39498137188765e-05, -1.8317555227191195e-06, 2.766813639445015e-07,
        -4.660489897687948e-08, 8.574034017414225e-09, -1.6975345093890614e-09,
        3.5773972814003283e-10, -7.957489244477396e-11, 1.8559491149549264e-11,
        -4.514597883374519e-12, 1.1403405882073441e-12, -2.9800969231481784e-13,
        8.032890775068373e-14, -2.2275133267462946e-14, 6.3400764762765995e-15,
        -1.848593377920796e-15, 5.512055999401639e-16, -1.6782311257483392e-16,
        5.210391777482758e-17, -1.6475805935875518e-17, 5.3004337613219474e-18,
        -1.7331711759236404e-18,
    };
    if (x != x || x <= 0.0) {
        return x == 0.0 ? (double)INFINITY : NAN;
    }
    if (x > 2.0) {
        const int n = (int)(sizeof far / sizeof *far);
        return ops_chebyshev_sum(far, n, 4.0 / x - 1.0) / ops_sqrt_f64(x);
    }
    const double z = 0.25 * x * x;
    double sum = 0.0;
    for (int k = (int)(sizeof near / sizeof *near) - 1; k >= 0; --k) {
        sum = sum * z + near[k];
    }
    return ops_exp_f64(x) * (sum - ops_log_f64(0.5 * x) * ops_i0_f64(x));
}

OPS_SPECIAL double ops_k1e_f64(double x)
{
    static const double near[] = {
        -0.15443132980306573, 0.6727843350984671, 0.18157516696085563, 0.019182189839330562,
        0.001115359491966528, 4.142247689271143e-05, 1.071545914091181e-06, 2.045286003593878e-08,
        3.002048746589188e-10, 3.495928729692882e-12, 3.309914735250272e-14,
        2.5986411321011286e-16, 1.7195232826992565e-18, 9.721207518823618e-21,
    };
    static const double far[] = {
        1.3603130952422213, 0.10392373657681724, -0.002857816859622779, 0.00019521551847135162,
        -1.936197974166083e-05, 2.406484947837217e-06, -3.5019606030878126e-07,
        5.7410841254500495e-08, -1.0345762465678097e-08, 2.0150497551970347e-09,
        -4.1903547593419254e-10, 9.218315187605315e-11, -2.129967838427791e-11,
        5.139639673482343e-12, -1.2891739609498229e-12, 3.348419666052243e-13,
        -8.976705182010145e-14, 2.4771544242195966e-14, -7.01983708921472e-15,
        2.038703166239744e-15, -6.057047270640184e-16, 1.8380935752361397e-16,
        -5.689462849024281e-17, 1.7940510474681617e-17, -5.756744471675435e-18,
        1.877865164123769e-18,
    };
    if (x != x || x <= 0.0) {
        return x == 0.0 ? (double)INFINITY : NAN;
    }
    if (x > 2.0) {
        const int n = (int)(sizeof far / sizeof *far);
        return ops_chebyshev_sum(far, n, 4.0 / x - 1.0) / ops_sqrt_f64(x);
    }
    const double z = 0.25 * x * x;
    double sum = 0.0;
    for (int k = (int)(sizeof near / sizeof *near) - 1; k >= 0; --k) {
        sum = sum * z + near[k];
    }
    return ops_exp_f64(x) * (1.0 / x + ops_log_f64(0.5 * x) * ops_i1_f64(x) - 0.25 * x * sum);
}

OPS_SPECIAL double ops_k0_f64(double x)
{
    return x > 750.0 ? 0.0 : ops_k0e_f64(x) * ops_exp_f64(-x);
}

OPS_SPECIAL double ops_k1_f64(double x)
{
    return x > 750.0 ? 0.0 : ops_k1e_f64(x) * ops_exp_f64(-x);
}

/* The Hurwitz zeta function: terms up to 12, then Euler-Maclaurin summation (DLMF 25.11.5). */
OPS_SPECIAL double ops_zeta_f64(double x, double q)
{
    static const double bernoulli[] = { /* (2 k)! / B_2k */
        12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9,
        7.47242496e10, -2.950130727918164224e12, 1.1646782814350067249e14,
        -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18,
    };
    if (x == 1.0) {
        return (double)INFINITY;
    }
    if (!(x > 1.0) || q != q) {
        return NAN;
    }
    if (x == (double)INFINITY && q > 0.0) {
        return q > 1.0 ? 0.0 : q == 1.0 ? 1.0 : x;
    }
    if (q <= 0.0) {
        if (q == ops_floor_f64(q)) {
            return (double)INFINITY;
        }
        if (x != ops_floor_f64(x)) {
            return NAN; /* powers of negative numbers */
        }
    }
    double sum = 0.0, a = q;
    for (; a < 12.0; a += 1.0) {
        sum += ops_pow_f64(a, -x);
    }
    const double power = ops_pow_f64(a, -x);
    double factor = x, scale = power / a;
    sum += power * a / (x - 1.0) + 0.5 * power;
    for (int k = 0; k < 12; ++k) {
        sum += factor * scale / bernoulli[k];
        factor *= (x + 2 * k + 1) * (x + 2 * k + 2);
        scale /= a * a;
    }
    return sum;
}

/* The n-th derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, x), the Hurwitz zeta function by
 * Euler-Maclaurin summation (DLMF 25.11.5 and 5.15). The order is taken down to an integer. */
OPS_SPECIAL double ops_polygamma_f64(double order, double x)
{
    static const double bernoulli[] = { /* (2 k)! / B_2k */
        12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9,
        7.47242496e10, -2.950130727918164224e12, 1.1646782814350067249e14,
        -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18,
    };
    const double n = ops_floor_f64(order), s = n + 1.0;
    if (!(n >= 0.0 && n <= 100.0)) {
        return NAN;
    }
    if (n == 0.0) {
        return ops_digamma_f64(x);
    }
    if (x <= 0.0 && x == ops_floor_f64(x)) {
        return ((int64_t)n & 1) ? INFINITY : NAN;
    }
    if (x == (double)INFINITY) {
        return 0.0;
    }
    double sum = 0.0, a = x;
    for (; a < 12.0; a += 1.0) {
        sum += ops_pow_f64(a, -s);
    }
    double power = ops_pow_f64(a, -s), factor = s, scale = power / a;
    sum += power * a / (s - 1.0) + 0.5 * power;
    for (int k = 0; k < 12; ++k) {
        sum += factor * scale / bernoulli[k];
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
        scale /= a * a;
    }
    double value = ops_exp_f64(ops_lgamma_f64(s)) * sum;
    return ((int64_t)n & 1) ? value : -value;
}

/* x^a exp(-x) / gamma(a + 1); of large a by Stirling's series and log(1 + m) - m. */
OPS_SPECIAL double ops_gamma_term_f64(double a, double x)
{
    if (a < 20.0) {
        return ops_exp_f64(a * ops_log_f64(x) - x - ops_lgamma_f64(a + 1.0));
    }
    const double m = (x - a) / a;
    double d = ops_log1p_f64(m) - m;
    if (ops_abs_f64(m) < 0.3) { /* 2 (w^3 / 3 + w^5 / 5 + ..) - m w, w = m / (2 + m) */
        const double w = m / (2.0 + m), v = w * w;
        double sum = 0.0;
        for (int k = 23; k >= 3; k -= 2) {
            sum = sum * v + 1.0 / k;
        }
        d = 2.0 * sum * v * w - m * w;
    }
    const double r = 1.0 / a, r2 = r * r;
    double stirling = 0.0007936507936507937 - r2 * 0.0005952380952380953;
    stirling = r * (0.08333333333333333 - r2 * (0.002777777777777778 - r2 * stirling));
    return ops_exp_f64(a * d - stirling) / ops_sqrt_f64(6.283185307179586 * a);
}

/* The regularised incomplete gamma functions: a power series (DLMF 8.7.1) for the lower below
 * a + 1, a continued fraction (8.9.2) for the upper above. `upper`: which is asked for. */
OPS_SPECIAL double ops_gamma_part_f64(double a, double x, int upper)
{
    if (!(a >= 0.0 && x >= 0.0) || (a == 0.0 && x == 0.0)) {
        return NAN;
    }
    if (a > 1.7e308) {
        return x > 1.7e308 ? NAN : upper ? 1.0 : 0.0;
    }
    if (x == 0.0) {
        return upper ? 1.0 : 0.0;
    }
    if (a == 0.0 || x > 1.7e308) {
        return upper ? 0.0 : 1.0;
    }
    const double term = ops_gamma_term_f64(a, x);
    if (x < a + 1.0) {
        double sum = 1.0, part = 1.0;
        for (int n = 1; n < 20000 && part > 1e-17 * sum; ++n) {
            part *= x / (a + n);
            sum += part;
        }
        return upper ? 1.0 - term * sum : term * sum;
    }
    double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d; /* Lentz's method */
    for (int n = 1; n < 20000; ++n) {
        const double s = -n * (n - a);
        b += 2.0;
        d = s * d + b;
        d = 1.0 / (ops_abs_f64(d) < 1e-300 ? 1e-300 : d);
        c = b + s / c;
        c = ops_abs_f64(c) < 1e-300 ? 1e-300 : c;
        const double step = c * d;
        h *= step;
        if (ops_abs_f64(step - 1.0) < 1e-16) {
            break;
        }
    }
    const double rest = term * a * h;
    return upper ? rest : 1.0 - rest;
}

OPS_SPECIAL double ops_igamma_f64(double a, double x)
{
    return ops_gamma_part_f64(a, x, 0);
}

OPS_SPECIAL double ops_igammac_f64(double a, double x)
{
    return ops_gamma_part_f64(a, x, 1);
}

/* Orthogonal polynomials of degree floor(n) by their recurrences (DLMF 18.9.1); 0 below degree 0.
 * p is the polynomial of degree 0, q that of degree 1; then (s x + u) q - w p. */
#define OPS_POLYNOMIAL(NAME, X, Q, S, U, W)                                                        \
    OPS_SPECIAL double ops_##NAME##_f64(double argument, double degree)                            \
    {                                                                                              \
        const double n = ops_floor_f64(degree), x = X;                                             \
        double p = 1.0, q = Q;                                                                     \
        if (!(n > 0.0) || n > 1e6) {                                                               \
            return n == 0.0 ? 1.0 : n < 0.0 ? 0.0 : NAN;                                           \
        }                                                                                          \
        for (double k = 1.0; k < n; k += 1.0) {                                                    \
            const double next = (S * x + U) * q - W * p;                                           \
            p = q;                                                                                 \
            q = next;                                                                              \
        }                                                                                          \
        return q;                                                                                  \
    }

OPS_POLYNOMIAL(chebyshev_t, argument, x, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(chebyshev_u, argument, 2.0 * x, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(chebyshev_v, argument, 2.0 * x - 1.0, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(chebyshev_w, argument, 2.0 * x + 1.0, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(shifted_t, 2.0 * argument - 1.0, x, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(shifted_u, 2.0 * argument - 1.0, 2.0 * x, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(shifted_v, 2.0 * argument - 1.0, 2.0 * x - 1.0, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(shifted_w, 2.0 * argument - 1.0, 2.0 * x + 1.0, 2.0, 0.0, 1.0)
OPS_POLYNOMIAL(hermite_h, argument, 2.0 * x, 2.0, 0.0, (2.0 * k))
OPS_POLYNOMIAL(hermite_he, argument, x, 1.0, 0.0, k)
OPS_POLYNOMIAL(laguerre, argument, 1.0 - x, (-1.0 / (k + 1.0)), (2.0 * k + 1.0) / (k + 1.0),
               (k / (k + 1.0)))
OPS_POLYNOMIAL(legendre, argument, x, ((2.0 * k + 1.0) / (k + 1.0)), 0.0, (k / (k + 1.0)))

/* The C library's Bessel functions, of numbers below 0 not a number. */
OPS_SPECIAL double ops_j0_f64(double x) { return j0(x); }
OPS_SPECIAL double ops_j1_f64(double x) { return j1(x); }
OPS_SPECIAL double ops_y0_f64(double x)
{
    return x == 0.0 ? -(double)INFINITY : x < 0.0 ? (double)NAN : y0(x);
}

OPS_SPECIAL double ops_y1_f64(double x)
{
    return x == 0.0 ? -(double)INFINITY : x < 0.0 ? (double)NAN : y1(x);
}

#define OPS_SPECIAL_UNARY(NAME)                                                                    \
    OPS_SPECIAL float ops_##NAME##_f32(float x) { return (float)ops_##NAME##_f64(x); }
#define OPS_SPECIAL_BINARY(NAME)                                                                   \
    OPS_SPECIAL float ops_##NAME##_f32(float x, float y) { return (float)ops_##NAME##_f64(x, y); }

OPS_SPECIAL_UNARY(erfcx)
OPS_SPECIAL_UNARY(ndtri)
OPS_SPECIAL_UNARY(i0e)
OPS_SPECIAL_UNARY(i1e)
OPS_SPECIAL_UNARY(k0)
OPS_SPECIAL_UNARY(k1)
OPS_SPECIAL_UNARY(k0e)
OPS_SPECIAL_UNARY(k1e)
OPS_SPECIAL_UNARY(j0)
OPS_SPECIAL_UNARY(j1)
OPS_SPECIAL_UNARY(y0)
OPS_SPECIAL_UNARY(y1)
OPS_SPECIAL_BINARY(zeta)
OPS_SPECIAL_BINARY(polygamma)
OPS_SPECIAL_BINARY(igamma)
OPS_SPECIAL_BINARY(igammac)
OPS_SPECIAL_BINARY(chebyshev_t)
OPS_SPECIAL_BINARY(chebyshev_u)
OPS_SPECIAL_BINARY(chebyshev_v)
OPS_SPECIAL_BINARY(chebyshev_w)
OPS_SPECIAL_BINARY(shifted_t)
OPS_SPECIAL_BINARY(shifted_u)
OPS_SPECIAL_BINARY(shifted_v)
OPS_SPECIAL_BINARY(shifted_w)
OPS_SPECIAL_BINARY(hermite_h)
OPS_SPECIAL_BINARY(hermite_he)
OPS_SPECIAL_BINARY(laguerre)
OPS_SPECIAL_BINARY(legendre)

#endif
