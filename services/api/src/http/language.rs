//! In which language an answer speaks.

use axum::http::{HeaderMap, header};
use raincell_service_runtime::Problem;
use raincell_words::Language;

use super::parameters::Parameters;

/// The language of `lang`, else the most wanted one of Accept-Language that is spoken here, else English.
///
/// # Errors
/// 400 for a `lang` that is not spoken here.
pub fn language_for(parameters: &Parameters, headers: &HeaderMap) -> Result<Language, Problem> {
    if let Some(tag) = parameters.text("lang") {
        let spoken = Language::ALL.map(Language::code).join(", ");
        return Language::of(tag)
            .ok_or_else(|| Problem::bad_parameter("lang", format!("lang is `{tag}`"), format!("one of {spoken}")));
    }
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Ok(wanted.and_then(most_wanted).unwrap_or_default())
}

/// Of a list such as `de-CH, fr;q=0.8, *;q=0.1` (RFC 9110, 12.5.4) the language spoken here with the highest weight, the
/// first of several.
fn most_wanted(accept_language: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for entry in accept_language.split(',') {
        let (tag, parameter) = entry.split_once(';').unwrap_or((entry, "q=1"));
        let weight = parameter.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(0.0);
        let language = Language::of(tag.trim());
        if let Some(language) = language
            && weight > best.map_or(0.0, |(most, _)| most)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_that_is_spoken_here_counts() {
        assert_eq!(most_wanted("de-CH, fr;q=0.8, *;q=0.1"), Some(Language::De));
        assert_eq!(most_wanted("tlh, fr;q=0.3, nl; q=0.9"), Some(Language::Nl));
        assert_eq!(most_wanted("hi;q=0, en;q=zero"), None);
        assert_eq!(most_wanted("*"), None);
    }
}
