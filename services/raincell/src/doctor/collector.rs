//! Where spans go, if anywhere.

use raincell_service_runtime::TraceSettings;

use super::Finding;
use super::web::Web;

const CHECK: &str = "trace";

/// Sends the collector a message without spans, as OTLP allows, under the headers that real ones have.
pub(super) async fn look(web: &Web, settings: &TraceSettings) -> Finding {
    let Some((url, headers)) = settings.collector() else {
        return Finding::skipped(CHECK, "no collector of spans is named");
    };
    let subject = format!("{}{}", url.origin().ascii_serialization(), url.path());
    let advice =
        "spans are dropped meanwhile, nothing else suffers: correct [trace] `endpoint`, or start the collector";
    match web.post(url.clone(), headers.clone(), r#"{"resourceSpans":[]}"#).await {
        Ok(200..=299) => Finding::well(CHECK, subject, "takes spans"),
        Ok(401 | 403) => Finding::wrong(
            CHECK,
            subject,
            "refuses who sends",
            "its key goes into OTEL_EXPORTER_OTLP_HEADERS, such as `authorization=Bearer%20…`",
        ),
        Ok(status) => Finding::wrong(CHECK, subject, format!("answers with status {status}"), advice),
        Err(reason) => Finding::wrong(CHECK, subject, format!("does not answer: {reason}"), advice),
    }
}
