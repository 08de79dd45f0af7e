//! Files that somebody has named: a message of a queue, or a dead letter that is to be tried once more.

use std::collections::{BTreeMap, BTreeSet};

/// A message that names files, until all of them are seen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(pub String);

/// One file.
#[derive(Clone, Debug, Default)]
struct Want {
    messages: Vec<u64>,
    letters: Vec<u64>,
    /// Nobody has looked at it since it was named the last time.
    fresh: bool,
}

/// A message and how many of its files are still to be seen to.
#[derive(Debug)]
struct Open {
    receipt: Receipt,
    files: usize,
}

/// All that is wanted, by name.
#[derive(Debug, Default)]
pub struct Wanted {
    files: BTreeMap<String, Want>,
    open: BTreeMap<u64, Open>,
    next: u64,
}

/// What was waiting for a file that has been seen to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SeenTo {
    /// Messages with nothing left to do.
    pub receipts: Vec<Receipt>,
    /// Dead letters that were waiting for this file.
    pub letters: Vec<u64>,
}

impl Wanted {
    /// A message names files. Gives the receipt back where there is nothing to do for it.
    pub fn announce(&mut self, receipt: Receipt, names: BTreeSet<String>) -> Option<Receipt> {
        if names.is_empty() {
            return Some(receipt);
        }
        self.next += 1;
        self.open.insert(self.next, Open { receipt, files: names.len() });
        for name in names {
            let want = self.files.entry(name).or_default();
            want.messages.push(self.next);
            want.fresh = true;
        }
        None
    }

    /// A dead letter is to be tried again; the first of its files stands for it. False when it is known already.
    pub fn replay(&mut self, letter: u64, names: &[String]) -> bool {
        if self.files.values().any(|want| want.letters.contains(&letter)) {
            return false;
        }
        for (index, name) in names.iter().enumerate() {
            let want = self.files.entry(name.clone()).or_default();
            want.fresh = true;
            if index == 0 {
                want.letters.push(letter);
            }
        }
        true
    }

    /// True when a file was named and is not seen to yet.
    pub fn contains(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// True when a message named it.
    pub fn is_announced(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|want| !want.messages.is_empty())
    }

    /// Files that nobody has looked at since they were named.
    pub fn fresh(&self) -> Vec<String> {
        self.files.iter().filter(|(_, want)| want.fresh).map(|(name, _)| name.clone()).collect()
    }

    /// Files that were looked at and are not seen to yet.
    pub fn waiting(&self) -> Vec<String> {
        self.files.iter().filter(|(_, want)| !want.fresh).map(|(name, _)| name.clone()).collect()
    }

    /// A file was looked at.
    pub fn looked_at(&mut self, name: &str) {
        if let Some(want) = self.files.get_mut(name) {
            want.fresh = false;
        }
    }

    /// A file is seen to: gives what was waiting for it alone.
    pub fn seen_to(&mut self, name: &str) -> SeenTo {
        let Some(want) = self.files.remove(name) else { return SeenTo::default() };
        let mut receipts = Vec::new();
        for message in want.messages {
            let Some(open) = self.open.get_mut(&message) else { continue };
            open.files -= 1;
            if open.files == 0 {
                receipts.extend(self.open.remove(&message).map(|open| open.receipt));
            }
        }
        SeenTo { receipts, letters: want.letters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_message_is_done_once_all_of_its_files_are_seen_to() {
        let mut wanted = Wanted::default();
        let (one, two) = (Receipt("one".into()), Receipt("two".into()));
        assert_eq!(wanted.announce(one.clone(), names(&["a", "b"])), None);
        assert_eq!(wanted.announce(two.clone(), names(&["b"])), None);
        assert_eq!(wanted.fresh(), ["a", "b"]);
        wanted.looked_at("b");
        assert_eq!((wanted.fresh(), wanted.waiting()), (vec!["a".to_owned()], vec!["b".to_owned()]));
        assert_eq!(wanted.seen_to("b").receipts, [two]);
        assert_eq!(wanted.seen_to("a").receipts, [one]);
        assert_eq!(wanted.seen_to("a"), SeenTo::default());
        let nothing = Receipt("three".into());
        assert_eq!(wanted.announce(nothing.clone(), BTreeSet::new()), Some(nothing));
    }

    #[test]
    fn a_dead_letter_is_asked_for_once_at_a_time() {
        let mut wanted = Wanted::default();
        let files = ["x".to_owned(), "y".to_owned()];
        assert!(wanted.replay(7, &files) && !wanted.replay(7, &files));
        assert!(wanted.seen_to("y").letters.is_empty());
        assert_eq!(wanted.seen_to("x").letters, [7]);
        assert!(wanted.replay(7, &files));
    }
}
