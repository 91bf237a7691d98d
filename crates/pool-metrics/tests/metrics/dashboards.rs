//! The dashboard and the alerts name what a pool exports, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use pool::{Backend, Pool};
use serde_json::Value;

use crate::exported::{LIMIT, hold_worker, metrics_of, render, until};

const DASHBOARD: &str = include_str!("../../dashboards/grafana.json");
const ALERTS: &str = include_str!("../../dashboards/alerts.yml");

/// The words of a text that begin so.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_letter(letter));
    words.filter(|word| word.starts_with(start)).collect()
}

/// All queries of a dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "expr" || name == "query" => found.push(text.to_owned()),
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// The names of series, and the words in their labels, that a pool exports which has done all.
fn exported(test: &str) -> (BTreeSet<String>, String) {
    let (metrics, series) = metrics_of(test, Backend::Channel);
    let pool = Pool::builder().backend(Backend::Channel).workers(1);
    let pool = pool.queue_capacity(1).stuck_after(LIMIT, |_| {});
    let pool = pool.observe(metrics.observer()).build();
    let pool = pool.expect("it is compiled in");
    let mut reporter = metrics.watch(&pool);
    let held = hold_worker(&pool);
    pool.spawn(|| 42).expect("there is room").detach();
    let waits = pool.spawn_timeout(|| 43, Duration::from_millis(1));
    assert!(waits.is_err(), "it waits, and is refused");
    drop(held);
    // The first report finds that jobs have come, and room for a probe.
    pool.wait_idle();
    until(&pool, "no answer of a probe", || {
        reporter.report_once();
        series.waits("probe") > 0.0 && series.waits("observed") > 0.0
    });
    let text = render();
    let mine = text.lines().filter(|line| line.contains(&series.pool));
    let mine: Vec<_> = mine.collect();
    let names = mine.iter().filter_map(|line| line.split('{').next());
    (names.map(str::to_owned).collect(), mine.join("\n"))
}

#[test]
fn the_dashboard_and_the_alerts_name_what_a_pool_exports() {
    let dashboard = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let mut texts = Vec::new();
    queries(&dashboard, &mut texts);
    assert!(texts.len() > 10, "the queries are found");
    let shown = texts.join("\n");
    let (names, lines) = exported("dashboards");
    for text in [shown.as_str(), ALERTS] {
        let used = words(text, "worker_pool_");
        assert!(used.len() >= 6, "{used:?}");
        for name in used {
            assert!(names.contains(name), "no {name} in {names:?}");
        }
        let labels = ["pool_", "job_", "reason", "state"].map(|start| words(text, start));
        for label in labels.iter().flatten() {
            assert!(lines.contains(&format!("{label}=\"")), "no label {label}");
        }
    }
    for name in &names {
        let name = name.strip_suffix("_sum").unwrap_or(name);
        let name = name
            .strip_suffix("_count")
            .filter(|it| it.ends_with("_seconds"))
            .unwrap_or(name);
        assert!(shown.contains(name), "{name} is on no panel");
    }
    assert_eq!(ALERTS.matches("- alert: ").count(), 4);
}

#[test]
fn each_metric_is_described_with_its_unit() {
    let (names, _) = exported("described");
    let text = render();
    for name in names {
        let family = ["_bucket", "_sum", "_count"].iter();
        let mut families = family.filter_map(|suffix| name.strip_suffix(suffix));
        let family = families.find(|it| it.ends_with("_seconds"));
        let help = format!("# HELP {} ", family.unwrap_or(&name));
        assert!(text.contains(&help), "no {help}");
    }
    for seconds in [
        "queue_oldest_age",
        "job_longest_running",
        "job_wait_time",
        "job_run_time",
        "submit_wait_time",
        "worker_busy_time",
    ] {
        assert!(text.contains(&format!("worker_pool_{seconds}_seconds")));
    }
}
