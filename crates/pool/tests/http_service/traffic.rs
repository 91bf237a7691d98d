//! Two hundred clients at once, and a signal in the middle.
//!
//! `POOL_SERVICE_ROUNDS=20` has as many rounds on each backend.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use pool::Backend;

use crate::example_binary::{self, Finished, LIMIT, Running};
use crate::fixture::{self, Client};

const CLIENTS: usize = 200;
/// Answers before the signal: each client has had some.
const ANSWERS: usize = 5 * CLIENTS;
/// A client needs little of it.
const STACK: usize = 1 << 18;

/// Uploads, one after the other, until the server takes none up.
fn client(address: SocketAddr, number: usize, answers: &Sender<u16>) {
    for round in 0.. {
        let upload = format!("client {number}, upload {round}").repeat(100);
        let Some(answer) = Client::try_upload(address, upload.as_bytes()) else {
            return;
        };
        match answer.status {
            200 => assert_eq!(answer.text, blake3::hash(upload.as_bytes()).to_string()),
            503 => assert!(answer.has_retry_after),
            status => panic!("{status}: {}", answer.text),
        }
        answers.send(answer.status).expect("the test listens");
    }
}

/// The number before a word of the report.
fn number(run: &Finished, word: &str) -> u64 {
    let parts = run.stderr.lines().flat_map(|line| line.split([',', ':']));
    let mut numbers = parts.filter_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
    let number = numbers.next();
    number.unwrap_or_else(|| panic!("no {word} in:\n{}", run.stderr))
}

fn round(backend: Backend) {
    let mut command = example_binary::command("13_http_service");
    command.env("POOL_BACKEND", backend.name());
    command.arg("127.0.0.1:0");
    let mut run = Running::start(command);
    let line = run.wait_for_line("listening on ");
    let address = line.strip_prefix("listening on ").expect("it begins so");
    let address = address.parse().expect("an address");

    let (sender, answers) = mpsc::channel();
    let start = |number| {
        let (builder, sender) = (thread::Builder::new().stack_size(STACK), sender.clone());
        let client = builder.spawn(move || client(address, number, &sender));
        client.expect("there are threads")
    };
    let clients: Vec<_> = (0..CLIENTS).map(start).collect();
    drop(sender);
    let (mut statuses, mut count, mut stopped) = (BTreeMap::<u16, u64>::new(), 0, None);
    while let Ok(status) = fixture::receive(&answers) {
        *statuses.entry(status).or_default() += 1;
        count += 1;
        if count == ANSWERS {
            run.send("TERM");
            stopped = Some(Instant::now());
        }
    }
    for client in clients {
        client.join().expect("each answer is right");
    }
    let run = run.finish();
    let took = stopped.expect("it was stopped").elapsed();
    assert!(took < LIMIT, "on {backend}: {took:?}");
    assert_eq!(run.code, Some(0), "on {backend}:\n{}", run.stderr);

    // Each success has happened, and nothing else: no client has gone.
    let successes = statuses.get(&200).copied().unwrap_or_default();
    assert!(successes > 0, "on {backend}: {statuses:?}");
    for word in ["completed", "jobs accepted"] {
        let counted = number(&run, word);
        assert_eq!(counted, successes, "{word} on {backend}:\n{}", run.stderr);
    }
    let last = run.stderr.lines().last().expect("the report");
    assert!(last.starts_with("safe to exit"), "{}", run.stderr);
}

#[test]
fn two_hundred_clients_and_a_signal() {
    let rounds = std::env::var("POOL_SERVICE_ROUNDS");
    let rounds = rounds.map_or(1, |rounds| rounds.parse().expect("a number of rounds"));
    for backend in Backend::available() {
        for _ in 0..rounds {
            round(backend);
        }
    }
}
