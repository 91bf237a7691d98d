//! The programs that the tests send signals to.

use std::future::{Future, pending};
use std::io::Write;
use std::pin::pin;
use std::process;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use pool::{CancelToken, Drain, Executor, Pool, ShutdownReport};

/// Names the program, in a process that is one.
pub(crate) const PROGRAM: &str = "POOL_DRAIN_PROGRAM";
/// The backend of its pool.
pub(crate) const BACKEND: &str = "POOL_DRAIN_BACKEND";

/// No program comes to this limit: what ends it is what the test is about.
const NEVER: Duration = Duration::from_secs(3600);

/// A test that is a program where one is named, and nothing otherwise.
#[test]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else {
        return;
    };
    let backend = std::env::var(BACKEND).expect("the parent names one");
    let backend = backend.parse().expect("the parent names one");
    let pool = Pool::builder().backend(backend).workers(1).build();
    let pool = pool.expect("it is built");
    let report = match name.as_str() {
        "drains" => drains(&pool),
        "runs_late" => runs_late(&pool),
        "job_hangs" => job_hangs(&pool),
        "server_never_leaves" => server_never_leaves(&pool),
        "waker_hangs" => waker_hangs(&pool),
        "is_dropped" => is_dropped(),
        "has_run" => has_run(&pool),
        "half_run_is_dropped" => half_run_is_dropped(&pool),
        "one_of_two_is_dropped" => one_of_two_is_dropped(&pool),
        "two" => two(&pool),
        #[cfg(target_os = "linux")]
        "forks" => fork::forks(&pool),
        #[cfg(target_os = "linux")]
        "forks_and_listens" => fork::forks_and_listens(&pool),
        other => panic!("no program is called {other}"),
    };
    say(&report.to_string());
    process::exit(report.exit_code().into());
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("the test listens");
}

fn listen() -> Drain {
    Drain::on_signals()
        .expect("signals can be had")
        .limit(NEVER)
}

/// Waits until the process is ended from outside.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

/// Says so when the token is cancelled.
fn tell(token: &CancelToken, what: &'static str) {
    let token = token.clone();
    thread::spawn(move || {
        wait(token.cancelled());
        say(what);
    });
}

/// Waits on this thread for a future.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("it is built").block_on(future)
}

/// Its server ends at the stop, and two jobs are queued behind one that ends then.
fn drains(pool: &Pool) -> ShutdownReport {
    let drain = listen();
    let stopping = drain.stopping();
    let job = stopping.clone();
    pool.spawn(move || wait(job.cancelled()))
        .expect("it is open")
        .detach();
    for _ in 0..2 {
        pool.spawn(|| ()).expect("it is open").detach();
    }
    let server = async move {
        stopping.cancelled().await;
        say("stopping");
    };
    say("listening");
    drain.also(server).run_blocking(pool)
}

fn runs_late(pool: &Pool) -> ShutdownReport {
    let drain = listen();
    say("listening");
    wait(drain.stopping().cancelled());
    wait(drain.run(pool))
}

/// A job that never returns, and a server that never ends.
fn job_hangs(pool: &Pool) -> ShutdownReport {
    struct Server(CancelToken);

    impl Drop for Server {
        fn drop(&mut self) {
            assert!(self.0.is_cancelled(), "handlers may give up by now");
            say("the server is dropped");
        }
    }

    let drain = listen();
    let (start, started) = mpsc::channel();
    let job = move || -> () {
        start.send(()).expect("it waits");
        wait_for_the_end()
    };
    pool.spawn(job).expect("it is open").detach();
    started.recv().expect("it starts");
    tell(&drain.stopping(), "stopping");
    let server = Server(drain.giving_up());
    say("listening");
    drain.also(serve_with(server)).run_blocking(pool)
}

/// A server that never ends, and drops this as it goes.
async fn serve_with<T>(_kept: T) {
    pending::<()>().await;
}

/// Not even the second signal ends it: the drop of its server hangs.
fn server_never_leaves(pool: &Pool) -> ShutdownReport {
    struct Server;

    impl Drop for Server {
        fn drop(&mut self) {
            say("the drop hangs");
            wait_for_the_end();
        }
    }

    let drain = listen();
    tell(&drain.stopping(), "stopping");
    let server = Server;
    say("listening");
    drain.also(serve_with(server)).run_blocking(pool)
}

