//! When rain begins and ends: the first spell of each member, followed from lead to lead.

use ndarray::Array2;
use rayon::prelude::*;

/// A gap shorter than this does not end a spell of rain, minutes.
const GAP_MIN: f32 = 10.0;
/// Leads that can be numbered; later ones are not looked at.
const MOST_LEADS: usize = 250;
/// Stands for the lead at which a member that is still dry becomes wet.
const NEVER: u8 = u8::MAX;
/// The percentiles of [`Arrivals`].
pub const ARRIVAL_PERCENTILES: [f32; 3] = [10.0, 50.0, 90.0];

/// When the first rain of 0.1 mm/h or more begins and ends in each cell, by the tracks of the members. All of shape (rows,
/// columns).
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Probability (0–1) that it rains now or at any of the leads; NaN where that is not known up to the last of them.
    pub probability: Array2<f32>,
    /// 10th, 50th and 90th percentile of when it begins, minutes after the issue time, if it does: the leads are taken to
    /// be the ends of the steps within which it begins. 0 where it rains already, NaN where no member has any rain.
    pub begins_min: [Array2<f32>; 3],
    /// The same of when that rain ends, but for gaps of less than ten minutes, if it begins; NaN where no member has any
    /// rain, and where it may well last beyond the last lead that is known.
    pub ends_min: [Array2<f32>; 3],
}

/// The first spell of rain of one member in one cell, in leads counted from 1; 0 is the newest field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spell {
    first: u8,
    last: u8,
}

/// What is known of a cell beside the spells of its members.
#[derive(Clone, Copy, Debug)]
struct Chance {
    /// Highest probability of any lead.
    highest: f32,
    /// Most members that are wet at any lead.
    most_wet: u16,
    /// Leads up to the first that is unknown.
    known: u8,
    is_known: bool,
}

/// The spells of all members so far.
pub(crate) struct Spells {
    shape: (usize, usize),
    members: usize,
    /// Row by row, cell by cell, member by member.
    cells: Vec<Spell>,
    chances: Vec<Chance>,
    minutes: Vec<f32>,
}

/// The cells of one row.
pub(crate) struct SpellsOfRow<'a> {
    spells: &'a mut [Spell],
    chances: &'a mut [Chance],
    members: usize,
    lead: u8,
    /// Leads after a wet one until which the next wet one belongs to the same spell.
    bridged: u8,
}

impl Spells {
    /// Before the first lead: it rains where the newest field (mm/h) reaches `onset_mm_h`.
    pub fn new(newest_mm_h: &Array2<f32>, onset_mm_h: f32, members: usize) -> Self {
        let mut cells = Vec::with_capacity(newest_mm_h.len() * members);
        for rate in newest_mm_h {
            let first = if *rate >= onset_mm_h { 0 } else { NEVER };
            cells.extend(std::iter::repeat_n(Spell { first, last: 0 }, members));
        }
        let chance = |rate: &f32| {
            let wet = *rate >= onset_mm_h;
            let highest = f32::from(u8::from(wet));
            Chance { highest, most_wet: if wet { members as u16 } else { 0 }, known: 0, is_known: true }
        };
        let chances = newest_mm_h.iter().map(chance).collect();
        Self { shape: newest_mm_h.dim(), members, cells, chances, minutes: Vec::new() }
    }

    /// The rows of the next lead, so many minutes after the newest field; `None` when there are more leads than can be
    /// followed.
    pub fn next_lead(&mut self, minutes: f32) -> Option<impl IndexedParallelIterator<Item = SpellsOfRow<'_>> + '_> {
        if self.minutes.len() >= MOST_LEADS {
            return None;
        }
        let step = (minutes - self.minutes.last().copied().unwrap_or(0.0)).max(1e-3);
        self.minutes.push(minutes);
        // A gap of k dry leads is about k steps long.
        let bridged = ((GAP_MIN / step - 1e-3).ceil().clamp(1.0, 200.0)) as u8;
        let (lead, members, columns) = (self.minutes.len() as u8, self.members, self.shape.1);
        let rows = self.cells.par_chunks_mut((columns * members).max(1));
        let rows = rows.zip(self.chances.par_chunks_mut(columns.max(1)));
        Some(rows.map(move |(spells, chances)| SpellsOfRow { spells, chances, members, lead, bridged }))
    }

