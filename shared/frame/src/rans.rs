//! Range asymmetric numeral systems (Duda 2013): symbols at the cost of their frequency, to a fraction of a bit.
//!
//! Frequencies are static: counted over the whole frame for each context, written to the header once.

use crate::DecodeError;
use crate::bytes::{Reader, put_varint, wrong};
use crate::predict::CONTEXTS;

/// Frequencies of a context add up to 2 to this.
const SCALE_BITS: u32 = 11;
const SCALE: u32 = 1 << SCALE_BITS;
/// Lower end of the state; where a decoder must end, since the encoder began there.
const LOW: u32 = 1 << 16;

/// How often each symbol came in each context.
pub(crate) struct Counts(Vec<[u32; 256]>);

impl Counts {
    pub fn of(events: &[Event]) -> Self {
        // Two tables by turns, as the same event mostly comes again before its count is written.
        let mut tables = [vec![0_u32; CONTEXTS << 8], vec![0_u32; CONTEXTS << 8]];
        let [even, odd] = &mut tables;
        for pair in events.chunks(2) {
            even[usize::from(pair[0].0)] += 1;
            if let Some(second) = pair.get(1) {
                odd[usize::from(second.0)] += 1;
            }
        }
        let both: Vec<u32> = even.iter().zip(odd.iter()).map(|(even, odd)| even + odd).collect();
        Self(both.as_chunks().0.to_vec())
    }

    /// Frequencies that add up to the scale in each context that came at all; no symbol that came is left without.
    pub fn frequencies(&self) -> Frequencies {
        Frequencies(self.0.iter().map(scaled).collect())
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

/// A symbol in its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event(u16);

impl Event {
    #[inline]
    pub fn new(context: usize, symbol: u8) -> Self {
        Self((context as u16) << 8 | u16::from(symbol))
    }

    #[inline]
    fn context(self) -> usize {
        usize::from(self.0 >> 8)
    }

    #[inline]
    fn symbol(self) -> usize {
        usize::from(self.0 & 255)
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
        let starts = self.0.iter().map(|frequencies| {
            let mut next = 0;
            frequencies.map(|frequency| {
                let start = next;
                next += frequency;
                Slots::new(start, frequency)
            })
        });
        Encoder(starts.collect())
    }

    #[allow(clippy::large_stack_arrays, reason = "goes to the heap; a slice would not tell its length")]
    pub fn decoder(&self) -> Decoder {
        let mut slots = Box::new([0; CONTEXTS << SCALE_BITS]);
        for (slots, frequencies) in slots.chunks_exact_mut(SCALE as usize).zip(&self.0) {
            let mut rest = slots;
            for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0) {
                let (own, others) = rest.split_at_mut(frequency as usize);
                let word = (symbol as u32) << 24 | frequency;
                for (within, slot) in (0..).zip(own) {
                    *slot = word | within << 12;
                }
                rest = others;
            }
        }
        Decoder(slots)
    }
}

/// What encoding a symbol takes.
#[derive(Clone, Copy)]
struct Slots {
    /// 2⁶⁴ divided by the frequency, rounded up: multiplying by it divides any `u32` exactly (Lemire et al. 2019).
    reciprocal: u64,
    frequency: u16,
    /// What a state gains beside the slots of others: the first slot of the symbol.
    bias: u16,
}

impl Slots {
    fn new(start: u32, frequency: u32) -> Self {
        let reciprocal = match frequency {
            // Dividing by one, the quotient comes out one too low (2⁶⁴ is out of reach); the bias makes it good.
            0 | 1 => u64::MAX,
            _ => u64::MAX / u64::from(frequency) + 1,
        };
        let bias = if frequency < 2 { start + SCALE - 1 } else { start };
        Self { reciprocal, frequency: frequency as u16, bias: bias as u16 }
    }
}

/// The slots of each symbol by context.
pub(crate) struct Encoder(Vec<[Slots; 256]>);

/// Words of a lane at most: a symbol sheds less than one, and the state two.
const LANE_WORDS: usize = 1 << 13;

/// A row of words that grows from its end, as a decoder reads last what was encoded first.
#[derive(Clone)]
pub(crate) struct Row {
    state: u32,
    words: Box<[u16; LANE_WORDS]>,
    count: usize,
}

impl Row {
    pub fn new() -> Self {
        Self { state: LOW, words: Box::new([0; LANE_WORDS]), count: 0 }
    }

    /// Appends the words in the order in which they are decoded, the state's upper half first, and begins anew.
    pub fn finish(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend([(self.state >> 16) as u16, self.state as u16].iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.words[..self.count].iter().rev().flat_map(|word| word.to_le_bytes()));
        (self.state, self.count) = (LOW, 0);
    }