/// The thread that cancels the token of the stop never comes back.
fn waker_hangs(pool: &Pool) -> ShutdownReport {
    struct Hangs;

    impl Wake for Hangs {
        fn wake(self: Arc<Self>) {
            say("the waker hangs");
            wait_for_the_end();
        }
    }

    let drain = listen();
    let mut stopping = pin!(drain.stopping().cancelled());
    let waker = Waker::from(Arc::new(Hangs));
    let polled = stopping.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    say("listening");
    drain.run_blocking(pool)
}

fn is_dropped() -> ShutdownReport {
    drop(listen());
    say("listening");
    wait_for_the_end()
}

fn has_run(pool: &Pool) -> ShutdownReport {
    let drain = listen();
    drain.stopping().cancel();
    let report = drain.run_blocking(pool);
    say(&format!("listening no more: {report}"));
    wait_for_the_end()
}

fn half_run_is_dropped(pool: &Pool) -> ShutdownReport {
    {
        let mut run = pin!(listen().run(pool));
        let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
    }
    say("listening");
    wait_for_the_end()
}

fn one_of_two_is_dropped(pool: &Pool) -> ShutdownReport {
    let (one, other) = (listen(), listen());
    drop(one);
    say("listening");
    other.run_blocking(pool)
}

fn two(pool: &Pool) -> ShutdownReport {
    let (one, other) = (listen(), listen());
    say("listening");
    let ended = pool.clone();
    let first = thread::spawn(move || one.run_blocking(&ended));
    let second = other.run_blocking(pool);
    let first = first.join().expect("it does not panic");
    assert_eq!(first.took(), second.took(), "it is one shutdown");
    assert!(pool.is_closed());
    first
}

#[cfg(target_os = "linux")]
mod fork {
    //! Programs that fork.

    use super::*;

    /// Forks; the child's end is by this signal, or by its exit with the code 0.
    fn child_ends(body: impl FnOnce(), signal: Option<i32>) {
        let (mut ready, said) = std::io::pipe().expect("there are pipes");
        // SAFETY: the child uses only what glibc makes safe after a fork of many threads (its
        // allocator), and what the pool promises to be safe.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "the system refused a fork");
        if child == 0 {
            // SAFETY: it takes a number. A child that hangs ends by another signal.
            unsafe { libc::alarm(20) };
            drop((&said).write_all(b"x"));
            body();
            // SAFETY: it takes a number, and does not return.
            unsafe { libc::_exit(0) };
        }
        let mut byte = [0];
        std::io::Read::read_exact(&mut ready, &mut byte).expect("the child has begun");
        let mut status = 0;
        if signal.is_some() {
            // SAFETY: it takes numbers; the child is ours, and not waited for.
            unsafe { libc::kill(child, libc::SIGTERM) };
        }
        // SAFETY: `status` is valid for the child's status.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        let ended_by = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        assert_eq!(ended_by, signal, "status {status}");
    }

    /// After signals to its children, the parent has heard none.
    fn goes_on(drain: Drain, pool: &Pool) -> ShutdownReport {
        let stopping = drain.stopping();
        assert!(!stopping.is_cancelled());
        say("the parent goes on");
        // SAFETY: it takes a number.
        unsafe { libc::raise(libc::SIGTERM) };
        drain.run_blocking(pool)
    }

    pub(super) fn forks(pool: &Pool) -> ShutdownReport {
        let drain = listen();
        say("listening");
        for _ in 0..8 {
            child_ends(|| wait_for_the_end(), Some(libc::SIGTERM));
        }
        // A child that runs what it inherits.
        let (mut inherited, clone) = (Some(listen()), pool.clone());
        let runs = || {
            let drain = inherited.take().expect("it is there");
            assert!(drain.run_blocking(&clone).is_forked());
        };
        child_ends(runs, None);
        goes_on(drain, pool)
    }

    /// A child with a `Drain` of its own, as the workers of a server that forks have.
    pub(super) fn forks_and_listens(pool: &Pool) -> ShutdownReport {
        let drain = listen();
        say("listening");
        let listens = || {
            let own = Pool::builder().workers(1).build().expect("it is built");
            let drain = listen();
            // SAFETY: it takes a number.
            unsafe { libc::raise(libc::SIGTERM) };
            assert!(drain.run_blocking(&own).is_clean());
        };
        child_ends(listens, None);
        goes_on(drain, pool)
    }
}
