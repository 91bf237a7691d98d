//! What works in tokio's own `main` works in a job of the pool, however busy the workers are.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

use pool_async::AsyncPool;
use pool_core::JobContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local};

use crate::on::{LIMIT, value};

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An operation, by its name.
type Named = (&'static str, fn() -> Operation);

/// What a program does on a runtime.
const OPERATIONS: [Named; 10] = [
    ("timers", || Box::pin(timers())),
    ("sockets", || Box::pin(sockets())),
    ("files", || Box::pin(files())),
    ("names", || Box::pin(names())),
    ("processes", || Box::pin(processes())),
    ("signals", || Box::pin(signals())),
    ("spawn_blocking", || Box::pin(blocking())),
    ("block_in_place", || Box::pin(in_place())),
    ("spawn_local", || Box::pin(local())),
    ("a runtime within", || Box::pin(nested())),
];

async fn timers() {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let never = std::future::pending::<()>();
    let late = tokio::time::timeout(Duration::from_millis(1), never).await;
    late.unwrap_err();
}

async fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serves = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"seven").await.unwrap();
    });
    let mut said = String::new();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "seven");
    serves.await.unwrap();
}

async fn files() {
    let file = std::env::current_exe().unwrap();
    let metadata = tokio::fs::metadata(&file).await.unwrap();
    assert!(metadata.is_file());
    let mut magic = [0; 4];
    let mut file = tokio::fs::File::open(file).await.unwrap();
    file.read_exact(&mut magic).await.unwrap();
}

async fn names() {
    assert!(lookup_host("localhost:80").await.unwrap().next().is_some());
}

#[cfg(unix)]
async fn processes() {
    let status = tokio::process::Command::new("true").status().await;
    assert!(status.unwrap().success());
}

#[cfg(not(unix))]
async fn processes() {}

#[cfg(unix)]
async fn signals() {
    use tokio::signal::unix::{SignalKind, signal};
    drop(signal(SignalKind::user_defined2()).unwrap());
}

#[cfg(not(unix))]
async fn signals() {}

async fn blocking() {
    assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
}

async fn in_place() {
    assert_eq!(block_in_place(|| 7), 7);
}

/// A `LocalSet` cannot move between threads, so a job has it on a thread that blocks.
async fn local() {
    let run = || {
        let local = LocalSet::new();
        let seven = local.run_until(async { spawn_local(async { 7 }).await.unwrap() });
        Handle::current().block_on(seven)
    };
    assert_eq!(spawn_blocking(run).await.unwrap(), 7);
    assert_eq!(block_in_place(run), 7);
}

async fn nested() {
    let run = || {
        let current_thread = Builder::new_current_thread().enable_all().build().unwrap();
        current_thread.block_on(timers());
        let multi_thread = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        multi_thread.block_on(timers());
    };
    block_in_place(run);
    spawn_blocking(run).await.unwrap();
}

/// The kind of job.
#[derive(Debug, Clone, Copy)]
enum Within {
    Closure,
    Future,
    /// A closure joins a future of its own.
    Joined,
}

/// What else happens in the pool.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    /// Every worker is busy, and the queue is full.
    Full,
    /// The same, and the pool is closed.
    Draining,
}

/// A job that waits until the pool is in the state that the test needs, runs the operation, and
/// reports that it is done.
fn start(
    pool: &AsyncPool,
    within: Within,
    operation: fn() -> Operation,
) -> (oneshot::Sender<()>, mpsc::Receiver<()>) {
    let (go, goes) = oneshot::channel::<()>();
    let (start, started) = mpsc::channel();
    let (over, is_over) = mpsc::channel();
    let inside = pool.clone();
    match within {
        Within::Closure => {
            let job = move |ctx: &JobContext<'_>| {
                start.send(()).unwrap();
                goes.blocking_recv().unwrap();
                Handle::current().block_on(operation());
                assert!(ctx.state::<u32>().is_some(), "the worker has its state");
                over.send(()).unwrap();
                Ok::<_, ()>(())
            };
            pool.submit(job).unwrap().detach();
        }
        Within::Future => pool
            .spawn_future(async move {
                start.send(()).unwrap();
                goes.await.unwrap();
                operation().await;
                over.send(()).unwrap();
            })
            .unwrap()
            .detach(),
        Within::Joined => pool
            .spawn(move || {
                let child = inside.spawn_future(async move {
                    goes.await.unwrap();
                    operation().await;
                });
                start.send(()).unwrap();
                child.unwrap().join().unwrap();
                over.send(()).unwrap();
            })
            .unwrap()
            .detach(),
    }
    started.recv_timeout(LIMIT).unwrap();
    (go, is_over)
}

fn works(name: &str, operation: fn() -> Operation, within: Within, beside: Beside) {
    const WORKERS: usize = 2;
    const CAPACITY: usize = 2;
    let pool = AsyncPool::builder()
        .workers(WORKERS)
        .queue_capacity(CAPACITY)
        .on_worker_start(|_| 7_u32)
        .build()
        .unwrap();
    let (go, is_over) = start(&pool, within, operation);
    let mut held = None;
    if !matches!(beside, Beside::Nothing) {
        let (release, released) = mpsc::channel::<()>();
        let (start, started) = mpsc::channel();
        let holds = pool.spawn(move || {
            let _heard = start.send(());
            let _released = released.recv();
        });
        holds.unwrap().detach();
        // If a closure joins a future, the future may have the other worker.
        if !matches!(within, Within::Joined) {
            started.recv_timeout(LIMIT).unwrap();
        }
        while pool
            .try_submit(|_: &JobContext<'_>| Ok::<_, ()>(()))
            .is_ok()
        {}
        held = Some(release);
    }
    if matches!(beside, Beside::Draining) {
        pool.close();
    }
    go.send(()).unwrap();
    let over = is_over.recv_timeout(LIMIT);
    assert!(
        over.is_ok(),
        "{name} in {within:?} beside {beside:?}: {}",
        pool.stats()
    );
    drop(held);
    let report = pool.shutdown(LIMIT);
    assert!(
        report.is_clean(),
        "{name} in {within:?} beside {beside:?}: {report}"
    );
}

fn all_work_within(within: Within) {
    for (name, operation) in OPERATIONS {
        for beside in [Beside::Nothing, Beside::Full, Beside::Draining] {
            works(name, operation, within, beside);
        }
    }
}

#[test]
fn all_of_tokio_works_in_a_closure() {
    all_work_within(Within::Closure);
}

#[test]
fn all_of_tokio_works_in_a_future() {
    all_work_within(Within::Future);
}

#[test]
fn all_of_tokio_works_in_a_future_that_a_closure_joins() {
    all_work_within(Within::Joined);
}

/// A closure may block in any way, and still has the pool's own thread and state afterwards.
#[test]
fn a_closure_has_its_state_after_it_has_blocked() {
    let pool = AsyncPool::builder()
        .workers(1)
        .thread_name("own")
        .on_worker_start(|_| 7_u32)
        .build()
        .unwrap();
    for _ in 0..3 {
        let job = |ctx: &JobContext<'_>| {
            let five = block_in_place(|| Handle::current().block_on(async { 5 }));
            let name = std::thread::current().name().map(str::to_owned);
            Ok::<_, ()>((five, ctx.state::<u32>().copied(), name))
        };
        let (five, state, name) = value(pool.submit(job).unwrap());
        assert_eq!((five, state, name.as_deref()), (5, Some(7), Some("own-0")));
    }
}
