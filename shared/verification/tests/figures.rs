//! The figures that an independent implementation (NumPy, and SciPy's `uniform_filter` with its default reflecting
//! edges) gives for the same arrays.
#![allow(clippy::unwrap_used)]

use ndarray::Array2;
use raincell_verification::{Pool, Scores, VerificationError};

const ROWS: usize = 48;
const COLUMNS: usize = 37;

/// Blobs of 0 to 9 mm/h in eighths, with unknown cells strewn in and a band of them at the right edge.
fn field(k: usize) -> Array2<f32> {
    Array2::from_shape_fn((ROWS, COLUMNS), |(r, c)| {
        if (r * COLUMNS + c + k * 5).is_multiple_of(41) || c + k >= COLUMNS {
            return f32::NAN;
        }
        if ((r + k) / 8 + (c + 2 * k) / 9).is_multiple_of(3) {
            return 0.0;
        }
        let n = (r * r * 3 + c * c * 5 + r * c * 7 + k * 11) % 97;
        (n as f32 * 0.125 - 3.0).max(0.0)
    })
}

fn pool(ks: &[usize]) -> Pool {
    let mut pool = Pool::default();
    for k in ks {
        pool.add(&field(k + 1), &field(*k)).unwrap();
    }
    pool
}

fn assert_figures(scores: &Scores) {
    let expected = [(0.513810, 0.958719, 0.976151), (0.504727, 0.945010, 0.974380), (0.377589, 0.917431, 0.965351)];
    for (found, (csi, bias, fss)) in scores.at.iter().zip(expected) {
        let t = found.threshold_mm_h;
        assert!((found.csi - csi).abs() < 1e-5, "CSI at {t}: {}", found.csi);
        assert!((found.bias - bias).abs() < 1e-5, "bias at {t}: {}", found.bias);
        assert!((found.fss - fss).abs() < 1e-5, "FSS at {t}: {}", found.fss);
    }
    assert!((scores.mae_wet_mm_h - 2.926548).abs() < 1e-5, "MAE {}", scores.mae_wet_mm_h);
    assert!((scores.cover - 0.947970).abs() < 1e-5, "cover {}", scores.cover);
    assert_eq!(scores.nowcasts, 2);
}

#[test]
fn two_pooled_nowcasts_score_what_the_independent_implementation_gives() {
    assert_figures(&pool(&[0, 3]).scores());
}

#[test]
fn merged_pools_score_as_one() {
    let mut merged = pool(&[0]);
    merged.merge(&pool(&[3]));
    assert_figures(&merged.scores());
}

#[test]
fn a_perfect_nowcast_scores_one_and_errs_by_nothing() {
    let mut pool = Pool::default();
    pool.add(&field(0), &field(0)).unwrap();
    let scores = pool.scores();
    assert!(scores.at.iter().all(|t| t.csi == 1.0 && t.bias == 1.0 && (t.fss - 1.0).abs() < 1e-9));
    assert_eq!((scores.mae_wet_mm_h, scores.cover), (0.0, 1.0));
}

#[test]
fn what_the_nowcast_leaves_unknown_counts_as_dry() {
    let observed = Array2::from_elem((20, 20), 2.0);
    let mut pool = Pool::default();
    pool.add(&Array2::from_shape_fn((20, 20), |(r, _)| if r < 10 { 2.0 } else { f32::NAN }), &observed).unwrap();
    let scores = pool.scores();
    assert!((scores.at[0].csi - 0.5).abs() < 1e-9 && (scores.cover - 0.5).abs() < 1e-9);
}

#[test]
fn nothing_scored_gives_numbers_all_the_same() {
    let mut pool = Pool::default();
    pool.add(&Array2::from_elem((5, 5), 1.0), &Array2::from_elem((5, 5), f32::NAN)).unwrap();
    pool.add(&Array2::zeros((0, 0)), &Array2::zeros((0, 0))).unwrap();
    let scores = pool.scores();
    assert!(scores.at.iter().all(|t| t.csi == 0.0 && t.fss.is_finite()) && scores.mae_wet_mm_h == 0.0);
}

#[test]
fn arrays_of_different_shapes_are_refused() {
    let refused = Pool::default().add(&Array2::zeros((2, 2)), &Array2::zeros((2, 3)));
    assert_eq!(refused.unwrap_err(), VerificationError::ShapeMismatch { nowcast: (2, 2), observed: (2, 3) });
}