    /// What the leads so far say.
    pub fn arrivals(&self) -> Arrivals {
        let fields: Vec<[f32; 7]> = self
            .cells
            .par_chunks(self.members.max(1))
            .zip(&self.chances)
            .with_min_len(1 << 10)
            .map_init(Counts::default, |counts, (spells, chance)| self.cell(spells, *chance, counts))
            .collect();
        let field = |k: usize| {
            let values = fields.iter().map(|cell| cell[k]).collect();
            Array2::from_shape_vec(self.shape, values).unwrap_or_else(|_| Array2::from_elem(self.shape, f32::NAN))
        };
        Arrivals { probability: field(0), begins_min: [1, 2, 3].map(field), ends_min: [4, 5, 6].map(field) }
    }

    /// Probability, then percentiles of the beginning and of the end.
    fn cell(&self, spells: &[Spell], chance: Chance, counts: &mut Counts) -> [f32; 7] {
        let mut cell = [f32::NAN; 7];
        let leads = self.minutes.len();
        counts.begins.clear();
        counts.begins.resize(leads + 1, 0);
        counts.ends.clear();
        counts.ends.resize(leads + 1, 0);
        let mut arrived = 0_u16;
        for spell in spells.iter().filter(|spell| spell.first != NEVER) {
            arrived += 1;
            counts.begins[usize::from(spell.first)] += 1;
            // One that is wet at the last lead that is known has no end in sight.
            if spell.last < chance.known {
                counts.ends[usize::from(spell.last) + 1] += 1;
            }
        }
        let members = self.members as f32;
        if chance.is_known || f32::from(arrived) >= members {
            // Each lead's share of wet members is its probability but for rounding: what counts is how many more there
            // are over all leads.
            let more = f32::from(arrived.saturating_sub(chance.most_wet)) / members.max(1.0);
            cell[0] = (chance.highest + more).min(1.0);
        }
        for (k, percentile) in ARRIVAL_PERCENTILES.into_iter().enumerate() {
            let wanted = percentile / 100.0 * f32::from(arrived);
            cell[1 + k] = self.percentile(&counts.begins, wanted);
            cell[4 + k] = self.percentile(&counts.ends, wanted);
        }
        cell
    }

    /// Minutes until so many of the counted are reached, evenly within the step of each lead; NaN if they never are.
    fn percentile(&self, counts: &[u16], wanted: f32) -> f32 {
        let mut before = 0.0;
        for (lead, count) in counts.iter().enumerate() {
            let reached = before + f32::from(*count);
            if *count > 0 && reached >= wanted - 1e-3 {
                let end = |lead: usize| lead.checked_sub(1).and_then(|k| self.minutes.get(k)).copied().unwrap_or(0.0);
                let share = ((wanted - before) / f32::from(*count)).clamp(0.0, 1.0);
                let begin = end(lead.saturating_sub(1));
                return begin + share * (end(lead) - begin);
            }
            before = reached;
        }
        f32::NAN
    }
}

/// Members by the lead of their beginning and end.
#[derive(Default)]
struct Counts {
    begins: Vec<u16>,
    ends: Vec<u16>,
}

