//! Ctrl-C and SIGTERM: the first ends the pool within the grace, the second the process.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::ProgressBar;
use pool::{Pool, ShutdownPolicy};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::signal_name;

/// No signal has this number.
const NONE: i32 = 0;

/// A thread that listens for signals, until [`end`](Self::end).
pub(crate) struct Interrupts {
    first: Arc<AtomicI32>,
    handle: Handle,
    listener: JoinHandle<()>,
}

impl Interrupts {
    pub(crate) fn watch(pool: &Pool, grace: Duration, bar: ProgressBar) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let first = Arc::new(AtomicI32::new(NONE));
        let handle = signals.handle();
        let (pool, seen) = (pool.clone(), Arc::clone(&first));
        let listener = thread::Builder::new()
            .name("interrupts".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if seen.swap(signal, Ordering::SeqCst) != NONE {
                        process::exit(exit_code(signal).into());
                    }
                    announce(&bar, signal, grace);
                    shut_down(&pool, grace);
                }
            })?;
        Ok(Self {
            first,
            handle,
            listener,
        })
    }

    /// Stops listening. Returns the signal that came, if one did.
    pub(crate) fn end(self) -> Option<i32> {
        self.handle.close();
        self.listener.join().expect("the listener does not panic");
        let signal = self.first.load(Ordering::SeqCst);
        (signal != NONE).then_some(signal)
    }
}

/// What a shell reports for a process that a signal ended.
pub(crate) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn announce(bar: &ProgressBar, signal: i32, grace: Duration) {
    let name = signal_name(signal).unwrap_or("signal");
    bar.suspend(|| {
        eprintln!("{name}: accepted files have {grace:?} to finish; once more stops at once");
    });
}

/// Shuts the pool down on its own thread, since the listener must hear the second signal. Intake
/// ends first, which ends the walk; the main thread's own shutdown then returns by this one's
/// limit.
fn shut_down(pool: &Pool, grace: Duration) {
    pool.close();
    let pool = pool.clone();
    thread::spawn(move || drop(pool.shutdown(ShutdownPolicy::new(grace))));
}
