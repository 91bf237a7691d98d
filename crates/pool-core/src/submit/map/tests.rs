//! What a map does when it found no room: what it looks for, how often, and when it waits in line.

use std::cell::Cell;
use std::iter;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::feed::{Came, Feed, InFlight};
use super::{Handle, Item};
use crate::job::outcome::JobError;
use crate::pool::capability::Capability;
use crate::pool::stats::Stats;
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, Pools};
use crate::submit::room::{Coming, Room};
use crate::task::Task;
use crate::testing::with_capacity;

/// A queue that is full until the try of this number. The line is not told when that changes.
struct FreeAt {
    number: usize,
    tries: AtomicUsize,
    /// A submitter was in line at one of the tries.
    had_line: AtomicBool,
    room: Room,
}

impl FreeAt {
    fn new(number: usize) -> Self {
        Self {
            number,
            tries: AtomicUsize::new(0),
            had_line: AtomicBool::new(false),
            room: Room::new(),
        }
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }
}

impl Executor for FreeAt {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        let tries = self.tries.fetch_add(1, Ordering::Relaxed) + 1;
        let has_line = self.room.has_line();
        self.had_line.fetch_or(has_line, Ordering::Relaxed);
        // A submitter in line gets in at once. Otherwise it would wait forever.
        if tries >= self.number || has_line {
            return Ok(());
        }
        Err(Refused::Full(task))
    }

    fn room(&self) -> &Room {
        &self.room
    }

    fn capability(&self) -> Capability {
        with_capacity(1)
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn pools(&self) -> Pools {
        Pools::none()
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// The looks find nothing in flight. The second poll still gives an outcome.
#[derive(Default)]
struct Late {
    looks: Cell<usize>,
    polls: usize,
}

impl InFlight<()> for Late {
    fn len(&self) -> usize {
        0
    }

    fn add(&mut self, _handle: Handle<()>) {}

    fn may_have_outcome(&self) -> bool {
        self.looks.set(self.looks.get() + 1);
        false
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Item<()>> {
        self.polls += 1;
        if self.polls == 2 {
            return Poll::Ready(Err(JobError::Cancelled));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

type OneInput<'a> = Feed<'a, FreeAt, iter::Once<()>, fn(()), ()>;

/// The feed of a map with one input, which found no room.
fn refused(executor: &FreeAt) -> OneInput<'_> {
    let mut feed: OneInput<'_> = Feed::new(executor, 2, iter::once(()), |()| ());
    assert!(feed.try_submit().is_none() && feed.has_refused());
    feed
}

#[test]
fn a_map_looks_for_a_place_too_and_no_further_than_that() {
    let executor = FreeAt::new(6);
    let mut feed = refused(&executor);
    let late = &mut Late::default();
    assert!(matches!(feed.wait(late), Came::Submitted(_)));
    assert_eq!(executor.tries(), 6);
    assert_eq!(late.looks.get(), 6, "one look for each try");
    assert!(
        !executor.had_line.into_inner(),
        "the map stayed out of the line"
    );
}

#[test]
fn a_map_takes_no_place_from_those_in_line_and_leaves_with_its_outcome() {
    let executor = FreeAt::new(2);
    let mut feed = refused(&executor);
    let mut first = executor.room.enter(Coming::Surely);
    let _turn = executor.room.listen(&mut first, Waker::noop());

    let late = &mut Late::default();
    let came = feed.wait(late);
    assert!(matches!(came, Came::Outcome(Err(JobError::Cancelled))));
    assert_eq!(executor.tries(), 1, "free places go to the one in line");
    assert_eq!(late.looks.get(), 1, "there is nothing to look for");
    assert!(feed.has_refused(), "the job is kept for the next call");

    executor.room.leave(&first, None);
    assert!(!executor.room.has_line(), "the map has left the line");
}
