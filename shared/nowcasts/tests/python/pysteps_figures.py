"""What pysteps makes of the arrays that come as JSON on standard input, as JSON on standard output.

The input is an object of requests by name, each with a field "part" that names one of the functions below and the arrays
that it takes (rows of rows); the answer has one entry a request under the same name.
"""

import contextlib
import json
import os
import sys

os.environ["PYSTEPS_SILENT"] = "1"
with contextlib.redirect_stdout(sys.stderr):
    import numpy as np
    from pysteps.cascade.bandpass_filters import filter_gaussian
    from pysteps.cascade.decomposition import decomposition_fft
    from pysteps.postprocessing.probmatching import nonparam_match_empirical_cdf
    from pysteps.timeseries import autoregression
    from pysteps.timeseries.correlation import temporal_autocorrelation
    from pysteps.verification import detcatscores, detcontscores, probscores, spatialscores


def array(rows):
    return np.array(rows, dtype=np.float64)


def cascade(field, levels):
    field = array(field)
    result = decomposition_fft(field, filter_gaussian(field.shape, levels), normalize=True, compute_stats=True)
    return {
        "levels": result["cascade_levels"].tolist(),
        "means": [float(m) for m in result["means"]],
        "stds": [float(s) for s in result["stds"]],
    }


def correlations(states):
    """Lag-1 and lag-2 correlation of three states, the oldest first."""
    return [float(g) for g in temporal_autocorrelation(array(states))]


def ar2(gammas):
    """φ₁, φ₂ and φ₀ for each pair of correlations, the second one adjusted first."""
    adjusted = [(g1, float(autoregression.adjust_lag2_corrcoef2(g1, g2))) for g1, g2 in gammas]
    return [autoregression.estimate_ar_params_yw(np.array(pair)).tolist() for pair in adjusted]


def local_ari(gamma_1, gamma_2):
    """Weights of the last three states of the integrated process, cell by cell."""
    gamma_1, gamma_2 = array(gamma_1), array(gamma_2)
    gamma_2 = autoregression.adjust_lag2_corrcoef2(gamma_1, gamma_2)
    phi = autoregression.estimate_ar_params_yw_localized([gamma_1, gamma_2], d=1)
    return [np.asarray(p).tolist() for p in phi[:3]]


def matching(field, target):
    return nonparam_match_empirical_cdf(array(field), array(target)).tolist()


def deterministic(nowcast, observed, threshold, scale):
    nowcast, observed = array(nowcast), array(observed)
    categorical = detcatscores.det_cat_fct(nowcast, observed, threshold, scores=["CSI", "BIAS"])
    wet = detcontscores.det_cont_fct(nowcast, observed, scores="MAE", conditioning="single", thr=0.1)
    return {
        "csi": float(categorical["CSI"]),
        "bias": float(categorical["BIAS"]),
        "fss": float(spatialscores.fss(nowcast, observed, threshold, scale)),
        "mae": float(wet["MAE"]),
    }


def crps(members, observed):
    return float(probscores.CRPS(array(members), array(observed)))


def probabilities(probability, observed, threshold, edges):
    """Mean probability and observed frequency of each class between `edges`, and the area under the ROC curve."""
    probability, observed = array(probability), array(observed)
    diagram = probscores.reldiag_init(threshold, n_bins=len(edges) - 1, min_count=1)
    diagram["bin_edges"] = array(edges)
    probscores.reldiag_accum(diagram, probability, observed)
    forecast, frequency = probscores.reldiag_compute(diagram)
    roc = probscores.ROC_curve_init(threshold, n_prob_thrs=len(edges) - 1)
    roc["prob_thrs"] = array(edges[:-1])
    probscores.ROC_curve_accum(roc, probability, observed)
    _, _, area = probscores.ROC_curve_compute(roc, compute_area=True)
    # pysteps has no Brier score: its definition.
    brier = float(np.mean((probability - (observed >= threshold)) ** 2))
    return {
        "forecast": forecast.tolist(),
        "observed": frequency.tolist(),
        "cells": diagram["num_idx"].tolist(),
        "roc_area": float(area),
        "brier": brier,
    }


def main():
    requests = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answers = {name: globals()[request.pop("part")](**request) for name, request in requests.items()}
    json.dump(answers, sys.stdout)


main()
