//! The example `13_http_service` under its stop: every request in flight gets an answer, every
//! success has happened, and the report accounts for all.

#[path = "../example_binary/mod.rs"]
mod example_binary;
mod fixture;
mod pages;
#[path = "../../examples/13_http_service/main.rs"]
#[allow(dead_code, reason = "it is run with a `main` of its own as well")]
mod service;
#[cfg(unix)]
mod traffic;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use example_binary::LIMIT;
use fixture::{Client, GATE, HANGS, Serving, wait_until};
use pool::Backend;

/// An upload, unlike those of other numbers.
fn upload(number: usize) -> Vec<u8> {
    format!("upload {number}").repeat(1000).into_bytes()
}

fn complete(serving: &Serving, upload: &[u8]) -> Client {
    Client::request(serving.address, upload.len(), upload)
}

#[test]
fn requests_in_flight_finish_on_a_pool_that_still_runs() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 100, LIMIT, LIMIT);
        let uploads: Vec<_> = (0..16).map(upload).collect();
        let begin = |upload: &Vec<u8>| Client::begin(serving.address, upload.len());
        let clients: Vec<_> = uploads.iter().map(begin).collect();
        serving.stop();
        // The server has turned to its requests in flight, none of which has reached the pool yet.
        wait_until("it accepts no more", || {
            TcpStream::connect(serving.address).is_err()
        });
        for (mut client, upload) in clients.into_iter().zip(&uploads) {
            client.send(upload);
            let answer = client.answer();
            assert_eq!(answer.status, 200, "on {backend}");
            assert_eq!(answer.text, blake3::hash(upload).to_string());
        }
        let report = serving.end();
        assert_eq!(report.completed(), 16, "on {backend}: {report}");
        assert!(report.balances() && report.all_completed(), "{report}");
        assert!(report.is_safe_to_exit(), "{report}");
    }
}

#[test]
fn a_stop_amid_traffic_cuts_no_request() {
    for backend in Backend::available() {
        // A queue so short that requests are refused as well.
        let serving = Serving::start(backend, 1, LIMIT, LIMIT);
        let address = serving.address;
        let (sender, answers) = mpsc::channel();
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for round in 0.. {
                        let upload = upload(client + 8 * round);
                        // A connection that the server has not taken up is refused: no request.
                        let Some(mut request) = Client::try_begin(address, upload.len()) else {
                            return;
                        };
                        request.send(&upload);
                        sender
                            .send((upload, request.answer()))
                            .expect("the test listens");
                    }
                })
            })
            .collect();
        drop(sender);
        let mut statuses = BTreeMap::<u16, u64>::new();
        let mut count = 0;
        while let Ok((upload, answer)) = fixture::receive(&answers) {
            count += 1;
            if count == 100 {
                serving.stop();
            }
            *statuses.entry(answer.status).or_default() += 1;
            match answer.status {
                200 => assert_eq!(answer.text, blake3::hash(&upload).to_string()),
                status => assert!(status == 503 && answer.has_retry_after, "{status}"),
            }
        }
        for client in clients {
            client.join().expect("each request was answered");
        }
        let report = serving.end();
        let successes = statuses.get(&200).copied().unwrap_or_default();
        assert_eq!(report.completed(), successes, "on {backend}: {report}");
        assert_eq!(report.accepted(), successes, "on {backend}: {report}");
        assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    }
}

#[test]
fn a_full_queue_is_told_to_the_client_at_once() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 2, LIMIT, LIMIT);
        let gate = serving.keep_the_worker();
        let queued = [1, 2].map(|number| {
            let client = complete(&serving, &upload(number));
            serving.wait_for(|stats| stats.queued == number as u64);
            client
        });
        let refused = complete(&serving, b"one too many").answer();
        assert_eq!(refused.status, 503, "on {backend}");
        assert!(refused.has_retry_after, "on {backend}");
        serving.stop();
        drop(gate);
        for client in queued {
            assert_eq!(client.answer().status, 200, "on {backend}");
        }
        let report = serving.end();
        assert!(report.balances() && report.is_clean(), "{report}");
        assert_eq!(report.accepted(), 3, "the gate and two: {report}");
    }
}

