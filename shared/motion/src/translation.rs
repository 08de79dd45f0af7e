//! A first guess: the one displacement that brings two images into line.

use crate::pyramid::Image;

/// The whole-pixel displacement (right, down) of at most `reach` pixels, later image against earlier one, with the
/// highest correlation over what both observed; `None` where nothing correlates.
pub(crate) fn best_shift(earlier: &Image, later: &Image, reach: usize) -> Option<(isize, isize)> {
    let limit = |size: usize| reach.min(size / 2) as isize;
    let (reach_rows, reach_columns) = (limit(earlier.rows), limit(earlier.columns));
    let mut best: Option<(f32, (isize, isize))> = None;
    for down in -reach_rows..=reach_rows {
        for right in -reach_columns..=reach_columns {
            let Some(score) = correlation(earlier, later, right, down) else { continue };
            if best.is_none_or(|(top, _)| score > top) {
                best = Some((score, (right, down)));
            }
        }
    }
    best.filter(|(score, _)| *score > 0.0).map(|(_, shift)| shift)
}

/// Pearson correlation of `earlier(p)` and `later(p + shift)`; `None` without variance or with too small an overlap.
fn correlation(earlier: &Image, later: &Image, right: isize, down: isize) -> Option<f32> {
    let (rows, columns) = (earlier.rows as isize, earlier.columns as isize);
    let (first_column, last_column) = (0.max(-right), columns.min(columns - right));
    let (mut n, mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    for row in 0.max(-down)..rows.min(rows - down) {
        let a = &earlier.data[(row * columns) as usize..][first_column as usize..last_column as usize];
        let b = &later.data[((row + down) * columns + first_column + right) as usize..][..a.len()];
        for (&x, &y) in a.iter().zip(b) {
            if x.is_nan() || y.is_nan() {
                continue;
            }
            n += 1.0;
            sa += x;
            sb += y;
            saa += x * x;
            sbb += y * y;
            sab += x * y;
        }
    }
    if n < 9.0 {
        return None;
    }
    let (va, vb) = (saa - sa * sa / n, sbb - sb * sb / n);
    let norm = (va * vb).sqrt();
    (va > 1e-3 && vb > 1e-3).then(|| (sab - sa * sb / n) / norm)
}
