//! What the clients of a process count.

use std::time::Duration;

use crate::breaker::Circuit;
use crate::error::Failure;
use crate::request::Answer;

/// One try and what came of it.
pub(crate) fn attempt(peer: &'static str, operation: &'static str, outcome: Result<&Answer, &Failure>, took: Duration) {
    let outcome = match outcome {
        Ok(answer) => class(answer),
        Err(Failure::Answered(answer)) => class(answer),
        Err(Failure::TooLarge(_)) => "too_large",
        Err(_) => "no_answer",
    };
    metrics::counter!("raincell_http_client_requests_total",
        "peer" => peer, "operation" => operation, "outcome" => outcome)
    .increment(1);
    metrics::histogram!("raincell_http_client_request_seconds", "peer" => peer, "operation" => operation)
        .record(took.as_secs_f64());
}

fn class(answer: &Answer) -> &'static str {
    match answer.status.as_u16() {
        429 => "429",
        ..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

/// The same request goes out again after a pause.
pub(crate) fn retry(peer: &'static str, operation: &'static str) {
    metrics::counter!("raincell_http_client_retries_total", "peer" => peer, "operation" => operation).increment(1);
}

/// The same request goes out again at once, to another address.
pub(crate) fn failover(peer: &'static str, operation: &'static str) {
    metrics::counter!("raincell_http_client_failovers_total", "peer" => peer, "operation" => operation).increment(1);
}

/// A call was given up.
pub(crate) fn failed_call(peer: &'static str, operation: &'static str) {
    metrics::counter!("raincell_http_client_failed_calls_total", "peer" => peer, "operation" => operation).increment(1);
}

/// A slow read was asked of a second address too; `won` if that one answered first.
pub(crate) fn hedge(peer: &'static str, operation: &'static str, won: bool) {
    let won = if won { "true" } else { "false" };
    metrics::counter!("raincell_http_client_hedges_total", "peer" => peer, "operation" => operation, "won" => won)
        .increment(1);
}

/// The circuit of an address after something was heard of it: 0 closed, 1 half-open, 2 open.
pub(crate) fn circuit(peer: &'static str, address: &str, circuit: Circuit, opened: bool) {
    let value = match circuit {
        Circuit::Closed => 0.0,
        Circuit::HalfOpen => 1.0,
        Circuit::Open(_) => 2.0,
    };
    metrics::gauge!("raincell_http_client_circuit", "peer" => peer, "address" => address.to_owned()).set(value);
    if opened {
        metrics::counter!("raincell_http_client_circuit_opened_total", "peer" => peer, "address" => address.to_owned())
            .increment(1);
    }
}
