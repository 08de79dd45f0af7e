//! The listing of a directory as a web server gives it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::ledger::Stamp;

/// A file of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it is.
    pub url: Url,
    /// Size and age as far as the listing tells them; 0 where not.
    pub stamp: Stamp,
}

impl Entry {
    /// Its name without the folders, as people write it.
    pub fn file_name(&self) -> String {
        let last = self.url.path().rsplit('/').next().unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    }

    /// When it was measured or, where its name does not tell, last changed; `None` where nothing tells.
    ///
    /// The name comes first: radars name their files in UTC, servers list them in whatever time zone they stand.
    pub fn time(&self) -> Option<Timestamp> {
        time_in_name(&self.file_name()).or_else(|| {
            let changed = (self.stamp.changed_ms > 0).then_some(self.stamp.changed_ms)?;
            Timestamp::from_millisecond(changed).ok()
        })
    }
}

/// The files below `base` that a listing names: an HTML index as Apache and nginx make them, or plain text with a name
/// a line. Folders, sorting links and links to elsewhere are left out.
pub fn entries(base: &Url, body: &str) -> Vec<Entry> {
    let named: Vec<(String, Stamp)> = if body.contains("href=") || body.contains("HREF=") {
        body.split("href=").flat_map(|part| part.split("HREF=")).skip(1).filter_map(link).collect()
    } else {
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| (line.to_owned(), Stamp { bytes: 0, changed_ms: 0 })).collect()
    };
    let folder = base.join(".").unwrap_or_else(|_| base.clone());
    let below = |(name, stamp): (String, Stamp)| {
        let url = folder.join(&name).ok()?;
        let is_file = url.origin() == base.origin()
            && url.path().starts_with(folder.path())
            && !url.path().ends_with('/')
            && url.query().is_none()
            && url.fragment().is_none();
        is_file.then_some(Entry { url, stamp })
    };
    named.into_iter().filter_map(below).collect()
}

/// The target of a link and what stands behind it, from the text after `href=`.
fn link(text: &str) -> Option<(String, Stamp)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (target, rest) = text[1..].split_once(quote)?;
    let behind = rest.split_once("</a>").or_else(|| rest.split_once("</A>")).map_or("", |(_, behind)| behind);
    // What belongs to the next entry is not ours.
    let behind = behind.split("<a ").next().and_then(|b| b.split('\n').next()).unwrap_or("");
    Some((target.replace("&amp;", "&"), stamp_in(&without_tags(behind))))
}

fn without_tags(text: &str) -> String {
    let mut inside = false;
    let visible = |c: char| {
        let was_inside = inside;
        inside = if was_inside { c != '>' } else { c == '<' };
        if was_inside || inside { ' ' } else { c }
    };
    text.chars().map(visible).collect()
}

