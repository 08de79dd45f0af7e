#!/usr/bin/env python3
"""Fit the weights of the ensemble's odds on rows written by the example `fit_ensemble_rows`.

usage: fit_ensemble.py ROWS_FOLDER OUT_FOLDER
needs: pip install numpy

ROWS_FOLDER/<event>.f32 are the rows of one event each. Written are OUT_FOLDER/all.f32, the weights fitted on all events,
and for cross-validation OUT_FOLDER/<event>.f32, fitted on all events but this one: little-endian f32, first those of the
sum (rates, features, 3 powers of ln(lead / 30 min)), then those of the network (rates, hidden units: a weight per smoothed
feature, a bias, and 3 powers); and OUT_FOLDER/weights.txt and OUT_FOLDER/network_weights.txt, the tables of the first for the
engine. Printed is what the network changes in the Brier and log scores of the events left out, by rate.

The sum: logistic regression by Newton's method with a ridge on standardised features; each event counts the same, whatever
its number of rows. The network (one hidden layer of rectified linear units, from the smoothed features) is added to the sum,
which stays as it is, and fitted by Adam (Kingma & Ba 2015) with decay of its weights.
"""
import glob, os, sys
import numpy as np

RATES_MM_H = (0.1, 0.3, 1.0, 2.5, 5.0, 10.0, 20.0)
FEATURES = 17
HEAD = 3
RIDGE = (1e-4, 1e-4, 3e-4, 3e-4, 1e-3, 1e-3, 1e-3)
ROWS_PER_EVENT = 100000
ITERATIONS = 7
SMOOTHED = slice(1, FEATURES - 1)
HIDDEN = 16
BATCH, RATE = 2048, 4e-3
# By rate: what is rare is learnt by heart otherwise.
EPOCHS = (24, 24, 24, 24, 4, 4, 4)
DECAY = (1e-3, 1e-3, 1e-3, 1e-3, 1e-2, 1e-2, 1e-2)

def load(path, rng):
    rows = np.memmap(path, "<f4", "r").reshape(-1, HEAD + len(RATES_MM_H) * FEATURES)
    return np.array(rows[np.sort(rng.choice(len(rows), min(ROWS_PER_EVENT, len(rows)), replace=False))])

def log_lead(rows):
    return np.log(np.clip(rows[:, 1], 5, 120) / 30)

def features_of(rows, rate):
    first = HEAD + FEATURES * rate
    return rows[:, first:first + FEATURES]

def design(rows, rate):
    features, t = features_of(rows, rate), log_lead(rows)[:, None]
    return np.concatenate([features, features * t, features * t * t], 1)

def logistic(z):
    return 1 / (1 + np.exp(-np.clip(z, -20, 20)))

def fit_sum(x, y, weight, ridge):
    """Weights (features, powers) of the sum."""
    deviation = x.std(0); deviation[deviation < 1e-6] = 1
    x = x / deviation
    ridge = np.full(x.shape[1], ridge * len(y))
    w = np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        q = logistic(x @ w.astype(np.float32))
        curvature = (x * ((q * (1 - q) + 1e-4) * weight)[:, None]).T @ x
        step = np.linalg.solve(curvature.astype(float) + np.diag(ridge), x.T @ ((y - q) * weight) - ridge * w)
        w += step
        if np.abs(step).max() < 1e-3: break
    return (w / deviation).reshape(3, FEATURES).T

