//! Probability matching: a field keeps its pattern and takes the distribution of another.

use ndarray::Array2;

/// Gives `field` the distribution of `model`, but leaves the heaviest rain where `model` has it.
///
/// The cells of `model` whose value is among the heaviest `kept_share` of its wet ones keep that value. All other rain of
/// `model` is dealt out by rank: the highest value to the cell where `field` is highest, and so on down, so that as many
/// cells are wet as in `model`. NaN where `field` or `model` is.
pub(crate) fn matched(field: &Array2<f32>, model: &Array2<f32>, kept_share: f32) -> Array2<f32> {
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

/// Steps of rank between the lowest and the highest value of a pattern.
const BINS: usize = 1 << 12;

/// The rain of a layer dealt out by the rank of a pattern, counted in bins instead of sorted.
pub(crate) struct Ranks {
    lowest: f32,
    per_unit: f32,
    /// Rate for each bin edge, mm/h; 0 below the rank that stays without.
    rate_mm_h: Vec<f32>,
}

impl Ranks {
    /// From a pattern (NaN: left out) and the rain to deal out: what of `rate_db` is above the layer's lower edge, at
    /// most its upper one.
    pub fn of(pattern: &Array2<f32>, rate_db: &Array2<f32>, (low, high): (f32, f32)) -> Self {
        let top = rate_db.iter().fold(low, |t, &d| t.max(d)).min(high);
        let db_per_bin = ((top - low) / BINS as f32).max(1e-6);
        let (mut lowest, mut highest) = (f32::INFINITY, f32::NEG_INFINITY);
        for &p in pattern {
            lowest = lowest.min(p);
            highest = highest.max(p);
        }
        let per_unit = if highest > lowest { (BINS - 1) as f32 / (highest - lowest) } else { 0.0 };
        let mut ranks = Self { lowest, per_unit, rate_mm_h: vec![0.0; BINS] };
        let (mut cells, mut rain) = (vec![0_u32; BINS], vec![0_u32; BINS]);
        for (&p, &d) in pattern.iter().zip(rate_db) {
            if p.is_nan() {
                continue;
            }
            cells[ranks.bin(p)] += 1;
            if d >= low {
                rain[(((d.min(high) - low) / db_per_bin) as usize).min(BINS - 1)] += 1;
            }
        }
        let wet: u32 = rain.iter().sum();
        let (mut above, mut heavier, mut at) = (0_u32, 0_u32, BINS);
        for bin in (0..BINS).rev() {
            // The middle one of the cells of this bin stands for all of them.
            let rank = above + cells[bin] / 2;
            above += cells[bin];
            if rank >= wet {
                break;
            }
            while at > 0 && heavier <= rank {
                at -= 1;
                heavier += rain[at];
            }
            ranks.rate_mm_h[bin] = 10.0_f32.powf((low + (at as f32 + 0.5) * db_per_bin) / 10.0);
        }
        ranks
    }

    #[inline]
    fn bin(&self, value: f32) -> usize {
        (((value - self.lowest) * self.per_unit) as usize).min(BINS - 1)
    }

    /// Raises `out` to what the rank of each cell of the pattern gets.
    pub fn deal(&self, pattern: &Array2<f32>, out: &mut Array2<f32>) {
        out.zip_mut_with(pattern, |o, &p| {
            if !p.is_nan() {
                *o = o.max(self.rate_mm_h[self.bin(p)]);
            }
        });
    }
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
    fn ranks_deal_out_as_much_rain_as_there_is_of_the_layer() {
        let rate_db = Array2::from_shape_fn((100, 100), |(r, c)| if (r + c) % 4 == 0 { 0.1 * r as f32 } else { -40.0 });
        let pattern = Array2::from_shape_fn((100, 100), |(r, c)| (r * 100 + (c * 37) % 100) as f32);
        let mut out = Array2::zeros((100, 100));
        Ranks::of(&pattern, &rate_db, (2.0, 8.0)).deal(&pattern, &mut out);
        let wet = |a: &Array2<f32>, limit: f32| a.iter().filter(|v| **v >= limit).count() as f32;
        for db in [2.0, 4.0, 6.0_f32] {
            let (dealt, there) = (wet(&out, 10.0_f32.powf(0.1 * db)), wet(&rate_db, db));
            assert!((dealt - there).abs() < 0.03 * there, "{dealt} cells instead of {there} at {db} dB");
        }
        // The highest place of the pattern gets the heaviest rain, up to the layer's edge.
        assert!((10.0 * out[(99, 27)].log10() - 8.0).abs() < 0.01);
    }

    #[test]
    fn a_pattern_without_differences_and_one_without_numbers_are_no_trouble() {
        let rate_db = Array2::from_elem((3, 3), 5.0);
        for value in [1.0, f32::NAN] {
            let pattern = Array2::from_elem((3, 3), value);
            let mut out = Array2::zeros((3, 3));
            Ranks::of(&pattern, &rate_db, (0.0, f32::INFINITY)).deal(&pattern, &mut out);
            assert!(out.iter().all(|o: &f32| o.is_finite()), "{out}");
        }
    }

    #[test]
    fn unknown_stays_unknown_and_dry_stays_dry() {
        let matched = matched(&array![[0.1, f32::NAN, 0.5]], &array![[0.0, 2.0, 0.0]], 0.1);
        assert!(matched[(0, 1)].is_nan() && matched[(0, 0)] == 0.0 && matched[(0, 2)] == 0.0);
    }
}
