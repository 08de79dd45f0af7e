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

/// Bins of values by which a [`Distribution`] is dealt out.
const BINS: usize = 4096;

/// The rain of a field by rank: for matching one field after the other to it, by bins of their values instead of sorting.
pub(crate) struct Distribution {
    /// The highest first.
    rates: Vec<f32>,
}

impl Distribution {
    /// Of what is above zero.
    pub fn of(model: &Array2<f32>) -> Self {
        let mut rates: Vec<f32> = model.iter().copied().filter(|rate| *rate > 0.0).collect();
        rates.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { rates }
    }

    /// Gives as many of a field's highest cells as there is rain that rain by rank, to within a bin in a straight line, and
    /// 0 to all others; NaN stays.
    pub fn deal_to(&self, field: &mut Array2<f32>) {
        let (Some(cells), Some(lowest)) = (field.as_slice_mut(), self.rates.last()) else {
            field.mapv_inplace(|value| if value.is_nan() { value } else { 0.0 });
            return;
        };
        // Not a number is neither below nor above.
        let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
        for value in &*cells {
            least = if *value < least { *value } else { least };
            most = if *value > most { *value } else { most };
        }
        let per_bin = BINS as f32 / (most - least).max(1e-6);
        let mut counts = vec![0_u32; BINS];
        for value in cells.iter().filter(|value| !value.is_nan()) {
            counts[(((value - least) * per_bin) as usize).min(BINS - 1)] += 1;
        }
        // The rain at the lower end of each bin, and how much more it is at the upper one.
        let mut lines = vec![[0.0_f32; 2]; BINS];
        let (mut above, mut upper) = (0, self.rates[0]);
        let mut cut = 0.0;
        for (bin, count) in counts.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            let left = self.rates.len() - above;
            let count = *count as usize;
            if count >= left {
                // Within this bin it ends.
                let share = left as f32 / count as f32;
                lines[bin] = [upper + (lowest - upper) / share, (upper - lowest) / share];
                cut = (bin + 1) as f32 - share;
                break;
            }
            above += count;
            let lower = self.rates[above];
            lines[bin] = [lower, upper - lower];
            upper = lower;
        }
        for value in cells {
            let at = (*value - least) * per_bin;
            if !at.is_nan() {
                let bin = (at as usize).min(BINS - 1);
                let [lower, more] = lines[bin];
                *value = if at >= cut { (lower + (at - bin as f32) * more).max(*lowest) } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn dealt_out_by_bins_is_nearly_dealt_out_by_rank() {
        let wave = |r: usize, c: usize| (r as f32 * 0.31).sin() * (c as f32 * 0.23).cos() + 0.001 * (r + c) as f32;
        let field = Array2::from_shape_fn((90, 80), |(r, c)| if r + c < 7 { f32::NAN } else { wave(r, c) });
        let model = Array2::from_shape_fn((90, 80), |(r, c)| match wave(c, r) {
            _ if r + c < 7 => f32::NAN,
            dry if dry < 0.3 => 0.0,
            rain => rain * rain * 20.0,
        });
        let (sorted, mut dealt) = (matched(&field, &model, 0.0), field);
        Distribution::of(&model).deal_to(&mut dealt);
        let wet = |field: &Array2<f32>| field.iter().filter(|rate| **rate > 0.0).count();
        assert!(wet(&sorted).abs_diff(wet(&dealt)) < 5, "{} and {}", wet(&sorted), wet(&dealt));
        for (a, b) in sorted.iter().zip(&dealt) {
            assert!((a.is_nan() && b.is_nan()) || (a - b).abs() < 0.02 * a || a.min(*b) == 0.0, "{a} and {b}");
        }
    }

    #[test]
    fn where_all_is_alike_or_nothing_rains_the_bins_are_no_trouble() {
        for (value, rain) in [(1.0, 0.0), (1.0, 3.0), (f32::NAN, 3.0)] {
            let mut field = Array2::from_elem((5, 7), value);
            Distribution::of(&Array2::from_elem((5, 7), rain)).deal_to(&mut field);
            assert!(field.iter().all(|v| v.is_nan() == f32::is_nan(value) && (v.is_nan() || *v == rain)), "{field}");
        }
    }

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