/// `21-Nov-2026 10:00  12345` (nginx), `2026-11-21 10:00  1.2M` (Apache).
fn stamp_in(text: &str) -> Stamp {
    let words: Vec<&str> = text.split_whitespace().collect();
    let changed = words.windows(2).find_map(|pair| {
        let text = pair.join(" ");
        ["%Y-%m-%d %H:%M", "%d-%b-%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d-%b-%Y %H:%M:%S"]
            .iter()
            .find_map(|format| DateTime::strptime(format, &text).ok())
    });
    let changed_ms = changed.and_then(|t| t.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let bytes = words.iter().skip(2).find_map(|word| size(word)).unwrap_or(0);
    Stamp { bytes, changed_ms: changed_ms.map_or(0, |t| t.timestamp().as_millisecond()) }
}

/// `12345`, `1.2M`: rounded sizes do as well, for what matters is whether it changes.
fn size(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(['K', 'M', 'G', 'k']);
    let factor = match &word[digits.len()..] {
        "" => 1.0,
        "K" | "k" => 1024.0,
        "M" => 1024.0 * 1024.0,
        "G" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    digits.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).map(|n| (n * factor) as u64)
}

/// The time that a radar file's name holds: `20210729_123848`, `202011221200`, `20260101T0000`.
pub fn time_in_name(name: &str) -> Option<Timestamp> {
    let bytes = name.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let starts = (0..bytes.len()).filter(|&at| at == 0 || !bytes[at - 1].is_ascii_digit());
    starts.filter(|&at| digits(at) >= 8).find_map(|at| {
        let clock = match digits(at) {
            8 => at + 9,
            _ => at + 8,
        };
        if clock > bytes.len() || digits(clock) < 4 {
            return None;
        }
        let text = format!("{}{}", &name[at..at + 8], &name[clock..clock + 4]);
        let time = DateTime::strptime("%Y%m%d%H%M", text).ok()?;
        time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(body: &str) -> Vec<(String, Stamp)> {
        let base = Url::parse("http://radar.test/data/").unwrap();
        entries(&base, body).into_iter().map(|e| (e.url.path().to_owned(), e.stamp)).collect()
    }

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn an_nginx_index_is_read() {
        let body = "<html><head><title>Index of /data/</title></head><body><h1>Index of /data/</h1><hr><pre>\
            <a href=\"../\">../</a>\n<a href=\"old/\">old/</a>   20-Nov-2026 10:00    -\n\
            <a href=\"a.h5\">a.h5</a>       21-Nov-2026 10:05       12345\n\
            <a href=\"OPERA%4020261121T1000.h5\">OPERA@2026112..&gt;</a>  21-Nov-2026 10:06   7\n</pre></body></html>";
        assert_eq!(
            listed(body),
            vec![
                ("/data/a.h5".into(), Stamp { bytes: 12345, changed_ms: ms("2026-11-21T10:05:00Z") }),
                ("/data/OPERA%4020261121T1000.h5".into(), Stamp { bytes: 7, changed_ms: ms("2026-11-21T10:06:00Z") }),
            ]
        );
    }

    #[test]
    fn an_apache_index_is_read() {
        let body = "<table><tr><th><a href=\"?C=N;O=D\">Name</a></th></tr>\n\
            <tr><td><a href=\"/data/a.h5\">a.h5</a></td><td align=\"right\">2026-11-21 10:05  </td>\
            <td align=\"right\">1.5K</td><td>&nbsp;</td></tr>\n\
            <tr><td><a href=\"b.h5\">b.h5</a></td><td align=\"right\">2026-11-21 10:06  </td>\
            <td align=\"right\">2.0M</td></tr></table>";
        assert_eq!(
            listed(body),
            vec![
                ("/data/a.h5".into(), Stamp { bytes: 1536, changed_ms: ms("2026-11-21T10:05:00Z") }),
                ("/data/b.h5".into(), Stamp { bytes: 2 << 20, changed_ms: ms("2026-11-21T10:06:00Z") }),
            ]
        );
    }

    #[test]
    fn a_plain_list_is_read_and_links_to_elsewhere_are_not_followed() {
        let unknown = Stamp { bytes: 0, changed_ms: 0 };
        let body = "# newest last\n\na.h5\nsub/b.h5\nhttp://radar.test/data/c.h5\nhttp://other.test/data/d.h5\n\
                    ../secret\n/etc/passwd\nfile:///etc/passwd\n";
        let paths = ["/data/a.h5", "/data/sub/b.h5", "/data/c.h5"];
        assert_eq!(listed(body), paths.map(|path| (path.to_owned(), unknown)));
    }

    #[test]
    fn whatever_a_server_sends_is_survived() {
        for body in
            ["", "href=", "href=\"", "href='x", "<a href=\"a\">", "href=ä", "\u{0}", "<a href=\"%zz\">x</a> 1 2 3"]
        {
            drop(listed(body));
        }
    }

    #[test]
    fn radar_files_tell_their_time() {
        for (name, time) in [
            ("KLOT20210729_123848_V06", Some("2021-07-29T12:38:00Z")),
            ("OPERA@20260101T0005@0@RATE.h5", Some("2026-01-01T00:05:00Z")),
            ("202011221200_fivih_PVOL.h5", Some("2020-11-22T12:00:00Z")),
            ("ras07-stqual-dbzh-2021100410000500-ess-10410-hd5", Some("2021-10-04T10:00:00Z")),
            ("20210729-123848-001-S", Some("2021-07-29T12:38:00Z")),
            ("latest.h5", None),
            ("99999999999999", None),
            ("20210729", None),
            ("20210729_", None),
        ] {
            assert_eq!(time_in_name(name), time.map(|t| t.parse().unwrap()), "{name}");
        }
    }
}
