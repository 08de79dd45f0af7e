#!/usr/bin/env python3
"""Fit the weights of the nowcast method `best` on rows written by the example `fit_rows`.

usage: fit.py ROWS_FOLDER OUT_FOLDER [--without EVENT]
needs: pip install numpy

ROWS_FOLDER/<event>.f32 are the rows of one event each. Written are OUT_FOLDER/all.f32, the weights fitted on all events,
and for cross-validation OUT_FOLDER/<event>.f32, fitted on all events but this one: little-endian f32, (3 rates, traits,
3 powers of ln(lead / 30 min)); and OUT_FOLDER/weights.rs, the first as a table for the engine.

Logistic regression by Newton's method (iteratively reweighted least squares) with a ridge on standardised traits; each
event counts the same, whatever its number of rows.
"""
import glob, os, sys
import numpy as np

HEAD = 4
TRAITS = 27
HEADER = """//! Weights fitted by `fit/fit.py` on the examples that `fit_rows` takes from five events; not to be changed by hand.
//!
//! Convective and widespread rain of four radar networks (0.5 to 1 km, 5 and 6 minutes). The order of the traits is
//! that of `traits_at`, that of the coefficients the powers 0, 1, 2 of ln(lead / 30 min).

use crate::exceedance::{RATES, Table};

/// For the onset of rain, for moderate and for heavy rain.
#[allow(clippy::approx_constant, reason = "a fitted number may happen to be near 1/π")]
pub(crate) const TABLES: [Table; RATES] = [
"""
RIDGE = (1e-4, 3e-4, 1e-3)
ROWS_PER_EVENT = 60000
ITERATIONS = 8

def load(path, traits):
    rows = np.fromfile(path, "<f4").reshape(-1, HEAD + traits)
    rng = np.random.default_rng(0)
    out = []
    for group in range(3):
        r = rows[rows[:, 0] == group]
        if len(r) > ROWS_PER_EVENT:
            r = r[rng.choice(len(r), ROWS_PER_EVENT, replace=False)]
        out.append(r)
    return out

def fit(events, group):
    rows = np.concatenate([e[group] for e in events if len(e[group])])
    weight = np.concatenate([np.full(len(e[group]), 1 / len(e[group])) for e in events if len(e[group])]).astype(np.float32)
    weight *= len(rows) / weight.sum()
    t = np.log(rows[:, 2] / 30)
    traits, y = rows[:, HEAD:], rows[:, 3]
    deviation = traits.std(0); deviation[-1] = 1; deviation[deviation < 1e-6] = 1
    z = traits / deviation
    a = np.concatenate([z, z * t[:, None], z * (t * t)[:, None]], 1).astype(np.float32)
    n, p = a.shape
    ridge = np.full(p, RIDGE[group] * n); ridge[traits.shape[1] - 1::traits.shape[1]] = 1e-6 * n
    w = np.zeros(p)
    for _ in range(ITERATIONS):
        q = 1 / (1 + np.exp(-np.clip(a @ w.astype(np.float32), -20, 20)))
        h = (a * ((q * (1 - q) + 1e-4) * weight)[:, None]).T @ a
        step = np.linalg.solve(h.astype(np.float64) + np.diag(ridge), a.T @ ((y - q) * weight) - ridge * w)
        w += step
        if np.abs(step).max() < 1e-3: break
    q = 1 / (1 + np.exp(-np.clip(a @ w.astype(np.float32), -20, 20)))
    print(f"  group {group}: {n} rows, Brier skill {1 - np.mean(weight * (q - y) ** 2) / np.mean(weight * (y - np.average(y, weights=weight)) ** 2):.4f}", flush=True)
    return (w.reshape(3, -1) / deviation).T

def main():
    folder, out = sys.argv[1:3]; os.makedirs(out, exist_ok=True)
    events = {os.path.basename(f)[:-4]: load(f, TRAITS) for f in sorted(glob.glob(f"{folder}/*.f32"))}
    for left_out in ["all"] + sorted(events):
        print(left_out)
        w = np.stack([fit([r for e, r in events.items() if e != left_out], g) for g in range(3)])
        w.astype("<f4").tofile(f"{out}/{left_out}.f32")
        if left_out == "all":
            with open(f"{out}/weights.rs", "w") as f:
                f.write(HEADER)
                for table in w:
                    f.write("    [\n" + "".join("        [%s],\n" % ", ".join(f"{x:.3f}" for x in row) for row in table) + "    ],\n")
                f.write("];\n")
main()
