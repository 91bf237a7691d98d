//! `/pool`: a snapshot for people, as one page that refreshes itself and needs no script.

use std::fmt::{self, Write};
use std::time::Duration;

use pool::{RunningJob, Snapshot, Stats, WorkerSnapshot};

/// Its colours follow the choice of the reader: light or dark.
const STYLE: &str = include_str!("page.css");

/// A bar is full at this age of a job, the limit of a request. The head of its column says so.
const FULL_BAR: Duration = Duration::from_secs(30);

pub(crate) fn page(snapshot: &Snapshot) -> String {
    let mut page = String::new();
    write(&mut page, snapshot).expect("a string grows");
    page
}

fn write(page: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let stats = &snapshot.stats;
    let all = snapshot.workers.len();
    let busy = all - snapshot.idle_workers();
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=1>\
         <meta name=viewport content=\"width=device-width\"><title>Pool: {queued} queued</title>\
         <style>{STYLE}</style><h1>Pool <small>{backend}, {phase}{paused}</small></h1><div class=tiles>",
        queued = stats.queued,
        backend = Escaped(snapshot.backend),
        phase = snapshot.phase,
        paused = if snapshot.is_paused { ", paused" } else { "" },
    )?;
    tile(page, "Workers with a job", busy as u64, Some(all as u64))?;
    tile(
        page,
        "Jobs queued",
        stats.queued,
        snapshot.capacity.map(|it| it as u64),
    )?;
    page.write_str("</div><h2>Workers</h2><table><tr><th>#<th>job<th>name<th>for<th>of 30 s</tr>")?;
    for worker in &snapshot.workers {
        rows(page, worker)?;
    }
    page.write_str("</table>")?;
    if !snapshot.suspended.is_empty() {
        page.write_str(
            "<h2>Suspended futures</h2><table><tr><th>#<th>job<th>name<th>for<th>of 30 s</tr>",
        )?;
        for job in &snapshot.suspended {
            row(page, &"", job)?;
        }
        page.write_str("</table>")?;
    }
    counts(page, stats)
}

/// A number, and how much that is of the most there can be.
fn tile(page: &mut String, what: &str, number: u64, most: Option<u64>) -> fmt::Result {
    write!(page, "<div><span>{what}</span><b>{number}</b>")?;
    if let Some(most) = most {
        write!(page, " of {most}")?;
        bar(page, number as f64 / most.max(1) as f64)?;
    }
    page.write_str("</div>")
}

fn bar(page: &mut String, share: f64) -> fmt::Result {
    let percent = (share * 100.0).clamp(0.0, 100.0);
    let class = if percent >= 80.0 { "high" } else { "" };
    write!(
        page,
        "<div class=bar><i class=\"{class}\" style=\"width:{percent:.0}%\"></i></div>"
    )
}

/// A row for each job of a worker: one that runs in place is within the one above.
fn rows(page: &mut String, worker: &WorkerSnapshot) -> fmt::Result {
    if worker.is_idle() {
        let index = worker.index;
        return write!(page, "<tr class=idle><td>{index}<td><td>idle<td><td></tr>");
    }
    for (depth, job) in worker.jobs.iter().enumerate() {
        if depth == 0 {
            row(page, &worker.index, job)?;
        } else {
            row(page, &"↳", job)?;
        }
    }
    Ok(())
}

fn row(page: &mut String, place: &dyn fmt::Display, job: &RunningJob) -> fmt::Result {
    let (id, age) = (job.id, job.running_for);
    let name = Escaped(job.name.as_deref().unwrap_or("-"));
    let ending = if job.is_ending { " (ending)" } else { "" };
    write!(
        page,
        "<tr><td>{place}<td>{id}<td>{name}{ending}<td>{age:.1?}<td>"
    )?;
    bar(page, age.as_secs_f64() / FULL_BAR.as_secs_f64())?;
    page.write_str("</tr>")
}

fn counts(page: &mut String, stats: &Stats) -> fmt::Result {
    page.write_str("<h2>Jobs since the start</h2><table class=counts><tr>")?;
    let counts = [
        ("accepted", stats.accepted),
        ("completed", stats.completed),
        ("failed", stats.failed),
        ("panicked", stats.panicked),
        ("cancelled", stats.cancelled),
        ("expired", stats.expired),
        ("abandoned", stats.abandoned),
        ("unstarted", stats.unstarted),
    ];
    for (what, _) in counts {
        write!(page, "<th>{what}")?;
    }
    page.write_str("</tr><tr>")?;
    for (_, number) in counts {
        write!(page, "<td>{number}")?;
    }
    page.write_str("</tr></table></html>")
}

/// Text that is no markup, whatever a client named its job.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
