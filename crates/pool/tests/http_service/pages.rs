//! What the service shows: its page, the same for programs, the metrics and its health.

use std::time::Duration;

use pool::Backend;
use serde_json::{Value, json};

use crate::example_binary::LIMIT;
use crate::fixture::{Client, GATE, HANGS, Serving};

/// A client may name its file so. In a path these letters are escaped.
const NAME: &str = "<script>alert('&\"')</script>";
const NAME_IN_PATH: &str = "%3Cscript%3Ealert('%26%22')%3C%2Fscript%3E";

#[test]
fn the_page_shows_each_worker_and_no_markup_of_a_client() {
    for backend in Backend::available() {
        let shut = GATE.write().expect("no test panics with it");
        let serving = Serving::start(backend, 2, LIMIT, LIMIT);
        let named = Client::put(serving.address, NAME_IN_PATH, HANGS);
        serving.wait_for(|stats| stats.running == 1);
        let queued = Client::put(serving.address, "queued", b"");
        serving.wait_for(|stats| stats.queued == 1);

        let page = Client::get(serving.address, "/pool");
        assert_eq!(page.status, 200, "on {backend}");
        assert!(
            page.text
                .contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)")
        );
        assert!(!page.text.contains("<script"), "{}", page.text);
        assert!(page.text.contains(backend.name()), "{}", page.text);

        let page = Client::get(serving.address, "/pool.json");
        let page: Value = serde_json::from_str(&page.text).expect("it is JSON");
        assert_eq!(page["backend"], backend.name(), "{page}");
        assert_eq!(
            (&page["phase"], &page["capacity"]),
            (&json!("open"), &json!(2))
        );
        assert_eq!(
            (&page["stats"]["queued"], &page["stats"]["running"]),
            (&json!(1), &json!(1))
        );
        let job = &page["workers"][0]["jobs"][0];
        assert_eq!(job["name"], NAME, "{page}");
        let age = job["running_for_seconds"].as_f64();
        assert!(age.is_some_and(|age| age < LIMIT.as_secs_f64()), "{page}");

        drop(shut);
        assert_eq!((named.answer().status, queued.answer().status), (200, 200));
        serving.stop();
        assert!(serving.end().all_completed(), "on {backend}");
    }
}

#[test]
fn the_metrics_agree_with_the_pool() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 8, LIMIT, LIMIT);
        for _ in 0..3 {
            let answer = Client::put(serving.address, "file", b"text").answer();
            assert_eq!(answer.status, 200, "on {backend}");
        }
        serving.wait_for(|stats| stats.completed == 3);
        let metrics = Client::get(serving.address, "/metrics");
        assert_eq!(metrics.status, 200, "on {backend}");
        let capacity = "worker_pool_queue_capacity{pool_name=\"uploads\"} 8";
        assert!(metrics.text.contains(capacity), "{}", metrics.text);
        // All pools of this process are "uploads", and a counter is that of the busiest.
        let completed = metrics.text.lines().find(|line| {
            line.starts_with("worker_pool_job_finished_total{")
                && line.contains("job_outcome=\"completed\"")
        });
        let count = completed.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        assert!(count.is_some_and(|it| it >= 3.0), "{}", metrics.text);
        let times = "worker_pool_job_run_time_seconds_count{";
        assert!(metrics.text.contains(times), "{}", metrics.text);
        serving.stop();
        let report = serving.end();
        assert!(report.balances() && report.accepted() >= 3, "{report}");
    }
}

#[test]
fn it_is_healthy_while_it_takes_jobs() {
    for backend in Backend::available() {
        let serving = Serving::start(backend, 8, LIMIT, Duration::from_secs(1));
        assert_eq!(Client::get(serving.address, "/healthz").status, 200);
        serving.close();
        let closed = Client::get(serving.address, "/healthz");
        assert_eq!((closed.status, closed.text.as_str()), (503, "stopping\n"));
        let refused = Client::put(serving.address, "file", b"text").answer();
        assert!(refused.status == 503 && refused.has_retry_after);
        serving.stop();
        assert!(serving.end().is_clean(), "on {backend}");
    }
}