#[test]
fn a_request_ends_at_its_deadline_wherever_it_is() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 2, Duration::from_millis(50), LIMIT);
        let gate = serving.keep_the_worker();
        let queued = complete(&serving, b"queued");
        assert_eq!(queued.answer().status, 504, "on {backend}");
        // This client never sends what it has announced.
        let slow = Client::request(serving.address, 1000, b"and so on");
        assert_eq!(slow.answer().status, 504, "on {backend}");
        drop(gate);
        serving.stop();
        let report = serving.end();
        // The pool ends the job at the deadline, or the handler does as it ends there itself.
        let late = report.expired() + report.cancelled();
        assert_eq!(
            (late + 1, report.completed()),
            (report.accepted(), 1),
            "{report}"
        );
        assert!(report.balances() && report.is_clean(), "{report}");
    }
}

#[test]
fn a_client_that_goes_takes_its_job_along() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 2, LIMIT, LIMIT);
        let gate = serving.keep_the_worker();
        let client = complete(&serving, b"never mind");
        serving.wait_for(|stats| stats.queued == 1);
        drop(client);
        serving.wait_for(|stats| stats.cancelled == 1);
        drop(gate);
        serving.stop();
        let report = serving.end();
        assert_eq!((report.accepted(), report.completed()), (2, 1), "{report}");
        assert!(report.balances() && report.is_clean(), "{report}");
    }
}

#[test]
fn what_does_not_end_is_answered_and_reported() {
    for backend in Backend::available() {
        let shut = GATE.write().expect("no test panics with it");
        let serving = Serving::start(backend, 2, LIMIT, Duration::from_secs(2));
        let mut clients = vec![complete(&serving, HANGS)];
        serving.wait_for(|stats| stats.running == 1);
        for number in [1, 2] {
            clients.push(complete(&serving, &upload(number)));
            serving.wait_for(|stats| stats.queued == number as u64);
        }
        // One whose upload does not come, after one whose head does not.
        let mut half = TcpStream::connect(serving.address).expect("it listens");
        half.write_all(b"POST / HT").expect("it reads");
        clients.push(Client::begin(serving.address, 1000));
        let stopped = Instant::now();
        serving.stop();
        for client in clients {
            let answer = client.answer();
            assert_eq!(answer.status, 503, "on {backend}");
            assert!(answer.has_retry_after, "on {backend}");
        }
        let report = serving.end();
        assert!(stopped.elapsed() < LIMIT, "on {backend}");
        assert!(report.balances(), "{report}");
        assert_eq!((report.accepted(), report.completed()), (3, 0), "{report}");
        assert_eq!(report.still_running().len(), 1, "{report}");
        assert_eq!(report.unstarted(), 2, "{report}");
        assert_eq!(report.exit_code(), 3, "{report}");
        drop(shut);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_process_after_its_requests() {
    for backend in Backend::available() {
        let mut command = example_binary::command("13_http_service");
        command
            .env("POOL_BACKEND", backend.name())
            .arg("127.0.0.1:0");
        let mut run = example_binary::Running::start(command);
        let line = run.wait_for_line("listening on ");
        let address = line.strip_prefix("listening on ").expect("it begins so");
        let mut client = Client::begin(address.parse().expect("an address"), 5);
        run.send("TERM");
        run.wait_for_line("stopping");
        client.send(b"hello");
        let answer = client.answer();
        assert_eq!(answer.status, 200, "on {backend}");
        assert_eq!(answer.text, blake3::hash(b"hello").to_string());
        let run = run.finish();
        assert_eq!(run.code, Some(0), "on {backend}:\n{}", run.stderr);
        let last = run.stderr.lines().last().expect("the report");
        assert!(last.starts_with("safe to exit"), "{}", run.stderr);
    }
}
