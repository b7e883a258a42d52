"""Coefficients of the polynomial and rational approximations in server/AttentionLens.Kernels/FastMath.cs.

    python3 benchmarks/fit-coefficients.py        (needs mpmath)

Each fit is a weighted least squares on Chebyshev nodes (iterated Sanathanan-Koerner for the rational ones, then
Lawson's reweighting towards the minimax error), rounded to float32 at the end. The error printed is that of the
rounded coefficients, evaluated exactly, relative to the function.
"""
import struct
from mpmath import mp, mpf, matrix, lu_solve, cos, pi, exp, erf, tanh, sqrt, log

mp.dps = 60


def single(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def fit(function, low, high, numerator, denominator, points=240, rounds=12):
    """function(t) ~ P(t) / Q(t), Q(0) = 1, smallest relative error on [low, high]."""
    nodes = [(low + high) / 2 + (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * points)) for i in range(points)]
    values = [function(t) for t in nodes]
    q = [mpf(1)] * points
    lawson = [mpf(1)] * points
    size = numerator + 1 + denominator
    for _ in range(rounds):
        a = matrix(size, size)
        b = matrix(size, 1)
        for t, v, d, w in zip(nodes, values, q, lawson):
            scale = 1 / (v * d)
            row = [t ** k * scale for k in range(numerator + 1)] + [-v * t ** k * scale for k in range(1, denominator + 1)]
            target = v * scale
            for i in range(size):
                for j in range(size):
                    a[i, j] += w * row[i] * row[j]
                b[i] += w * row[i] * target
        x = lu_solve(a, b)
        p = [x[i] for i in range(numerator + 1)]
        dq = [mpf(1)] + [x[numerator + 1 + i] for i in range(denominator)]
        q = [sum(c * t ** k for k, c in enumerate(dq)) for t in nodes]
        error = [abs(sum(c * t ** k for k, c in enumerate(p)) / d / v - 1) for t, d, v in zip(nodes, q, values)]
        mean = sum(error) / points
        lawson = [w * (e / mean + mpf("0.01")) for w, e in zip(lawson, error)]
        total = sum(lawson)
        lawson = [w * points / total for w in lawson]
    p, dq = [single(c) for c in p], [single(c) for c in dq]
    worst = max(
        abs(sum(c * t ** k for k, c in enumerate(p)) / sum(c * t ** k for k, c in enumerate(dq)) / v - 1)
        for t, v in zip(nodes, values))
    return p, dq, worst


def show(name, result):
    p, q, worst = result
    print(f"{name}: relative error {float(worst):.2e}")
    print("  P", ", ".join(f"{float(c):.9g}f" for c in p))
    if len(q) > 1:
        print("  Q", ", ".join(f"{float(c):.9g}f" for c in q))


half = log(2) / 2
show("exp(r) on |r| <= ln2/2", fit(exp, -half, half, 6, 0))
show("(2^r - 1)/r on |r| <= 1/2", fit(lambda r: (mpf(2) ** r - 1) / r, mpf("-0.5"), mpf("0.5"), 5, 0))
show("erf(z)/z in z^2, z <= 3.92", fit(lambda t: erf(sqrt(t)) / sqrt(t), mpf("1e-9"), mpf("3.92") ** 2, 6, 5))
show("erf(z)/z in z^2, z <= 3.92 (5,5)", fit(lambda t: erf(sqrt(t)) / sqrt(t), mpf("1e-9"), mpf("3.92") ** 2, 5, 5))
show("tanh(x)/x in x^2, x <= 9.01", fit(lambda t: tanh(sqrt(t)) / sqrt(t), mpf("1e-9"), mpf("9.01") ** 2, 6, 4))
show("tanh(x)/x in x^2, x <= 9.01 (5,5)", fit(lambda t: tanh(sqrt(t)) / sqrt(t), mpf("1e-9"), mpf("9.01") ** 2, 5, 5))
