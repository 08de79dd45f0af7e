//! Range asymmetric numeral systems (Duda 2013): symbols at the cost of their frequency, to a fraction of a bit.
//!
//! Frequencies are static: counted over the whole frame for each context, written to the header once.

use crate::DecodeError;
use crate::bytes::{Reader, put_varint, wrong};
use crate::predict::CONTEXTS;

/// Frequencies of a context add up to 2 to this.
const SCALE_BITS: u32 = 10;
const SCALE: u32 = 1 << SCALE_BITS;
/// Lower end of the state; where a decoder must end, since the encoder began there.
const LOW: u32 = 1 << 16;

/// How often each symbol came in each context.
pub(crate) struct Counts([Vec<u32>; 2]);

impl Counts {
    pub fn new() -> Self {
        Self([vec![0; EVENTS], vec![0; EVENTS]])
    }

    /// Counts events; two tables by turns, as the same event mostly comes again before its count is written.
    #[inline(always)]
    pub fn add(&mut self, events: &[Event]) {
        let [even, odd] = &mut self.0;
        let (Ok(even), Ok(odd)) =
            (<&mut [u32; EVENTS]>::try_from(&mut even[..]), <&mut [u32; EVENTS]>::try_from(&mut odd[..]))
        else {
            return;
        };
        let (pairs, last) = events.as_chunks::<2>();
        for pair in pairs {
            even[pair[0].place()] += 1;
            odd[pair[1].place()] += 1;
        }
        if let [last] = last {
            even[last.place()] += 1;
        }
    }

    /// Frequencies that add up to the scale in each context that came at all; no symbol that came is left without.
    pub fn frequencies(&self) -> Frequencies {
        let [even, odd] = &self.0;
        let both: Vec<u32> = even.iter().zip(odd).map(|(even, odd)| even + odd).collect();
        Frequencies(both.as_chunks().0[..CONTEXTS].iter().map(scaled).collect())
    }
}

fn scaled(counts: &[u32; 256]) -> [u32; 256] {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut scaled = [0_u32; 256];
    if total == 0 {
        return scaled;
    }
    for (scaled, &count) in scaled.iter_mut().zip(counts) {
        *scaled = ((u64::from(count) * u64::from(SCALE) + total / 2) / total) as u32;
        *scaled += u32::from(count > 0 && *scaled == 0);
    }
    // What rounding gave too much or too little, the most frequent symbols bear: it costs least there.
    loop {
        let sum: u32 = scaled.iter().sum();
        let most = (0..256).max_by_key(|symbol| (scaled[*symbol], 255 - symbol)).unwrap_or(0);
        match sum {
            SCALE => return scaled,
            ..SCALE => scaled[most] += SCALE - sum,
            _ => scaled[most] -= (sum - SCALE).min(scaled[most].div_ceil(4)),
        }
    }
}

/// Places in a table that has one for each symbol of each context, and a few more: a power of two.
const EVENTS: usize = 16 << 8;

/// A symbol in its context: the context times 256, and the symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event(pub u16);

impl Event {
    #[inline(always)]
    fn place(self) -> usize {
        usize::from(self.0) % EVENTS
    }
}

/// Frequencies of the symbols by context.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frequencies(Vec<[u32; 256]>);

impl Frequencies {
    /// Of a frame without mixed blocks: no context comes at all.
    pub fn none() -> Self {
        Self(vec![[0; 256]; CONTEXTS])
    }

    pub fn write(&self, bytes: &mut Vec<u8>) {
        for frequencies in &self.0 {
            let length = frequencies.iter().rposition(|frequency| *frequency > 0).map_or(0, |last| last + 1);
            put_varint(bytes, length as u64);
            for frequency in &frequencies[..length] {
                put_varint(bytes, u64::from(*frequency));
            }
        }
    }

