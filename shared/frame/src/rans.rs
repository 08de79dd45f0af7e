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
    pub fn new() -> Self {
        Self(vec![[0; 256]; CONTEXTS])
    }

    #[inline]
    pub fn add(&mut self, event: Event) {
        self.0[event.context()][event.symbol()] += 1;
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
#[derive(Clone, Copy)]
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
                Slots {
                    frequency,
                    start,
                    reciprocal: u64::MAX / u64::from(frequency.max(1)) + u64::from(frequency > 1),
                }
            })
        });
        Encoder(starts.collect())
    }

    pub fn decoder(&self) -> Decoder {
        let mut slots = vec![0; CONTEXTS << SCALE_BITS];
        for (slots, frequencies) in slots.chunks_exact_mut(SCALE as usize).zip(&self.0) {
            let mut start = 0;
            for (symbol, &frequency) in frequencies.iter().enumerate() {
                for within in 0..frequency {
                    slots[start + within as usize] = (symbol as u32) << 24 | within << 12 | frequency;
                }
                start += frequency as usize;
            }
        }
        Decoder(slots)
    }
}

/// The slots of a symbol.
#[derive(Clone, Copy)]
struct Slots {
    frequency: u32,
    start: u32,
    /// 2⁶⁴ divided by the frequency, rounded up: multiplying by it divides any `u32` exactly (Lemire et al. 2019).
    reciprocal: u64,
}

impl Slots {
    #[inline]
    fn divide(&self, state: u32) -> u32 {
        if self.frequency == 1 {
            return state;
        }
        ((u128::from(state) * u128::from(self.reciprocal)) >> 64) as u32
    }
}

/// The slots of each symbol by context.
pub(crate) struct Encoder(Vec<[Slots; 256]>);

impl Encoder {
    /// The words of a row of events, which comes last event first: the state, upper half first, then what it sheds.
    pub fn encode<'a>(&self, backwards: impl Iterator<Item = &'a Event>, words: &mut Vec<u16>) {
        let begin = words.len();
        let mut state = LOW;
        for event in backwards {
            let slots = &self.0[event.context()][event.symbol()];
            if u64::from(state) >= u64::from(slots.frequency) << (32 - SCALE_BITS) {
                words.push(state as u16);
                state >>= 16;
            }
            let quotient = slots.divide(state);
            state = (quotient << SCALE_BITS) + (state - quotient * slots.frequency) + slots.start;
        }
        words.extend([state as u16, (state >> 16) as u16]);
        words[begin..].reverse();
    }
}

/// Symbol (8 bits), place within the symbol (12) and its frequency (12) for each slot of each context.
pub(crate) struct Decoder(Vec<u32>);

impl Decoder {
    /// The next symbol of a lane in a context. In a context that never came, or past the end of the words, it is a
    /// wrong one; [`Lane::is_complete`] tells in the end.
    #[inline]
    pub fn next(&self, lane: &mut Lane<'_>, context: usize) -> u8 {
        let slot = self.0[context << SCALE_BITS | (lane.state & (SCALE - 1)) as usize];
        lane.state = (slot & 0xfff) * (lane.state >> SCALE_BITS) + (slot >> 12 & 0xfff);
        if lane.state < LOW {
            lane.state = lane.state << 16 | u32::from(lane.word());
        }
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
    fn word(&mut self) -> u16 {
        let word = self.words.get(self.next..self.next + 2).map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]]));
        self.next += 2;
        word
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
        let mut counts = Counts::new();
        for event in &events {
            counts.add(*event);
        }
        let frequencies = counts.frequencies();
        let mut table = Vec::new();
        frequencies.write(&mut table);
        let read = Frequencies::read(&mut Reader::new(&table), 256).unwrap();
        assert_eq!(read, frequencies);
        let mut words = Vec::new();
        frequencies.encoder().encode(events.iter().rev(), &mut words);
        assert!(words.len() * 16 < events.len() * 3, "{} words", words.len());
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (decoder, mut lane) = (read.decoder(), Lane::new(&bytes));
        for event in &events {
            assert_eq!(usize::from(decoder.next(&mut lane, event.context())), event.symbol());
        }
        assert!(lane.is_complete());
    }

    #[test]
    fn rare_symbols_keep_a_place() {
        let mut counts = Counts::new();
        for _ in 0..1_000_000 {
            counts.add(Event::new(0, 0));
        }
        for symbol in 1..=255 {
            counts.add(Event::new(0, symbol));
        }
        let frequencies = counts.frequencies();
        assert!(frequencies.0[0].iter().all(|frequency| *frequency > 0));
        assert_eq!(frequencies.0[0].iter().sum::<u32>(), SCALE);
    }
}
