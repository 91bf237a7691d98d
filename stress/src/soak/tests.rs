//! Tests of the checker: it notices each broken promise, and none if all are kept.

use std::sync::Arc;

use pool::{JobError, Outcome};

use super::books::{Books, Counts, Limits};

const LIMITS: Limits = Limits {
    workers: 1,
    capacity: 1,
    are_swapped: false,
    are_split: false,
};

type Said = Result<u64, JobError<()>>;

/// What the checker says about one job, whose life is `live`.
fn wrong_with(live: impl FnOnce(&Arc<Books>)) -> Vec<String> {
    let books = Books::new(LIMITS);
    live(&books);
    books.check_histories();
    books.all_wrong()
}

fn assert_found(what: &str, live: impl FnOnce(&Arc<Books>)) {
    let wrong = wrong_with(live);
    assert!(
        wrong.iter().any(|it| it.contains(what)),
        "`{what}` is not in {wrong:?}"
    );
}

#[test]
fn a_job_that_keeps_all_promises_is_not_blamed() {
    let wrong = wrong_with(|books| {
        let payload = books.open("submit", "completes");
        books.accepted(&payload.record);
        books.begins(&payload.record);
        books.ends(&payload.record, Outcome::Completed);
        books.outcome(&payload.record, &Said::Ok(0));
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_second_run_is_noticed() {
    assert_found("runs again", |books| {
        let payload = books.open("submit", "completes");
        books.begins(&payload.record);
        books.begins(&payload.record);
    });
}

#[test]
fn a_start_after_the_end_is_noticed() {
    assert_found("starts after its end", |books| {
        let payload = books.open("submit", "completes");
        books.outcome(&payload.record, &Said::Err(JobError::Cancelled));
        books.begins(&payload.record);
    });
}

#[test]
fn a_run_of_a_refused_job_is_noticed() {
    assert_found("refused and starts", |books| {
        let payload = books.open("submit", "completes");
        books.refused(&payload.record);
        books.begins(&payload.record);
    });
}

#[test]
fn two_outcomes_are_noticed() {
    assert_found("ended twice", |books| {
        let payload = books.open("submit", "completes");
        books.outcome(&payload.record, &Said::Err(JobError::Cancelled));
        books.outcome(&payload.record, &Said::Err(JobError::Abandoned));
    });
}

#[test]
fn the_outcome_of_another_job_is_noticed() {
    assert_found("a handle gave 7", |books| {
        let payload = books.open("submit", "completes");
        books.begins(&payload.record);
        books.ends(&payload.record, Outcome::Completed);
        books.outcome(&payload.record, &Said::Ok(7));
    });
}

#[test]
fn an_outcome_without_a_run_is_noticed() {
    assert_found("disagree", |books| {
        let payload = books.open("submit", "completes");
        books.accepted(&payload.record);
        books.outcome(&payload.record, &Said::Ok(0));
    });
}

#[test]
fn an_outcome_that_is_not_the_jobs_is_noticed() {
    for result in [Outcome::Completed, Outcome::Failed] {
        assert_found("its handle says otherwise", |books| {
            let payload = books.open("submit", "completes");
            books.begins(&payload.record);
            books.ends(&payload.record, result);
            books.outcome(&payload.record, &Said::Err(JobError::Abandoned));
        });
    }
    assert_found("disagree", |books| {
        let payload = books.open("submit", "fails");
        books.begins(&payload.record);
        books.ends(&payload.record, Outcome::Failed);
        books.outcome(&payload.record, &Said::Ok(0));
    });
}

#[test]
fn a_payload_that_is_left_is_noticed() {
    assert_found("alive after the end", |books| {
        std::mem::forget(books.open("submit", "completes"));
    });
}

#[test]
fn too_many_bodies_at_once_are_noticed() {
    assert_found("2 bodies run at once", |books| {
        books.body_begins();
        books.body_begins();
    });
}

#[test]
fn a_broken_bound_is_noticed() {
    assert_found("accepted and not started", |books| {
        let payloads = [(); 20].map(|()| books.open("try_submit", "completes"));
        for payload in &payloads {
            books.accepted(&payload.record);
        }
        books.check_bound();
    });
}

/// A job that completed, one that failed and one that never started.
fn three(books: &Arc<Books>) {
    for result in [Some(Outcome::Completed), Some(Outcome::Failed), None] {
        let payload = books.open("execute", "whatever");
        books.accepted(&payload.record);
        if let Some(result) = result {
            books.begins(&payload.record);
            books.ends(&payload.record, result);
        }
    }
}

#[test]
fn a_job_that_was_given_back_and_ran_where_it_was_joined_counts_as_not_started() {
    let given_back = Counts {
        accepted: 1,
        others: 1,
        unstarted: 1,
        ..Counts::default()
    };
    let joined = |books: &Arc<Books>| {
        let payload = books.open("ctx.submit", "whatever");
        books.accepted(&payload.record);
        books.begins(&payload.record);
        books.ends(&payload.record, Outcome::Completed);
    };
    let wrong = wrong_with(|books| {
        books.end_begins();
        joined(books);
        books.check_counts("the report", given_back);
    });
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_found("the report says", |books| {
        joined(books);
        books.end_begins();
        books.check_counts("the report", given_back);
    });
}

#[test]
fn a_report_that_agrees_with_the_jobs_is_not_blamed() {
    let right = Counts {
        accepted: 3,
        completed: 1,
        failed: 1,
        others: 1,
        ..Counts::default()
    };
    let wrong = wrong_with(|books| {
        three(books);
        books.check_counts("the report", right);
    });
    assert!(wrong.is_empty(), "{wrong:?}");
    let each_wrong = [
        Counts {
            accepted: 4,
            others: 2,
            ..right
        },
        Counts {
            accepted: 2,
            others: 0,
            ..right
        },
        Counts {
            completed: 2,
            others: 0,
            ..right
        },
        Counts {
            failed: 0,
            others: 2,
            ..right
        },
        Counts {
            panicked: 1,
            others: 0,
            ..right
        },
        Counts { others: 2, ..right },
    ];
    for counts in each_wrong {
        assert_found("the report says", |books| {
            three(books);
            books.check_counts("the report", counts);
        });
    }
}
