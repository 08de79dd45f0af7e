//! One palette of 255 colours for all frames of an animation.

use rayon::prelude::*;

use super::theme::Rgb;

/// Number of the see-through colour of a GIF frame; the palette has 255 colours before it.
pub(super) const SEE_THROUGH: u8 = 255;
const COLORS: usize = 255;
/// Bits of each channel by which colours are told apart: five, so that colours closer than 8 of 255 count as one.
const BITS: u32 = 5;
const CELLS: usize = 1 << (3 * BITS);

fn cell([r, g, b]: Rgb) -> usize {
    let top = |v: u8| usize::from(v >> (8 - BITS));
    top(r) << (2 * BITS) | top(g) << BITS | top(b)
}

/// Colours with how often they occur.
type Counted = Vec<(Rgb, u32)>;

/// How often each colour occurs; a cell of close colours is known by the first one seen.
pub(super) struct Histogram(Counted);

impl Histogram {
    pub fn new() -> Self {
        Self(vec![([0; 3], 0); CELLS])
    }

    pub fn add(&mut self, pixels: &[Rgb]) {
        for &color in pixels {
            let entry = &mut self.0[cell(color)];
            if entry.1 == 0 {
                entry.0 = color;
            }
            entry.1 += 1;
        }
    }
}

/// Colours and the way from a colour to its number.
pub(super) struct Palette {
    colors: Vec<Rgb>,
    numbers: Vec<u8>,
}

impl Palette {
    /// The `fixed` colours as they are, and the rest by median cut (Heckbert 1982) of a histogram.
    pub fn new(fixed: &[Rgb], histogram: &Histogram) -> Self {
        let mut seen: Vec<Option<Rgb>> = histogram.0.iter().map(|&(color, n)| (n > 0).then_some(color)).collect();
        let mut colors: Vec<Rgb> = Vec::with_capacity(COLORS);
        for &color in fixed {
            if !colors.contains(&color) {
                seen[cell(color)] = Some(color);
                colors.push(color);
            }
        }
        let fixed_cells: Vec<usize> = colors.iter().map(|&c| cell(c)).collect();
        let rest = histogram.0.iter().enumerate();
        let rest = rest.filter(|(i, (_, n))| *n > 0 && !fixed_cells.contains(i)).map(|(_, &entry)| entry).collect();
        colors.extend(median_cut(rest, COLORS - colors.len()));
        // Colours that the histogram missed are rare; one search does for eight cells of them.
        let coarse: Vec<u8> = (0..CELLS / 8).into_par_iter().map(|i| nearest(&colors, coarse_middle(i))).collect();
        let numbers = seen
            .par_iter()
            .enumerate()
            .map(|(i, seen)| seen.map_or_else(|| coarse[coarse_cell(i)], |color| nearest(&colors, color)))
            .collect();
        Self { colors, numbers }
    }

    /// Number of the colour next to this one.
    pub fn number(&self, color: Rgb) -> u8 {
        self.numbers[cell(color)]
    }

    /// 256 times red, green, blue.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.colors.concat();
        bytes.resize(256 * 3, 0);
        bytes
    }
}

/// The cell of four bits a channel that holds a cell.
fn coarse_cell(cell: usize) -> usize {
    let top = |shift: u32| (cell >> (shift + 1)) & 15;
    top(2 * BITS) << 8 | top(BITS) << 4 | top(0)
}

/// Colour in the middle of a cell of four bits a channel.
fn coarse_middle(cell: usize) -> Rgb {
    [8, 4, 0].map(|shift| (((cell >> shift) & 15) << 4 | 8) as u8)
}

fn nearest(colors: &[Rgb], color: Rgb) -> u8 {
    let distance = |c: &Rgb| -> i32 { (0..3).map(|i| (i32::from(c[i]) - i32::from(color[i])).pow(2)).sum() };
    colors.iter().enumerate().min_by_key(|(_, c)| distance(c)).map_or(0, |(i, _)| i as u8)
}

/// Up to `count` colours that stand for all. The box with the largest squared error is cut next, at the mean of the
/// channel that varies most.
fn median_cut(colors: Counted, count: usize) -> Vec<Rgb> {
    if colors.is_empty() || count == 0 {
        return Vec::new();
    }
    let mut boxes = vec![Group::new(colors)];
    while boxes.len() < count {
        let Some(worst) = (0..boxes.len()).max_by(|&a, &b| boxes[a].error().total_cmp(&boxes[b].error())) else {
            break;
        };
        if boxes[worst].error() <= 0.0 {
            break;
        }
        let (low, high) = boxes.swap_remove(worst).cut();
        if low.is_empty() || high.is_empty() {
            boxes.push(Group::new(if low.is_empty() { high } else { low }).settled());
        } else {
            boxes.extend([Group::new(low), Group::new(high)]);
        }
    }
    boxes.iter().map(|group| group.mean.map(|v| v.round() as u8)).collect()
}

/// Colours that get one number together.
struct Group {
    colors: Counted,
    mean: [f64; 3],
    /// Sum over the pixels of the squared distance to the mean, by channel.
    errors: [f64; 3],
}

impl Group {
    fn new(colors: Counted) -> Self {
        let total: f64 = colors.iter().map(|c| f64::from(c.1)).sum();
        let moment = |i: usize, about: f64, power: i32| -> f64 {
            colors.iter().map(|(c, n)| f64::from(*n) * (f64::from(c[i]) - about).powi(power)).sum()
        };
        let mean: [f64; 3] = std::array::from_fn(|i| moment(i, 0.0, 1) / total);
        let errors = std::array::from_fn(|i| moment(i, mean[i], 2));
        Self { colors, mean, errors }
    }

    fn error(&self) -> f64 {
        self.errors.iter().sum()
    }

    /// Not to be cut any more.
    fn settled(mut self) -> Self {
        self.errors = [0.0; 3];
        self
    }

    fn cut(self) -> (Counted, Counted) {
        let widest = (0..3).max_by(|&a, &b| self.errors[a].total_cmp(&self.errors[b])).unwrap_or(0);
        let at = self.mean[widest];
        self.colors.into_iter().partition(|(c, _)| f64::from(c[widest]) <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_colours_stay_what_they_are() {
        let mut histogram = Histogram::new();
        let noise: Vec<Rgb> = (0..60_000_u32).map(|i| [(i * 7) as u8, (i / 5) as u8, (i / 90) as u8]).collect();
        histogram.add(&noise);
        let fixed = [[0xf3, 0xf0, 0xe8], [0xcd, 0xdb, 0xe4], [0x88, 0xdd, 0xee]];
        let palette = Palette::new(&fixed, &histogram);
        assert_eq!(palette.colors.len(), COLORS);
        for color in fixed {
            assert_eq!(palette.colors[palette.number(color) as usize], color);
        }
        for color in noise {
            let found = palette.colors[palette.number(color) as usize];
            let off: i32 = (0..3).map(|i| (i32::from(found[i]) - i32::from(color[i])).abs()).max().unwrap_or(0);
            assert!(off < 60, "{color:?} became {found:?}");
        }
    }

    #[test]
    fn few_colours_need_no_cut() {
        let mut histogram = Histogram::new();
        histogram.add(&[[0, 0, 0], [255, 255, 255], [255, 0, 0]]);
        let palette = Palette::new(&[], &histogram);
        assert_eq!(palette.colors.len(), 3);
        assert_eq!(palette.to_bytes().len(), 768);
    }
}
