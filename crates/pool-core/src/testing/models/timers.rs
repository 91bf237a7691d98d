//! Models of what ends a sleep and a delayed job together with their pool.

use std::sync::Arc as StdArc;
use std::time::Duration;

use loom::thread;

use super::{life, model};
use crate::job::job_fn::infallible_fn;
use crate::pool::by_life::ByLife;
use crate::submit::delayed;

/// A sleep asks for the pool's token as the pool is cancelled, or stops: the token is cancelled.
#[test]
fn a_sleep_is_told_of_the_end_of_its_pool() {
    for stops in [false, true] {
        model(move || {
            let life = life();
            let finisher = {
                let life = StdArc::clone(&life);
                thread::spawn(move || {
                    if stops {
                        life.stop()
                    } else {
                        life.begin_cancel()
                    }
                })
            };
            let token = if stops {
                life.end_tokens.of_stop(&life.phase)
            } else {
                life.end_tokens.of_cancel(&life.phase)
            };
            finisher.join().unwrap();
            assert!(token.is_cancelled(), "it sleeps on");
        });
    }
}

/// A job is submitted for later as the pool closes: it comes back, or its handle resolves.
#[test]
fn a_delayed_job_ends_with_its_pool() {
    model(|| {
        let life = life();
        let closer = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.close())
        };
        let pool = ByLife(StdArc::clone(&life));
        let handle = delayed::after(&pool, Duration::MAX, infallible_fn(|| ()));
        closer.join().unwrap();
        if let Ok(handle) = handle {
            assert!(handle.is_finished(), "its handle waits forever");
        }
    });
}
