//! The thread that hears signals, and the handler that tells it.
//!
//! # The handler
//! For each signal the registry of `signal-hook` calls, in this order: the **default action** if
//! [`Listeners::default_action`] says so, which is common to the process; then, for each listener,
//! a store of the signal's number, and a byte into the listener's **pipe** (a socket pair). All of
//! that is allowed in a handler. The number is stored before the byte is written, and the thread
//! reads a byte before it takes the number, so no number is missed. Signals that come before it
//! does count as one, as the system itself does with a signal that is pending.
//!
//! # The default action
//! The registry cannot take its handler back: a signal without any action would be ignored. So the
//! default action is an action, registered once. It is on while nobody listens: switched off after
//! the actions of the first listener are in place, and on before those of the last are taken out.
//! So a signal at such a moment ends the process, and none is ignored.
//!
//! # A fork
//! The child has the handler, and shares the pipe with its parent. A signal to the child would have
//! its byte wake the parent's thread. That one finds no number in its own memory, and waits on. The
//! child itself has no thread that listens, so the default action is switched on there, as the fork
//! returns. A listener that the child makes is the first of its process.
//!
//! The end of the thread is a shutdown of the socket, and not the close of one end, of which a
//! child may have a copy.
//!
//! # Other systems
//! Where `signal-hook` has no pipe (Windows) the thread looks for a number ten times a second.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::stop::Stop;
use super::timer::Timer;
use bell::{Bell, Ringer};

/// Of the person at the terminal, and of what supervises the process.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// No signal has this number.
const NONE: usize = 0;

/// Hears signals from its start until it is dropped.
pub(super) struct Listener {
    /// The actions of the handler.
    actions: Actions,
    /// Its drop ends the thread.
    _ringer: Ringer,
}

impl Listener {
    pub(super) fn start(stop: Stop, timer: Timer) -> io::Result<Self> {
        let heard = Arc::new(AtomicUsize::new(NONE));
        let (ringer, bell) = bell::pair()?;
        let ear = Ear {
            heard: Arc::clone(&heard),
            count: 0,
            stop,
            timer,
        };
        thread::Builder::new()
            .name("drain-signals".to_owned())
            .spawn(move || ear.listen(bell))?;
        // If this fails, the drop of `ringer` ends the thread.
        let actions = Listeners::enter(|actions| {
            for signal in SIGNALS {
                let number = usize::try_from(signal).expect("signals have positive numbers");
                actions.add(flag::register_usize(signal, Arc::clone(&heard), number))?;
                ringer.ring_on(signal, actions)?;
            }
            Ok(())
        })?;
        Ok(Self {
            actions,
            _ringer: ringer,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        Listeners::leave(&mut self.actions);
    }
}

/// What the thread has.
struct Ear {
    /// The number of a signal that is not counted yet.
    heard: Arc<AtomicUsize>,
    /// How many are.
    count: u32,
    stop: Stop,
    timer: Timer,
}

impl Ear {
    fn listen(mut self, mut bell: Bell) {
        while bell.wait() {
            // ORDERING: SeqCst, as the handler's store: it comes before the byte that this thread
            // has read.
            let heard = self.heard.swap(NONE, Ordering::SeqCst);
            if let Ok(signal) = i32::try_from(heard)
                && heard != NONE
            {
                self.count(signal);
            }
        }
    }

    fn count(&mut self, signal: i32) {
        self.count += 1;
        match self.count {
            1 => {
                self.stop.begin();
                self.timer.cancel(self.stop.stopping.clone());
            }
            2 => self.timer.cancel(self.stop.hurrying.clone()),
            // Restores the system's own handler, and raises the signal.
            _ => drop(low_level::emulate_default_handler(signal)),
        }
    }
}

/// Actions of the handler, which are taken out with this.
#[derive(Default)]
struct Actions(Vec<SigId>);

impl Actions {
    fn add(&mut self, action: io::Result<SigId>) -> io::Result<()> {
        self.0.push(action?);
        Ok(())
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        for action in self.0.drain(..) {
            low_level::unregister(action);
        }
    }
}

/// All listeners of the process. No handler takes the lock.
struct Listeners {
    count: usize,
    /// Whether the handler ends the process: `None` before the first listener.
    default_action: Option<Arc<AtomicBool>>,
    /// The process that they are in: a child has none of its parent's.
    process: u32,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    count: 0,
    default_action: None,
    process: 0,
});

impl Listeners {
    /// Registers the actions of one more listener.
    fn enter(register: impl FnOnce(&mut Actions) -> io::Result<()>) -> io::Result<Actions> {
        let mut all = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        if all.process != process::id() {
            (all.process, all.count) = (process::id(), 0);
        }
        let default_action = all.default_action()?;
        let mut actions = Actions::default();
        register(&mut actions)?;
        all.count += 1;
        if all.count == 1 {
            default_action.store(false, Ordering::SeqCst);
        }
        Ok(actions)
    }