    /// How many words [`Self::finish`] appends.
    pub fn len(&self) -> usize {
        self.count + 2
    }
}

impl Encoder {
    /// Encodes the event that comes before all that the row holds. A row takes no more events than a lane of a group
    /// has cells.
    #[inline]
    pub fn push(&self, row: &mut Row, event: Event) {
        let slots = &self.0[event.context()][event.symbol()];
        let full = u64::from(row.state) >= u64::from(slots.frequency) << (32 - SCALE_BITS);
        // Written in any case and counted if due, so that no branch has to guess.
        row.words[row.count % LANE_WORDS] = row.state as u16;
        row.count += usize::from(full);
        let state = if full { row.state >> 16 } else { row.state };
        let quotient = ((u128::from(state) * u128::from(slots.reciprocal)) >> 64) as u32;
        row.state = state + u32::from(slots.bias) + quotient * (SCALE - u32::from(slots.frequency));
    }
}

/// Symbol (8 bits), place within the symbol (12) and its frequency (12) for each slot of each context.
pub(crate) struct Decoder(Box<[u32; CONTEXTS << SCALE_BITS]>);

impl Decoder {
    /// The next symbol of a lane in a context. In a context that never came, or past the end of the words, it is a
    /// wrong one; [`Lane::is_complete`] tells in the end.
    #[inline]
    pub fn next(&self, lane: &mut Lane<'_>, context: usize) -> u8 {
        let slot = self.0[(context << SCALE_BITS | (lane.state & (SCALE - 1)) as usize) % (CONTEXTS << SCALE_BITS)];
        let state = (slot & 0xfff) * (lane.state >> SCALE_BITS) + (slot >> 12 & 0xfff);
        // Whether a word is due is as good as random: both outcomes are computed, so that no branch has to guess.
        let due = state < LOW;
        let refilled = state << 16 | u32::from(lane.peek());
        lane.state = if due { refilled } else { state };
        lane.next += 2 * usize::from(due);
        (slot >> 24) as u8
    }
}

/// One row of words on its way back to symbols.
pub(crate) struct Lane<'a> {
    state: u32,
    words: &'a [u8],
    next: usize,
}

impl<'a> Lane<'a> {
    pub fn new(words: &'a [u8]) -> Self {
        let mut lane = Self { state: 0, words, next: 0 };
        lane.state = u32::from(lane.word()) << 16;
        lane.state |= u32::from(lane.word());
        lane
    }

    #[inline]
    fn peek(&self) -> u16 {
        self.words.get(self.next..self.next + 2).map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]]))
    }

    fn word(&mut self) -> u16 {
        let word = self.peek();
        self.next += 2;
        word
    }

    /// True when no more words were used than there are.
    pub fn is_within(&self) -> bool {
        self.next <= self.words.len()
    }

    /// True when all words were used up and the state is back where the encoder began.
    pub fn is_complete(&self) -> bool {
        self.state == LOW && self.next == self.words.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_come_back_and_cost_what_they_should() {
        let events: Vec<Event> = (0..4096_u32)
            .map(|i| {
                let noise = i.wrapping_mul(2_654_435_761) >> 20;
                let symbol = if noise % 50 == 0 { (noise % 200) as u8 } else { (noise % 3) as u8 };
                Event::new((i % 3) as usize, symbol)
            })
            .collect();
        let frequencies = Counts::of(&events).frequencies();
        let mut table = Vec::new();
        frequencies.write(&mut table);
        let read = Frequencies::read(&mut Reader::new(&table), 256).unwrap();
        assert_eq!(read, frequencies);
        let (encoder, mut row, mut bytes) = (frequencies.encoder(), Row::new(), Vec::new());
        for event in events.iter().rev() {
            encoder.push(&mut row, *event);
        }
        assert!(row.len() * 16 < events.len() * 3, "{} words", row.len());
        row.finish(&mut bytes);
        let (decoder, mut lane) = (read.decoder(), Lane::new(&bytes));
        for event in &events {
            assert_eq!(usize::from(decoder.next(&mut lane, event.context())), event.symbol());
        }
        assert!(lane.is_complete());
    }

    #[test]
    fn rare_symbols_keep_a_place() {
        let mut events = vec![Event::new(0, 0); 1_000_000];
        events.extend((1..=255).map(|symbol| Event::new(0, symbol)));
        let frequencies = Counts::of(&events).frequencies();
        assert!(frequencies.0[0].iter().all(|frequency| *frequency > 0));
        assert_eq!(frequencies.0[0].iter().sum::<u32>(), SCALE);
    }
}
