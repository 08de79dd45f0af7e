//! What targets make of a text, undone, to know one's own posts again.

/// HTML of a post as plain text: tags gone, line breaks and paragraphs as white space, entities as their characters.
pub(super) fn plain_of_html(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('>') else {
            rest = "";
            break;
        };
        let tag = &rest[start..start + length];
        if tag.starts_with("<br") || tag.starts_with("</p") {
            text.push(' ');
        }
        rest = &rest[start + length + 1..];
    }
    text.push_str(rest);
    unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The five named entities, and the apostrophe as its number.
pub(super) fn unescaped(text: &str) -> String {
    const ENTITIES: [(&str, &str); 6] =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")];
    ENTITIES.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_it_was_written() {
        let html = "<p>Rain &lt; 2 mm/h at Jan&#39;s &amp; Co.<br />More <a href=\"x\">soon</a>.</p>";
        assert_eq!(plain_of_html(html), "Rain < 2 mm/h at Jan's & Co. More soon.");
        assert_eq!(plain_of_html("open <b"), "open");
        assert_eq!(unescaped("&amp;lt;"), "&lt;");
    }
}
