//! Probability matching: a field keeps its pattern and takes the distribution of another.

use ndarray::Array2;

/// Gives `field` the distribution of `model`, but leaves the heaviest rain where `model` has it.
///
/// The cells of `model` whose value is among the heaviest `kept_share` of its wet ones keep that value. All other rain of
/// `model` is dealt out by rank: the highest value to the cell where `field` is highest, and so on down, so that as many
/// cells are wet as in `model`. NaN where `field` or `model` is.
pub fn matched(field: &Array2<f32>, model: &Array2<f32>, kept_share: f32) -> Array2<f32> {
    let mut rain: Vec<f32> =
        model.iter().zip(field).filter(|(m, f)| **m > 0.0 && !f.is_nan()).map(|(m, _)| *m).collect();
    rain.sort_unstable_by(|a, b| b.total_cmp(a));
    let kept = (rain.len() as f32 * kept_share) as usize;
    let limit = if kept == 0 { f32::INFINITY } else { rain[kept - 1] };
    let dealt = &rain[rain.partition_point(|r| *r >= limit)..];

    let mut out = Array2::zeros(field.dim());
    let mut ranked: Vec<(f32, usize)> = Vec::with_capacity(field.len());
    let cells = out.iter_mut().zip(field).zip(model).enumerate();
    for (cell, ((out, &f), &m)) in cells {
        if f.is_nan() || m.is_nan() {
            *out = f32::NAN;
        } else if m >= limit {
            *out = m;
        } else {
            ranked.push((f, cell));
        }
    }
    if dealt.is_empty() {
        return out;
    }
    if dealt.len() < ranked.len() {
        ranked.select_nth_unstable_by(dealt.len() - 1, |a, b| b.0.total_cmp(&a.0));
    }
    ranked.truncate(dealt.len());
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    if let Some(cells) = out.as_slice_mut() {
        for ((_, cell), rate) in ranked.iter().zip(dealt) {
            cells[*cell] = *rate;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_pattern_stays_and_the_distribution_is_taken() {
        let matched = matched(&array![[0.1, 0.9], [0.5, 0.3]], &array![[0.0, 7.0], [0.0, 2.0]], 0.0);
        assert_eq!(matched, array![[0.0, 7.0], [2.0, 0.0]]);
    }

    #[test]
    fn the_heaviest_rain_stays_where_it_is() {
        let matched = matched(&array![[0.1, 0.9, 0.5, 0.3]], &array![[8.0, 0.0, 1.0, 2.0]], 0.4);
        assert_eq!(matched, array![[8.0, 2.0, 1.0, 0.0]]);
    }

    #[test]
    fn unknown_stays_unknown_and_dry_stays_dry() {
        let matched = matched(&array![[0.1, f32::NAN, 0.5]], &array![[0.0, 2.0, 0.0]], 0.1);
        assert!(matched[(0, 1)].is_nan() && matched[(0, 0)] == 0.0 && matched[(0, 2)] == 0.0);
    }
}