def fit_network(x, t, y, weight, odds, epochs, decay):
    """Weights (hidden, smoothed features + bias + powers) of the network that is added to these log-odds."""
    mean, deviation = x.mean(0), x.std(0) + 1e-4
    x = ((x - mean) / deviation).astype(np.float32)
    powers, inputs = np.stack([np.ones_like(t), t, t * t], 1), x.shape[1]
    rng = np.random.default_rng(0)
    params = [rng.normal(size=(inputs, HIDDEN)) * np.sqrt(2 / inputs), np.zeros(HIDDEN), rng.normal(size=(HIDDEN, 3)) * 0.05]
    params = [p.astype(np.float32) for p in params]
    first, second = [[np.zeros_like(p) for p in params] for _ in range(2)]
    steps, step = epochs * (len(y) // BATCH), 0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for i in range(0, len(y) - BATCH + 1, BATCH):
            j = order[i:i + BATCH]
            above = x[j] @ params[0] + params[1]
            hidden = np.maximum(above, 0)
            z = odds[j] + ((hidden @ params[2]) * powers[j]).sum(1)
            error = ((logistic(z) - y[j]) * weight[j] / BATCH).astype(np.float32)[:, None] * powers[j]
            back = (error @ params[2].T) * (above > 0)
            slopes = [x[j].T @ back + decay / inputs * params[0], back.sum(0), hidden.T @ error + decay * params[2]]
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for p, m, v, slope in zip(params, first, second, slopes):
                m += 0.1 * (slope - m)
                v += 0.001 * (slope * slope - v)
                p -= (rate * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)).astype(np.float32)
    inner = params[0] / deviation[:, None]
    return np.concatenate([inner, (params[1] - mean @ inner)[None], params[2].T]).T

def with_network(network, x, t, odds):
    hidden = np.maximum(x @ network[:, :x.shape[1]].T + network[:, x.shape[1]], 0)
    return odds + ((hidden @ network[:, -3:]) * np.stack([np.ones_like(t), t, t * t], 1)).sum(1)

def losses(odds, y):
    q = logistic(odds)
    return np.mean((q - y) ** 2), -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))

def main():
    folder, out = sys.argv[1:3]; os.makedirs(out, exist_ok=True)
    rng = np.random.default_rng(0)
    events = {os.path.basename(f)[:-4]: load(f, rng) for f in sorted(glob.glob(f"{folder}/*.f32"))}
    sums = {name: np.zeros((len(RATES_MM_H), FEATURES, 3), "<f4") for name in ["all", *events]}
    networks = {name: np.zeros((len(RATES_MM_H), HIDDEN, FEATURES - 2 + 4), "<f4") for name in ["all", *events]}
    for k, rate in enumerate(RATES_MM_H):
        gains = []
        for left_out in sums:
            rows = np.concatenate([r for e, r in events.items() if e != left_out])
            weight = np.concatenate([np.full(len(r), 1 / len(r)) for e, r in events.items() if e != left_out]).astype(np.float32)
            weight *= len(rows) / weight.sum()
            x, y = design(rows, k), (rows[:, 2] >= rate).astype(np.float32)
            sums[left_out][k] = table = fit_sum(x, y, weight, RIDGE[k])
            odds = x @ table.T.ravel()
            smoothed, t = features_of(rows, k)[:, SMOOTHED], log_lead(rows)
            networks[left_out][k] = network = fit_network(smoothed, t, y, weight, odds, EPOCHS[k], DECAY[k])
            if left_out in events:
                r = events[left_out]
                odds, y = design(r, k) @ table.T.ravel(), r[:, 2] >= rate
                both = with_network(network, features_of(r, k)[:, SMOOTHED], log_lead(r), odds)
                gains.append([100 * (1 - a / b) for a, b in zip(losses(both, y), losses(odds, y))])
        print(f"{rate} mm/h, gain in Brier and log score, %:", "  ".join(f"{e} {b:+.1f} {l:+.1f}" for e, (b, l) in zip(events, gains)), flush=True)
    for name in sums:
        np.concatenate([sums[name].ravel(), networks[name].ravel()]).tofile(f"{out}/{name}.f32")
    for name, tables, decimals in (("weights", sums["all"], 3), ("network_weights", networks["all"], 4)):
        with open(f"{out}/{name}.txt", "w") as f:
            for table in tables:
                f.write("    [\n" + "".join("        [%s],\n" % ", ".join(f"{x:.{decimals}f}" for x in row) for row in table) + "    ],\n")

main()