impl SpellsOfRow<'_> {
    /// What is told of a cell at this lead: the probability of rain, and the number of members that are wet: those whose
    /// rank (0 the highest) is below it.
    #[inline(always)]
    pub fn told(&mut self, column: usize, probability: f32, wet: usize, ranks: &[i32]) {
        let Some(chance) = self.chances.get_mut(column).filter(|chance| chance.is_known) else { return };
        if probability.is_nan() {
            chance.is_known = false;
            return;
        }
        chance.known = self.lead;
        chance.highest = chance.highest.max(probability);
        chance.most_wet = chance.most_wet.max(wet as u16);
        let Some(spells) = self.spells.get_mut(column * self.members..(column + 1) * self.members) else { return };
        for (spell, rank) in spells.iter_mut().zip(ranks) {
            if *rank >= wet as i32 {
                continue;
            }
            if spell.first == NEVER {
                *spell = Spell { first: self.lead, last: self.lead };
            } else if self.lead - spell.last <= self.bridged {
                spell.last = self.lead;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrivals of one cell, of which members are told lead by lead whether they are wet, 5 minutes apart; `None` is
    /// unknown.
    fn of(now_mm_h: f32, leads: &[Option<&[bool]>]) -> Arrivals {
        let members = leads.iter().flatten().next().map_or(0, |wet| wet.len());
        let mut spells = Spells::new(&Array2::from_elem((1, 1), now_mm_h), 0.1, members);
        for (lead, wet) in (1..).zip(leads) {
            let Some(rows) = spells.next_lead(5.0 * lead as f32) else { break };
            rows.for_each(|mut row| match wet {
                None => row.told(0, f32::NAN, 0, &[]),
                Some(wet) => {
                    let ranks: Vec<i32> = wet.iter().map(|wet| i32::from(!wet) * 1000).collect();
                    let count = wet.iter().filter(|wet| **wet).count();
                    row.told(0, count as f32 / wet.len() as f32, count, &ranks);
                }
            });
        }
        spells.arrivals()
    }

    fn at(fields: &[Array2<f32>; 3]) -> [f32; 3] {
        [0, 1, 2].map(|k| fields[k][(0, 0)])
    }

    const DRY: Option<&[bool]> = Some(&[false; 4]);
    const WET: Option<&[bool]> = Some(&[true; 4]);

    #[test]
    fn rain_that_all_members_have_in_one_step_begins_and_ends_within_steps() {
        let arrivals = of(0.0, &[DRY, DRY, WET, WET, WET, DRY, DRY]);
        assert_eq!(arrivals.probability[(0, 0)], 1.0);
        assert_eq!(at(&arrivals.begins_min), [10.5, 12.5, 14.5]);
        assert_eq!(at(&arrivals.ends_min), [25.5, 27.5, 29.5]);
    }

    #[test]
    fn members_that_differ_spread_the_arrival_and_leave_a_chance_that_none_comes() {
        let leads: [&[bool]; 4] = [
            &[true, false, false, false],
            &[true, true, false, false],
            &[false, true, false, false],
            &[false, false, false, false],
        ];
        let arrivals = of(0.0, &leads.map(Some));
        // Two of the four, and at the second lead both of them at once.
        assert_eq!(arrivals.probability[(0, 0)], 0.5);
        let [early, middle, late] = at(&arrivals.begins_min);
        assert!(early < 5.0 && middle == 5.0 && late > 5.0 && late < 10.0, "{early} {middle} {late}");
        assert_eq!(at(&arrivals.ends_min)[1], 15.0);
    }

    #[test]
    fn rain_that_falls_already_has_arrived_and_may_last_beyond_the_leads() {
        let arrivals = of(2.0, &[WET, Some(&[true, true, true, false]), Some(&[true, true, true, false])]);
        assert_eq!((arrivals.probability[(0, 0)], at(&arrivals.begins_min)), (1.0, [0.0; 3]));
        let [early, middle, late] = at(&arrivals.ends_min);
        assert!(early > 5.0 && early < 10.0 && middle.is_nan() && late.is_nan(), "{early} {middle} {late}");
    }

    #[test]
    fn a_short_gap_does_not_end_a_spell_and_a_longer_one_does() {
        let short = of(0.0, &[WET, DRY, WET, DRY, DRY, WET]);
        assert_eq!(at(&short.ends_min)[1], 17.5);
        let long = of(0.0, &[WET, DRY, DRY, WET, DRY, DRY]);
        assert_eq!(at(&long.ends_min)[1], 7.5);
    }

    #[test]
    fn what_is_unknown_at_a_lead_has_no_probability_but_what_came_before_counts() {
        let half: Option<&[bool]> = Some(&[true, false, false, false]);
        let cut = of(0.0, &[DRY, half, None, WET]);
        assert!(cut.probability[(0, 0)].is_nan() && at(&cut.ends_min)[0].is_nan());
        assert_eq!(at(&cut.begins_min)[1], 7.5);
        let sure = of(0.0, &[DRY, WET, None]);
        assert_eq!(sure.probability[(0, 0)], 1.0);
    }

    #[test]
    fn no_rain_in_sight_is_known_to_be_none() {
        let dry = of(0.0, &[DRY, DRY]);
        assert_eq!(dry.probability[(0, 0)], 0.0);
        assert!(at(&dry.begins_min).iter().chain(&at(&dry.ends_min)).all(|minutes| minutes.is_nan()));
    }
}
