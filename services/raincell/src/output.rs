//! Standard output that may be closed early.

use std::io::{ErrorKind, Write};

/// Writes a line; `println!` would panic where the reader has gone.
pub fn line(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// Writes a line for whoever may be reading; a service runs on when nobody does.
pub fn notice(text: &str) {
    let _ = line(text);
}

/// True when the reader has gone.
pub fn is_closed(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
