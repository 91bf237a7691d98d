//! The progress bar, drawn from the pool's stats; hidden if standard error is not a terminal.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pool::Pool;

/// Time between two reads of the stats: smooth to the eye, and no cost to the workers.
const TICK: Duration = Duration::from_millis(100);

/// A thread that redraws the bar, until [`end`](Self::end).
pub(crate) struct Progress {
    bar: ProgressBar,
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(crate) fn show(pool: &Pool) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} files, {msg}")
            .expect("the template is right");
        let bar =
            ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style);
        let is_watched = io::stderr().is_terminal();
        let painter = is_watched.then(|| paint(bar.clone(), pool.clone()));
        Self { bar, painter }
    }

    /// The bar, for code that has to write next to it.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    pub(crate) fn end(self) {
        if let Some((stop, painter)) = self.painter {
            drop(stop);
            painter.join().expect("the painter does not panic");
        }
        self.bar.finish_and_clear();
    }
}

fn paint(bar: ProgressBar, pool: Pool) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel();
    let start = Instant::now();
    let painter = thread::spawn(move || {
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let stats = pool.stats();
            bar.set_length(stats.accepted);
            bar.set_position(stats.finished());
            let failures = stats.finished() - stats.completed;
            let rate = stats.finished() as f64 / start.elapsed().as_secs_f64();
            bar.set_message(format!(
                "{rate:.0}/s, {} queued, {failures} failed",
                stats.queued
            ));
        }
    });
    (stop, painter)
}
