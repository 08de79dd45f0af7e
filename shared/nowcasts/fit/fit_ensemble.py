#!/usr/bin/env python3
"""Fit the weights of the ensemble's odds on rows written by the example `fit_ensemble_rows`.

usage: fit_ensemble.py ROWS_FOLDER OUT_FOLDER
needs: pip install numpy

ROWS_FOLDER/<event>.f32 are the rows of one event each. Written are OUT_FOLDER/all.f32, the weights fitted on all events,
and for cross-validation OUT_FOLDER/<event>.f32, fitted on all events but this one: little-endian f32, (rates, features,
3 powers of ln(lead / 30 min)); and OUT_FOLDER/weights.txt, the first as the table of `calibrated_weights.rs`.

Logistic regression by Newton's method with a ridge on standardised features; each event counts the same, whatever its
number of rows.
"""
import glob, os, sys
import numpy as np

RATES_MM_H = (0.1, 0.3, 1.0, 2.5, 5.0, 10.0, 20.0)
FEATURES = 17
HEAD = 3
RIDGE = (1e-4, 1e-4, 3e-4, 3e-4, 1e-3, 1e-3, 1e-3)
ROWS_PER_EVENT = 16000
ITERATIONS = 7

def load(path, rng):
    rows = np.memmap(path, "<f4", "r").reshape(-1, HEAD + len(RATES_MM_H) * FEATURES)
    return np.array(rows[np.sort(rng.choice(len(rows), min(ROWS_PER_EVENT, len(rows)), replace=False))])

def design(rows, rate):
    first = HEAD + FEATURES * rate
    features, t = rows[:, first:first + FEATURES], np.log(np.clip(rows[:, 1:2], 5, 120) / 30)
    return np.concatenate([features, features * t, features * t * t], 1)

def fit(parts, ridge):
    x, y = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    weight = np.concatenate([np.full(len(p[1]), 1 / len(p[1])) for p in parts]).astype(np.float32)
    weight *= len(y) / weight.sum()
    deviation = x.std(0); deviation[deviation < 1e-6] = 1
    x = x / deviation
    ridge = np.full(x.shape[1], ridge * len(y))
    w = np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        q = 1 / (1 + np.exp(-np.clip(x @ w.astype(np.float32), -20, 20)))
        curvature = (x * ((q * (1 - q) + 1e-4) * weight)[:, None]).T @ x
        step = np.linalg.solve(curvature.astype(float) + np.diag(ridge), x.T @ ((y - q) * weight) - ridge * w)
        w += step
        if np.abs(step).max() < 1e-3: break
    return (w / deviation).reshape(3, FEATURES).T

def main():
    folder, out = sys.argv[1:3]; os.makedirs(out, exist_ok=True)
    rng = np.random.default_rng(0)
    events = {os.path.basename(f)[:-4]: load(f, rng) for f in sorted(glob.glob(f"{folder}/*.f32"))}
    weights = {name: np.zeros((len(RATES_MM_H), FEATURES, 3), "<f4") for name in ["all", *events]}
    for k, rate in enumerate(RATES_MM_H):
        parts = {e: (design(rows, k), (rows[:, 2] >= rate).astype(np.float32)) for e, rows in events.items()}
        for left_out, table in weights.items():
            table[k] = fit([part for e, part in parts.items() if e != left_out], RIDGE[k])
    for name, table in weights.items():
        table.tofile(f"{out}/{name}.f32")
    with open(f"{out}/weights.txt", "w") as f:
        for table in weights["all"]:
            f.write("    [\n" + "".join("        [%s],\n" % ", ".join(f"{x:.3f}" for x in row) for row in table) + "    ],\n")
main()
