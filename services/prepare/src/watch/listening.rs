//! What a queue announces and what dead letters name, between two looks.

use super::Watch;
use crate::inbox::{Announcement, Inbox};
use crate::place::Place;
use crate::wanted::Receipt;

impl<P: Place> Watch<P> {
    /// Takes up an announcement, and all that have come with it.
    pub(super) fn hear(&mut self, first: Option<Announcement>) {
        let mut next = first;
        while let Some(Announcement { receipt, names }) = next {
            let done = self.wanted.announce(receipt, names);
            self.acknowledge(done.into_iter().collect());
            next = self.inbox.as_mut().and_then(Inbox::try_next);
        }
    }

    fn acknowledge(&self, receipts: Vec<Receipt>) {
        if let Some(inbox) = &self.inbox {
            inbox.done(receipts);
        }
    }

    /// Looks at what was named, takes it in, and tells those who are waiting for it.
    pub(super) async fn take_wanted(&mut self) -> anyhow::Result<Vec<String>> {
        let mut complaints = Vec::new();
        for name in self.wanted.fresh() {
            match self.place.stamp(&name).await {
                Ok(Some(stamp)) => {
                    self.wanted.looked_at(&name);
                    // A place that knows no stamp of its own leaves the one of its listing.
                    if stamp.changed_ms != 0 || !self.seen.contains_key(&name) {
                        self.note_seen(name, stamp);
                    }
                }
                Ok(None) => {
                    self.say_gone(&name);
                    self.wanted.looked_at(&name);
                }
                Err(error) => complaints.push(format!("{name}: {error:#}")),
            }
        }
        if !self.wanted.waiting().is_empty() {
            self.take_new().await?;
            self.settle_wanted().await?;
        }
        Ok(complaints)
    }

    /// Tells those who are waiting for a file that it has been taken in, found bad, or gone.
    async fn settle_wanted(&mut self) -> anyhow::Result<()> {
        for name in self.wanted.waiting() {
            let stamp = self.seen.get(&name).map(|(stamp, _)| *stamp);
            if stamp.is_some_and(|stamp| !self.ledger.knows(&name, stamp)) {
                continue;
            }
            let bad = stamp.is_some_and(|stamp| self.ledger.knows_as_bad(&name, stamp));
            let done = self.wanted.seen_to(&name);
            self.acknowledge(done.receipts);
            if !bad {
                self.settle_letters(&done.letters, stamp.is_some()).await?;
            }
        }
        Ok(())
    }
}

/// The next announcement of an inbox; never, where there is none.
pub(super) async fn next_of(inbox: Option<&mut Inbox>) -> Announcement {
    match inbox {
        Some(inbox) => inbox.next().await,
        None => std::future::pending().await,
    }
}
