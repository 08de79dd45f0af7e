//! Where announcements of new files come in, between the queue that brings them and the watch that takes them up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::wanted::Receipt;

/// Announcements that wait to be taken up; the queue is not asked for more than that.
const WAITING: usize = 64;

/// A message that names new files of a place.
#[derive(Debug)]
pub struct Announcement {
    /// Given back when all of them are seen to.
    pub receipt: Receipt,
    /// Names within the place.
    pub names: BTreeSet<String>,
}

/// The end that announcements come out of.
#[derive(Debug)]
pub struct Inbox {
    announcements: mpsc::Receiver<Announcement>,
    done: mpsc::UnboundedSender<Vec<Receipt>>,
    answers: Arc<AtomicBool>,
}

/// The end that a queue puts them in at.
#[derive(Debug)]
pub struct Outlet {
    /// What has been announced.
    pub announcements: mpsc::Sender<Announcement>,
    /// Messages that are seen to.
    pub done: mpsc::UnboundedReceiver<Vec<Receipt>>,
    /// Whether the queue answers.
    pub answers: Arc<AtomicBool>,
}

/// Both ends.
pub fn inbox() -> (Inbox, Outlet) {
    let (send, receive) = mpsc::channel(WAITING);
    let (done, seen_to) = mpsc::unbounded_channel();
    let answers = Arc::new(AtomicBool::new(false));
    let outlet = Outlet { announcements: send, done: seen_to, answers: Arc::clone(&answers) };
    (Inbox { announcements: receive, done, answers }, outlet)
}

impl Inbox {
    /// The next announcement; waits for ever where the queue has stopped.
    pub async fn next(&mut self) -> Announcement {
        match self.announcements.recv().await {
            Some(announcement) => announcement,
            None => std::future::pending().await,
        }
    }

    /// The next one that is here already.
    pub fn try_next(&mut self) -> Option<Announcement> {
        self.announcements.try_recv().ok()
    }

    /// True while the queue answers, so that listings are a fallback only.
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// These messages are seen to.
    pub fn done(&self, receipts: Vec<Receipt>) {
        if !receipts.is_empty() {
            // A queue that has stopped lets its messages come back, and then they are known.
            let _ = self.done.send(receipts);
        }
    }
}
