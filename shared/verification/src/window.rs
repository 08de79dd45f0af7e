//! The moving mean of the fractions skill score.

/// Mean over a square window of `side` cells (odd) around every cell of a row-major 0/1 image; beyond the edges the
/// image goes on mirrored, the edge cell counted again (d c b a | a b c d | d c b a).
pub(crate) fn window_mean(image: &[f32], rows: usize, columns: usize, side: usize) -> Vec<f32> {
    let half = (side / 2) as isize;
    let mut across = vec![0.0_f32; image.len()];
    for (line, out) in image.chunks(columns).zip(across.chunks_mut(columns)) {
        running_sum(columns, half, |i| line[i], |i, sum| out[i] = sum);
    }
    let mut mean = vec![0.0_f32; image.len()];
    let cells = (side * side) as f32;
    // Row by row with a sum per column: walks memory in order.
    let mut sums = vec![0.0_f32; columns];
    for offset in -half..=half {
        add_row(&mut sums, &across, mirrored(offset, rows), 1.0);
    }
    for row in 0..rows {
        for (out, sum) in mean[row * columns..][..columns].iter_mut().zip(&sums) {
            *out = sum / cells;
        }
        add_row(&mut sums, &across, mirrored(row as isize - half, rows), -1.0);
        add_row(&mut sums, &across, mirrored(row as isize + half + 1, rows), 1.0);
    }
    mean
}

fn add_row(sums: &mut [f32], image: &[f32], row: usize, sign: f32) {
    let columns = sums.len();
    for (sum, value) in sums.iter_mut().zip(&image[row * columns..][..columns]) {
        *sum += sign * value;
    }
}

fn running_sum(size: usize, half: isize, at: impl Fn(usize) -> f32, mut put: impl FnMut(usize, f32)) {
    let mut sum: f32 = (-half..=half).map(|o| at(mirrored(o, size))).sum();
    for i in 0..size {
        put(i, sum);
        sum += at(mirrored(i as isize + half + 1, size)) - at(mirrored(i as isize - half, size));
    }
}

/// The index that stands at `at` of an axis of `size` cells, mirrored as often as it takes.
fn mirrored(at: isize, size: usize) -> usize {
    let period = 2 * size as isize;
    let at = at.rem_euclid(period);
    (if at < size as isize { at } else { period - 1 - at }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_mirrors_at_the_edges() {
        let mean = window_mean(&[1.0, 0.0, 0.0, 0.0], 1, 4, 3);
        let expected = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0];
        assert!(mean.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{mean:?}");
    }

    #[test]
    fn a_window_wider_than_the_image_is_no_trouble() {
        let mean = window_mean(&[1.0, 0.0], 1, 2, 11);
        assert!(mean.iter().all(|m| (m - 0.5).abs() < 0.06), "{mean:?}");
    }
}