    /// Reads what [`Self::write`] wrote; `symbols` is how many there may be.
    pub fn read(reader: &mut Reader<'_>, symbols: usize) -> Result<Self, DecodeError> {
        let field = "symbol frequencies";
        let mut contexts = vec![[0_u32; 256]; CONTEXTS];
        for frequencies in &mut contexts {
            let begin = reader.offset();
            let length = reader.varint(field)?;
            if length > symbols as u64 {
                return Err(wrong(field, begin, format_args!("at most {symbols} symbols"), length));
            }
            let mut sum = 0_u64;
            for frequency in &mut frequencies[..length as usize] {
                let value = reader.varint(field)?.min(u64::from(SCALE) + 1);
                *frequency = value as u32;
                sum += value;
            }
            if length > 0 && sum != u64::from(SCALE) {
                return Err(wrong(field, begin, format_args!("frequencies that add up to {SCALE}"), sum));
            }
        }
        Ok(Self(contexts))
    }

    pub fn encoder(&self) -> Encoder {
        let mut slots = vec![Slots::default(); EVENTS];
        for (slots, frequencies) in slots.chunks_exact_mut(256).zip(&self.0) {
            let mut next = 0;
            for (slots, &frequency) in slots.iter_mut().zip(frequencies).filter(|(_, frequency)| **frequency > 0) {
                *slots = Slots::new(next, frequency, SCALE_BITS);
                next += frequency;
            }
        }
        Encoder(slots)
    }

    /// Puts the slots of all contexts into a decoder, whatever it had before.
    pub fn fill(&self, decoder: &mut Decoder) {
        for (frequencies, slots) in self.0.iter().zip(decoder.slots.chunks_exact_mut(SCALE as usize)) {
            let mut rest = slots;
            for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0) {
                let (slots, others) = rest.split_at_mut((frequency as usize).min(rest.len()));
                for (within, slot) in slots.iter_mut().enumerate() {
                    *slot = (symbol as u32) << 24 | (within as u32) << 12 | frequency;
                }
                rest = others;
            }
            // A context that never came; what another frame knew of it must not be taken for this one's.
            rest.fill(0);
        }
    }
}

/// What encoding a symbol takes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Slots {
    /// 2⁶⁴ divided by the frequency, rounded up: multiplying by it divides any `u32` exactly (Lemire et al. 2019).
    reciprocal: u64,
    frequency: u16,
    /// What a state gains beside the slots of others: the first slot of the symbol.
    bias: u16,
}

impl Slots {
    /// Of a symbol whose slots, of 2 to the `scale_bits`, begin at `start`.
    pub fn new(start: u32, frequency: u32, scale_bits: u32) -> Self {
        let reciprocal = match frequency {
            // Dividing by one, the quotient comes out one too low (2⁶⁴ is out of reach); the bias makes it good.
            0 | 1 => u64::MAX,
            _ => u64::MAX / u64::from(frequency) + 1,
        };
        let bias = if frequency < 2 { start + (1 << scale_bits) - 1 } else { start };
        Self { reciprocal, frequency: frequency as u16, bias: bias as u16 }
    }
}

/// The slots of each symbol by context.
pub(crate) struct Encoder(Vec<Slots>);

impl Encoder {
    /// Encodes events, of which each is decoded before all that was encoded already: the last one first, each in the
    /// lane that its place gives.
    #[inline(always)]
    pub fn write(&self, target: &mut Target, events: &[Event]) {
        let Ok(slots) = <&[Slots; EVENTS]>::try_from(&self.0[..]) else { return };
        let (chunks, rest) = events.as_chunks::<LANES>();
        for (lane, event) in rest.iter().enumerate().rev() {
            target.push::<SCALE_BITS>(lane % LANES, &slots[event.place()]);
        }
        for chunk in chunks.iter().rev() {
            for lane in (0..LANES).rev() {
                target.push::<SCALE_BITS>(lane, &slots[chunk[lane].place()]);
            }
        }
    }
}

/// States that take turns, so that a processor works on one while it waits for another.
pub(crate) const LANES: usize = 16;
/// Words of a group at most: a symbol sheds less than one. A power of two.
pub(crate) const MOST_WORDS: usize = 1 << 15;

/// Words that grow from their end, as a decoder reads last what was encoded first.
pub(crate) struct Target {
    states: [u32; LANES],
    words: Box<[u16; MOST_WORDS]>,
    /// Where the words begin.
    begin: usize,
}

