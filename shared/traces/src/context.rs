//! Ids as W3C Trace Context (Recommendation of 2021-11-23) writes them.

use std::fmt::Display;

/// Id of a trace: the content hash of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// Id of a span in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

/// The span that a request is sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub span: SpanId,
}

impl TraceId {
    /// From 32 lower-case hex digits that are not all 0; `None` for all else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = (text.len() == 32).then(|| lower_hex(text))??;
        (digits != 0).then_some(Self(digits))
    }

    /// Span id of the work that makes the frame.
    pub fn first_span(self) -> SpanId {
        SpanId::new((self.0 >> 64) as u64)
    }

    /// True for the given share (0–1) of all traces, the same ones in every process: as OpenTelemetry's
    /// `TraceIdRatioBased` sampler, by the last 56 bits, which W3C Trace Context 2 calls the random ones (32 of them are
    /// fine enough).
    pub fn is_sampled(self, share: f64) -> bool {
        let random = (self.0 >> 24) as u32;
        f64::from(random) < share * (1_u64 << 32) as f64
    }
}

impl SpanId {
    /// 0, which stands for no span, becomes 1.
    pub(crate) fn new(id: u64) -> Self {
        Self(id.max(1))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = (text.len() == 16).then(|| lower_hex(text))??;
        (digits != 0).then_some(Self(digits as u64))
    }
}

impl TraceContext {
    /// Reads a `traceparent` header; `None` for one that breaks the rules, which is to be ignored.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may add parts.
        let known = version.len() == 2 && version != "ff" && (version != "00" || parts.next().is_none());
        lower_hex(version).filter(|_| known && flags.len() == 2)?;
        lower_hex(flags)?;
        Some(Self { trace: TraceId::parse(trace)?, span: SpanId::parse(span)? })
    }
}

impl Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// As a `traceparent` header, with the flag that the trace may be recorded.
impl Display for TraceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{}-{}-01", self.trace, self.span)
    }
}

fn lower_hex(text: &str) -> Option<u128> {
    let right = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(text, 16).ok().filter(|_| right)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223";

    #[test]
    fn a_content_hash_is_a_trace_id() {
        let id = TraceId::parse(HASH).unwrap();
        assert_eq!((id.to_string(), id.first_span().to_string()), (HASH.into(), "ba7816bf8f01cfea".into()));
        for wrong in ["", "0", &HASH[1..], &HASH.to_uppercase(), "00000000000000000000000000000000", "é"] {
            assert_eq!(TraceId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(TraceId::parse("+a7816bf8f01cfea414140de5dae2223"), None);
    }

    #[test]
    fn a_traceparent_is_read_as_it_is_written_and_others_are_ignored() {
        let header = format!("00-{HASH}-00f067aa0ba902b7-01");
        assert_eq!(TraceContext::parse(&header).unwrap().to_string(), header);
        assert!(TraceContext::parse(&format!("01-{HASH}-00f067aa0ba902b7-00-later")).is_some());
        for wrong in [
            "",
            "00",
            &format!("00-{HASH}-0000000000000000-01"),
            &format!("00-{HASH}-00f067aa0ba902b7"),
            &format!("00-{HASH}-00f067aa0ba902b7-01-more"),
            &format!("ff-{HASH}-00f067aa0ba902b7-01"),
            &format!("00-{HASH}-00f067aa0ba902b7-zz"),
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_of_the_traces_is_sampled() {
        let id = |last: &str| TraceId::parse(&format!("ba7816bf8f01cfea41{last}")).unwrap();
        let (low, high) = (id("00000000000001"), id("ffffffffffffff"));
        assert!(low.is_sampled(0.1) && !high.is_sampled(0.9));
        assert!(high.is_sampled(1.0) && !low.is_sampled(0.0));
    }
}
