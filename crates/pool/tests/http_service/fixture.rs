//! The service on a thread of its own, and a client of a few lines.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::RwLock;
use std::sync::mpsc::{self, Receiver, RecvError, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pool::{Backend, CancelToken, Drain, Interrupted, JobContext, Pool, ShutdownReport, Stats};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::example_binary::LIMIT;
use crate::service::{self, Service};

/// An upload whose job waits for [`GATE`], and does not ask whether it should.
pub(crate) const HANGS: &[u8] = b"hang";
pub(crate) static GATE: RwLock<()> = RwLock::new(());

fn work(upload: &[u8], ctx: &JobContext<'_>) -> Result<String, Interrupted> {
    if upload == HANGS {
        drop(GATE.read());
    }
    service::hash(upload, ctx)
}

/// Waits for what happens soon on a quiet machine.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < limit, "not within {LIMIT:?}: {what}");
        thread::yield_now();
    }
}

/// The next message, or that there will be none.
pub(crate) fn receive<T>(from: &Receiver<T>) -> Result<T, RecvError> {
    match from.recv_timeout(LIMIT) {
        Ok(message) => Ok(message),
        Err(RecvTimeoutError::Disconnected) => Err(RecvError),
        Err(RecvTimeoutError::Timeout) => panic!("nothing for {LIMIT:?}"),
    }
}

/// The service, on one worker.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pool: Pool,
    stop: CancelToken,
    report: Receiver<ShutdownReport>,
    /// The sockets live until the test has read what it wants, however long that takes it.
    leave: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn start(
        backend: Backend,
        capacity: usize,
        request_limit: Duration,
        stop_limit: Duration,
    ) -> Self {
        let metrics = service::metrics();
        let builder = Pool::builder().backend(backend).workers(1);
        let builder = builder.observe(metrics.observer());
        let pool = builder.queue_capacity(capacity).build();
        let pool = pool.expect("a plain configuration is accepted");
        let stop = CancelToken::new();
        let drain = Drain::on(&stop).expect("there are threads");
        let drain = drain.limit(stop_limit);
        let mut service = Service::new(pool.clone(), &metrics, &drain);
        (service.work, service.request_limit) = (work, request_limit);
        let (leave, may_leave) = oneshot::channel::<()>();
        let (sender, report) = mpsc::channel();
        let (bound, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.expect("there is a free port");
                let address = listener.local_addr().expect("it is bound");
                bound.send(address).expect("the test waits for it");
                let report = service::serve(listener, service, drain).await;
                if sender.send(report).is_ok() {
                    let _either_way = may_leave.await;
                }
            });
        });
        Self {
            address: receive(&address).expect("it has started"),
            pool,
            stop,
            report,
            leave,
            thread,
        }
    }

    /// The pool takes no jobs in any more, though nobody stops the service.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// Sends what would be the signal.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the end.
    pub(crate) fn end(self) -> ShutdownReport {
        let report = receive(&self.report).expect("the service does not panic");
        drop(self.leave);
        self.thread.join().expect("the service does not panic");
        report
    }

    pub(crate) fn wait_for(&self, is_so: impl Fn(&Stats) -> bool) {
        wait_until("what the test waits for in the pool", || {
            is_so(&self.pool.stats())
        });
    }

    /// Keeps the only worker until what this returns is dropped.
    pub(crate) fn keep_the_worker(&self) -> Sender<()> {
        let (open, gate) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let keeps = move || {
            started.send(()).expect("the test waits for it");
            let _opened = gate.recv();
        };
        self.pool.spawn(keeps).expect("it is open").detach();
        receive(&has_started).expect("it starts");
        open
    }
}

/// What a handler that reads the upload has the server say to a client that waits for it.
const ASKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The end of the head of a request.
const HEAD_END: &[u8] = b"Host: test\r\nConnection: close\r\n\r\n";

/// One request, on a connection of its own.
pub(crate) struct Client(TcpStream);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) has_retry_after: bool,
    pub(crate) text: String,
}

impl Client {
    /// A request that is in flight: its handler has asked for the upload.
    pub(crate) fn begin(address: SocketAddr, length: usize) -> Self {
        Self::try_begin(address, length).expect("the service takes it up")
    }

    /// `None`: the server stopped before it took the request up.
    pub(crate) fn try_begin(address: SocketAddr, length: usize) -> Option<Self> {
        let mut client = Self(TcpStream::connect(address).ok()?);
        let head = Self::head(length, "Expect: 100-continue\r\n");
        client.0.write_all(&head).ok()?;
        client.limit_waits();
        let mut asked = [0; ASKED.len()];
        client.0.read_exact(&mut asked).ok()?;
        assert_eq!(&asked, ASKED);
        Some(client)
    }

    /// A request with the upload, or with that much of it.
    pub(crate) fn request(address: SocketAddr, length: usize, upload: &[u8]) -> Self {
        Self::of_one_request(address, &[&Self::head(length, ""), upload].concat())
    }

    /// An upload whose job has this name, which is part of the path.
    pub(crate) fn put(address: SocketAddr, name: &str, upload: &[u8]) -> Self {
        let length = upload.len();
        let head = format!("PUT /{name} HTTP/1.1\r\nContent-Length: {length}\r\n");
        Self::of_one_request(address, &[head.as_bytes(), HEAD_END, upload].concat())
    }

    pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\n");
        Self::of_one_request(address, &[head.as_bytes(), HEAD_END].concat()).answer()
    }

    fn of_one_request(address: SocketAddr, request: &[u8]) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        let mut client = Self(stream);
        client.limit_waits();
        client.send(request);
        client
    }

    /// An upload and its answer; `None`: the server stopped before it took the request up.
    pub(crate) fn try_upload(address: SocketAddr, upload: &[u8]) -> Option<Answer> {
        let mut client = Self(TcpStream::connect(address).ok()?);
        client.limit_waits();
        let request = [&Self::head(upload.len(), ""), upload].concat();
        client.0.write_all(&request).ok()?;
        client.try_answer()
    }

    fn head(length: usize, more: &str) -> Vec<u8> {
        let head = "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
        format!("{head}{more}Content-Length: {length}\r\n\r\n").into_bytes()
    }

    /// An answer that does not come is an error, loud and late.
    fn limit_waits(&self) {
        let limited = self.0.set_read_timeout(Some(LIMIT));
        limited.expect("the limit is not zero");
    }

    pub(crate) fn send(&mut self, upload: &[u8]) {
        let sent = self.0.write_all(upload);
        sent.expect("a request in flight is not cut");
    }

    pub(crate) fn answer(self) -> Answer {
        self.try_answer().expect("a request in flight is not cut")
    }

    /// `None`: the connection was reset, or closed before a byte of the answer.
    fn try_answer(mut self) -> Option<Answer> {
        let mut answer = String::new();
        match self.0.read_to_string(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            Ok(1..) => {}
            _ => return None,
        }
        let (head, text) = answer.split_once("\r\n\r\n").expect("a whole answer");
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        Some(Answer {
            status: status.unwrap_or_else(|| panic!("no status in {head}")),
            has_retry_after: head.contains("\r\nretry-after: "),
            text: text.to_owned(),
        })
    }
}