impl Target {
    #[allow(clippy::large_stack_arrays, reason = "goes to the heap; a slice would not tell its length")]
    pub fn new() -> Self {
        Self { states: [LOW; LANES], words: Box::new([0; MOST_WORDS]), begin: MOST_WORDS }
    }

    #[inline(always)]
    pub fn push<const BITS: u32>(&mut self, lane: usize, slots: &Slots) {
        let state = self.states[lane];
        let full = state >> (32 - BITS) >= u32::from(slots.frequency);
        // Written in any case and counted if due, so that no branch has to guess.
        self.words[self.begin.wrapping_sub(1) % MOST_WORDS] = state as u16;
        self.begin = self.begin.wrapping_sub(usize::from(full));
        let state = if full { state >> 16 } else { state };
        let quotient = ((u128::from(state) * u128::from(slots.reciprocal)) >> 64) as u32;
        self.states[lane] = state + u32::from(slots.bias) + quotient * ((1 << BITS) - u32::from(slots.frequency));
    }

    /// Appends the states and the words, and begins anew.
    pub fn finish(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend(self.states.iter().flat_map(|state| state.to_le_bytes()));
        bytes.extend(self.words[self.begin % (MOST_WORDS + 1)..].iter().flat_map(|word| word.to_le_bytes()));
        (self.states, self.begin) = ([LOW; LANES], MOST_WORDS);
    }
}

/// Slots of all contexts: a power of two.
const DECODER_SLOTS: usize = 16 << SCALE_BITS;

/// Of each slot of each context the symbol, times 2²⁴, which of the symbol's slots it is, times 2¹², and how many it has.
pub(crate) struct Decoder {
    slots: Box<[u32; DECODER_SLOTS]>,
}

impl Decoder {
    /// That of no frame: [`Frequencies::fill`] makes it one.
    #[allow(clippy::large_stack_arrays, reason = "goes to the heap; a slice would not tell its length")]
    pub fn new() -> Self {
        Self { slots: Box::new([0; DECODER_SLOTS]) }
    }

    /// The symbols of the cells of a row that `list` names, by their contexts times [`CONTEXT_STEP`], each to its cell.
    /// In a context that never came, or past the end of the words, they are wrong; [`Source::is_complete`] tells in the
    /// end.
    #[inline(always)]
    pub fn read<const ROW: usize>(
        &self,
        source: &mut Source<'_>,
        list: &[u16],
        contexts: &[u16; ROW],
        symbols: &mut [u8; ROW],
    ) {
        let (states, mut tape) = source.apart();
        let mut one = |lane: usize, cell: u16| {
            let (lane, cell) = (lane % LANES, usize::from(cell) % ROW);
            let state = states[lane];
            let place = contexts[cell] | (state % SCALE) as u16;
            let slot = self.slots[usize::from(place) % DECODER_SLOTS];
            states[lane] = tape.passed::<SCALE_BITS>(state, slot & 0xfff, slot >> 12 & 0xfff);
            symbols[cell] = (slot >> 24) as u8;
        };
        let (chunks, rest) = list.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, cell) in chunk.iter().enumerate() {
                one(lane, *cell);
            }
        }
        for (lane, cell) in rest.iter().enumerate() {
            one(lane, *cell);
        }
        source.goes_on(&tape);
    }
}

/// From the slots of one context to those of the next.
pub(crate) const CONTEXT_STEP: u16 = SCALE as u16;

/// Room for the words of a group.
pub(crate) struct Words(Box<[u16; MOST_WORDS]>);

impl Words {
    #[allow(clippy::large_stack_arrays, reason = "goes to the heap; a slice would not tell its length")]
    pub fn new() -> Self {
        Self(Box::new([0; MOST_WORDS]))
    }
}

/// The words of a group and how far they were read.
#[derive(Clone, Copy)]
pub(crate) struct Tape<'a> {
    words: &'a [u16; MOST_WORDS],
    next: usize,
}

impl Tape<'_> {
    /// The state after a symbol of a frequency, of whose slots it stands at the one `within`.
    #[inline(always)]
    pub fn passed<const BITS: u32>(&mut self, state: u32, frequency: u32, within: u32) -> u32 {
        // The state may be anything that a stranger wrote: what overflows is wrong, and found out in the end.
        let state = frequency.wrapping_mul(state >> BITS).wrapping_add(within);
        // Whether a word is due is as good as random: both outcomes are computed, so that no branch has to guess.
        let due = state < LOW;
        let refilled = state << 16 | u32::from(self.words[self.next % MOST_WORDS]);
        self.next += usize::from(due);
        if due { refilled } else { state }
    }
}