    /// Takes the actions of a listener out.
    fn leave(actions: &mut Actions) {
        let mut all = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        all.count -= 1;
        if all.count == 0
            && let Some(default_action) = &all.default_action
        {
            default_action.store(true, Ordering::SeqCst);
        }
        drop(std::mem::take(actions));
    }

    /// Registers the default action once, switched on.
    fn default_action(&mut self) -> io::Result<Arc<AtomicBool>> {
        if let Some(default_action) = &self.default_action {
            return Ok(Arc::clone(default_action));
        }
        let is_on = Arc::new(AtomicBool::new(true));
        let mut actions = Actions::default();
        for signal in SIGNALS {
            actions.add(flag::register_conditional_default(
                signal,
                Arc::clone(&is_on),
            ))?;
        }
        // They stay.
        actions.0.clear();
        pool_core::set_in_forked_children(Arc::clone(&is_on));
        self.default_action = Some(Arc::clone(&is_on));
        Ok(is_on)
    }
}

#[cfg(unix)]
mod bell {
    //! A pipe that the handler writes to.

    use std::io::{self, ErrorKind, Read};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use signal_hook::low_level::pipe;

    use super::Actions;

    pub(super) struct Ringer(UnixStream);

    pub(super) struct Bell(UnixStream);

    pub(super) fn pair() -> io::Result<(Ringer, Bell)> {
        let (ringer, bell) = UnixStream::pair()?;
        Ok((Ringer(ringer), Bell(bell)))
    }

    impl Ringer {
        /// Has each such signal ring.
        pub(super) fn ring_on(&self, signal: i32, actions: &mut Actions) -> io::Result<()> {
            actions.add(pipe::register(signal, self.0.try_clone()?))
        }
    }

    impl Drop for Ringer {
        /// Has the bell's thread leave.
        fn drop(&mut self) {
            // Of a pair of sockets it does not fail.
            let _ended = self.0.shutdown(Shutdown::Both);
        }
    }

    impl Bell {
        /// Waits until it rings; false at the end.
        pub(super) fn wait(&mut self) -> bool {
            loop {
                match self.0.read(&mut [0; 64]) {
                    Ok(bytes) => return bytes > 0,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod bell {
    //! Rings at an interval.

    use std::io;
    use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
    use std::time::Duration;

    use super::Actions;

    const INTERVAL: Duration = Duration::from_millis(100);

    /// Its drop has the bell's thread leave.
    pub(super) struct Ringer(#[expect(dead_code, reason = "it is dropped")] Sender<()>);

    pub(super) struct Bell(Receiver<()>);

    #[expect(clippy::unnecessary_wraps, reason = "on other systems it may fail")]
    pub(super) fn pair() -> io::Result<(Ringer, Bell)> {
        let (ringer, bell) = mpsc::channel();
        Ok((Ringer(ringer), Bell(bell)))
    }

    impl Ringer {
        /// It rings all the time.
        #[expect(clippy::unnecessary_wraps, reason = "on other systems it may fail")]
        pub(super) fn ring_on(&self, _signal: i32, _actions: &mut Actions) -> io::Result<()> {
            Ok(())
        }
    }

    impl Bell {
        /// Waits until it rings; false at the end.
        pub(super) fn wait(&mut self) -> bool {
            self.0.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout)
        }
    }
}
