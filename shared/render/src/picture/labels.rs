//! Finds room for names on the map.

/// A name and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    pub text: String,
    /// Left end of the baseline, pixels.
    pub x: f32,
    pub baseline: f32,
}

/// left, top, right, bottom.
type Rect = (f32, f32, f32, f32);

/// Keeps track of what is taken.
pub(super) struct Placer {
    width: f32,
    height: f32,
    taken: Vec<Rect>,
}

impl Placer {
    /// An empty map of this size in pixels.
    pub fn new(width: f32, height: f32) -> Self {
        Self { width, height, taken: Vec::new() }
    }

    /// Keeps names out of a rectangle.
    pub fn reserve(&mut self, left: f32, top: f32, right: f32, bottom: f32) {
        self.taken.push((left, top, right, bottom));
    }

    /// Puts a name beside its place, on the right, left, above or below, `gap` pixels away; `None` where it would touch
    /// another one or the edge of the map.
    pub fn place(&mut self, text: &str, (x, y): (f32, f32), width: f32, size: f32, gap: f32) -> Option<Label> {
        let (cap, descent) = (size * 0.73, size * 0.22);
        let middle = y + cap / 2.0;
        let ends = [
            (x + gap, middle),
            (x - gap - width, middle),
            (x - width / 2.0, y - gap - descent / 2.0),
            (x - width / 2.0, y + gap + cap),
        ];
        let pad = size * 0.3;
        let dot = (x - gap, y - gap, x + gap, y + gap);
        ends.into_iter().find_map(|(left, baseline)| {
            let rect = (left - pad, baseline - cap - pad, left + width + pad, baseline + descent + pad);
            let on_map = rect.0 >= 0.0 && rect.1 >= 0.0 && rect.2 <= self.width && rect.3 <= self.height;
            // The place's own dot may lie in a reserved spot (the marker's), its name may not.
            let free = |r: Rect| !self.taken.iter().any(|&t| overlap(r, t));
            (on_map && free(rect)).then(|| {
                self.taken.extend([rect, dot]);
                Label { text: text.to_owned(), x: left, baseline }
            })
        })
    }
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_touch_each_other() {
        let mut placer = Placer::new(300.0, 300.0);
        for i in 0..60 {
            let at = ((i * 37 % 300) as f32, (i * 91 % 300) as f32);
            placer.place("Somewhere", at, 70.0, 13.0, 5.0);
        }
        let names: Vec<Rect> = placer.taken.iter().copied().step_by(2).collect();
        assert!(names.len() > 5);
        for (i, &a) in names.iter().enumerate() {
            assert!(names[i + 1..].iter().all(|&b| !overlap(a, b)));
            assert!(a.0 >= 0.0 && a.2 <= 300.0 && a.1 >= 0.0 && a.3 <= 300.0);
        }
    }

    #[test]
    fn a_name_without_room_on_the_right_goes_to_the_left() {
        let mut placer = Placer::new(200.0, 100.0);
        let label = placer.place("Edge", (190.0, 50.0), 40.0, 12.0, 5.0);
        assert!(label.is_some_and(|l| l.x + 40.0 < 190.0));
    }
}