/// States and words on their way back to symbols.
pub(crate) struct Source<'a> {
    states: [u32; LANES],
    tape: Tape<'a>,
    count: usize,
}

impl<'a> Source<'a> {
    /// What [`Target::finish`] wrote; `None` when it is too short, too long or of half words.
    pub fn new(bytes: &[u8], words: &'a mut Words) -> Option<Self> {
        let (states, rest) = bytes.split_first_chunk::<{ 4 * LANES }>()?;
        let (pairs, half) = rest.as_chunks::<2>();
        if !half.is_empty() || pairs.len() > MOST_WORDS {
            return None;
        }
        for (word, pair) in words.0.iter_mut().zip(pairs) {
            *word = u16::from_le_bytes(*pair);
        }
        let tape = Tape { words: &words.0, next: 0 };
        let mut source = Self { states: [0; LANES], tape, count: pairs.len() };
        for (state, bytes) in source.states.iter_mut().zip(states.as_chunks::<4>().0) {
            *state = u32::from_le_bytes(*bytes);
        }
        Some(source)
    }

    /// The states, and the words by themselves: how far they were read stays in a register then, which each symbol waits
    /// for. [`Self::goes_on`] with them.
    #[inline(always)]
    pub fn apart(&mut self) -> (&mut [u32; LANES], Tape<'a>) {
        (&mut self.states, self.tape)
    }

    /// Goes on with the words where a tape is.
    #[inline(always)]
    pub fn goes_on(&mut self, tape: &Tape<'a>) {
        self.tape = *tape;
    }

    /// True when no more words were used than there are.
    pub fn is_within(&self) -> bool {
        self.tape.next <= self.count
    }

    /// True when all words were used up and the states are back where the encoder began.
    pub fn is_complete(&self) -> bool {
        self.states == [LOW; LANES] && self.tape.next == self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_come_back_and_cost_what_they_should() {
        let events: Vec<Event> = (0..4091_u32)
            .map(|i| {
                let noise = i.wrapping_mul(2_654_435_761) >> 20;
                let symbol = if noise % 50 == 0 { noise % 200 } else { noise % 3 };
                Event(((i % 3) << 8 | symbol) as u16)
            })
            .collect();
        let mut counts = Counts::new();
        counts.add(&events);
        let frequencies = counts.frequencies();
        let mut table = Vec::new();
        frequencies.write(&mut table);
        let read = Frequencies::read(&mut Reader::new(&table), 256).unwrap();
        assert_eq!(read, frequencies);
        let (mut target, mut bytes) = (Target::new(), Vec::new());
        frequencies.encoder().write(&mut target, &events);
        target.finish(&mut bytes);
        assert!(bytes.len() * 8 < events.len() * 3, "{} bytes", bytes.len());
        let (mut contexts, mut symbols) = ([0; 4096], [0; 4096]);
        for (context, event) in contexts.iter_mut().zip(&events) {
            *context = (event.0 >> 8) * CONTEXT_STEP;
        }
        let (mut words, list) = (Words::new(), (0..4091).collect::<Vec<_>>());
        let mut source = Source::new(&bytes, &mut words).unwrap();
        let mut decoder = Decoder::new();
        read.fill(&mut decoder);
        decoder.read(&mut source, &list, &contexts, &mut symbols);
        assert!(events.iter().zip(symbols).all(|(event, symbol)| event.0 as u8 == symbol));
        assert!(source.is_complete());
    }

    #[test]
    fn rare_symbols_keep_a_place() {
        let mut events = vec![Event(0); 1_000_000];
        events.extend((1..=255).map(Event));
        let mut counts = Counts::new();
        counts.add(&events);
        let frequencies = counts.frequencies();
        assert!(frequencies.0[0].iter().all(|frequency| *frequency > 0));
        assert_eq!(frequencies.0[0].iter().sum::<u32>(), SCALE);
    }
}
