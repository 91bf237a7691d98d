//! `--compare A B`: what became faster or slower between two runs, taking noise and the machine's
//! speed into account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};
use comfy_table::Table;

use super::record::{Record, Scale, Unit};
use super::statistics::{MIN_SAMPLES, Ratio, Side, Spread, median};
use super::{table, words};

/// What is compared: everything except the contestant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    workload: &'a str,
    scale: Scale,
    measure: &'a str,
}

/// The figures of a run by place and contestant.
type Figures<'a> = BTreeMap<Place<'a>, BTreeMap<&'a str, Vec<f64>>>;

/// The verdict on a contestant at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Better by more than the threshold and by more than chance.
    Better,
    /// Worse by more than the threshold and by more than chance.
    Worse,
    /// Neither.
    Same,
    /// One of the runs has too few samples.
    TooFew,
    /// Another machine, and no peer that shows how fast it is.
    NoPeer,
}

/// A contestant at a place, before and after.
#[derive(Debug)]
struct Change<'a> {
    place: Place<'a>,
    contestant: &'a str,
    unit: Unit,
    medians: [f64; 2],
    /// The ratio of after to before.
    measured: Ratio,
    /// The same divided by the ratio of a peer, and that peer's name.
    relative: Option<(Ratio, &'a str)>,
    verdict: Verdict,
}

pub(crate) fn run(old: &Path, new: &Path, threshold: f64) -> Result<()> {
    ensure!(
        threshold >= 0.0,
        "a threshold is a number of per cent, not less than 0"
    );
    let (old, new) = (Record::read(old)?, Record::read(new)?);
    let changes = changes(&old, &new, threshold / 100.0);
    ensure!(
        !changes.is_empty(),
        "the two runs have no measured point in common"
    );
    if !is_same_machine(&old, &new) {
        println!("another machine: times are compared after division by a peer's, or not at all");
    }
    let changed = |it: &&Change<'_>| matches!(it.verdict, Verdict::Better | Verdict::Worse);
    let mut shown: Vec<&Change<'_>> = changes.iter().filter(changed).collect();
    shown.sort_by(|a, b| a.decisive().total_cmp(&b.decisive()));
    if !shown.is_empty() {
        println!("{}", as_table(&shown));
    }
    println!("{}", tally(&changes, threshold));
    Ok(())
}

fn is_same_machine(old: &Record, new: &Record) -> bool {
    let machine = |it: &Record| (it.environment.cpu.clone(), it.environment.cores);
    machine(old) == machine(new)
}

fn figures(record: &Record) -> Figures<'_> {
    let mut figures = Figures::new();
    for sample in &record.samples {
        for (measure, &figure) in &sample.measures {
            let place = Place {
                workload: &sample.workload,
                scale: Scale::from(sample),
                measure,
            };
            let contestants = figures.entry(place).or_default();
            contestants
                .entry(&sample.contestant)
                .or_default()
                .push(figure);
        }
    }
    figures
}

fn changes<'a>(old: &'a Record, new: &'a Record, threshold: f64) -> Vec<Change<'a>> {
    let judge = Judge {
        units: units(new),
        peers: peers(old, new),
        is_same_machine: is_same_machine(old, new),
        threshold,
    };
    let (then, now) = (figures(old), figures(new));
    let mut changes = Vec::new();
    for (place, now) in now {
        let Some(then) = then.get(&place) else {
            continue;
        };
        let of = |&contestant: &&'a str| judge.change(&place, contestant, then, &now);
        changes.extend(now.keys().filter_map(of));
    }
    changes
}

/// The unit of each workload's measures.
fn units(record: &Record) -> BTreeMap<(&str, &str), Unit> {
    let units = record.workloads.iter().flat_map(|workload| {
        let measures = workload.measures.iter();
        measures.map(|it| ((workload.name.as_str(), it.name.as_str()), it.unit))
    });
    units.collect()
}

/// The peers of both runs: their code is the same, so a change of theirs is due to the machine.
fn peers<'a>(old: &Record, new: &'a Record) -> BTreeSet<&'a str> {
    let is_in_old = |name: &str| old.contestant(name).is_some_and(|it| it.kind.is_peer());
    let peers = new.contestants.iter().filter(|it| it.kind.is_peer());
    let names = peers.map(|it| it.name.as_str());
    names.filter(|name| is_in_old(name)).collect()
}

/// What decides besides the figures.
struct Judge<'a> {
    units: BTreeMap<(&'a str, &'a str), Unit>,
    peers: BTreeSet<&'a str>,
    is_same_machine: bool,
    /// Changes up to this part are noise.
    threshold: f64,
}

impl<'a> Judge<'a> {
    fn change(
        &self,
        place: &Place<'a>,
        contestant: &'a str,
        then: &BTreeMap<&str, Vec<f64>>,
        now: &BTreeMap<&'a str, Vec<f64>>,
    ) -> Option<Change<'a>> {
        let unit = *self.units.get(&(place.workload, place.measure))?;
        let (before, after) = (then.get(contestant)?, now.get(contestant)?);
        let measured = Ratio::of(after, before)?;
        let relative = match unit {
            Unit::Nanoseconds => self.relative(contestant, then, now),
            // Bytes and shares do not depend on the machine's speed.
            Unit::Bytes | Unit::Ratio => None,
        };
        let is_enough = before.len().min(after.len()) >= MIN_SAMPLES;
        let depends = unit == Unit::Nanoseconds && !self.is_same_machine;
        let verdict = match relative {
            _ if !is_enough => Verdict::TooFew,
            Some((relative, _)) if depends => self.verdict(relative),
            None if depends => Verdict::NoPeer,
            // Both must show it: a change that only the peer had is not the contestant's.
            Some((relative, _)) if self.verdict(relative) != self.verdict(measured) => {
                Verdict::Same
            }
            _ => self.verdict(measured),
        };
        Some(Change {
            place: place.clone(),
            contestant,
            unit,
            medians: [median(before)?, median(after)?],
            measured,
            relative,
            verdict,
        })
    }

    /// The change relative to that of the steadiest other peer.
    fn relative(
        &self,
        contestant: &str,
        then: &BTreeMap<&str, Vec<f64>>,
        now: &BTreeMap<&'a str, Vec<f64>>,
    ) -> Option<(Ratio, &'a str)> {
        let noise = |figures: &[f64]| Spread::of(figures).map(|it| it.relative());
        let candidates = now.iter().filter_map(|(&name, after)| {
            let before = then.get(name)?;
            let is_fit = name != contestant && self.peers.contains(name);
            let is_enough = before.len().min(after.len()) >= MIN_SAMPLES;
            (is_fit && is_enough).then_some((noise(before)? + noise(after)?, name, before, after))
        });
        let (_, name, before, after) = candidates.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let ratio = Ratio::of_ratios(
            [now.get(contestant)?, after],
            [then.get(contestant)?, before],
        );
        Some((ratio?, name))
    }

    fn verdict(&self, ratio: Ratio) -> Verdict {
        // The same threshold in both directions: 1.1 and 1 / 1.1.
        let is_small = ratio.value.ln().abs() <= self.threshold.ln_1p();
        match ratio.side() {
            Side::Below if !is_small => Verdict::Better,
            Side::Above if !is_small => Verdict::Worse,
            _ => Verdict::Same,
        }
    }
}

impl Change<'_> {
    /// The more telling ratio: relative to a peer if there is one.
    fn decisive(&self) -> f64 {
        self.relative
            .map_or(self.measured.value, |(ratio, _)| ratio.value)
    }

    fn cells(&self) -> [String; 7] {
        let Place {
            workload,
            scale,
            measure,
        } = &self.place;
        let text = |ratio: Ratio| format!("{} ({})", words::ratio(ratio), words::interval(ratio));
        let relative = self.relative.map_or_else(String::new, |(ratio, peer)| {
            format!("{} to {peer}", text(ratio))
        });
        let medians = self.medians.map(|it| words::figure(it, self.unit));
        [
            format!("{workload} ({})", words::scale(*scale)),
            self.contestant.to_owned(),
            (*measure).to_owned(),
            medians.join(" -> "),
            text(self.measured),
            relative,
            self.word().to_owned(),
        ]
    }

    fn word(&self) -> &'static str {
        match (self.verdict, self.unit) {
            (Verdict::Better, Unit::Nanoseconds) => "faster",
            (Verdict::Better, _) => "less",
            (Verdict::Worse, Unit::Nanoseconds) => "SLOWER",
            (Verdict::Worse, _) => "MORE",
            (Verdict::Same, _) => "same",
            (Verdict::TooFew, _) => "too few samples",
            (Verdict::NoPeer, _) => "no peer",
        }
    }
}

fn as_table(changes: &[&Change<'_>]) -> Table {
    let mut table = table::new();
    table.set_header([
        "workload",
        "contestant",
        "measure",
        "median",
        "as measured",
        "beside a peer",
        "",
    ]);
    for change in changes {
        table.add_row(change.cells());
    }
    table::align(&mut table);
    table
}

/// How many changes of each verdict there are.
struct Tally {
    counts: [usize; 5],
    threshold: f64,
}

fn tally(changes: &[Change<'_>], threshold: f64) -> Tally {
    let verdicts = [
        Verdict::Better,
        Verdict::Worse,
        Verdict::Same,
        Verdict::TooFew,
        Verdict::NoPeer,
    ];
    let count = |verdict| changes.iter().filter(|it| it.verdict == verdict).count();
    Tally {
        counts: verdicts.map(count),
        threshold,
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [better, worse, same, few, alone] = self.counts;
        let threshold = self.threshold;
        write!(
            f,
            "{better} better, {worse} worse, {same} the same up to noise and {threshold} %"
        )?;
        if few > 0 {
            write!(f, ", {few} with fewer than {MIN_SAMPLES} samples")?;
        }
        if alone > 0 {
            write!(f, ", {alone} from another machine without a peer")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::{around, record};
    use super::*;

    const THRESHOLD: f64 = 0.1;

    /// The verdict on `channel` between two runs, each of the medians of `channel` and `peer`.
    fn verdict(old: (f64, f64), new: (f64, f64), is_same_machine: bool) -> Verdict {
        let run = |(channel, peer)| {
            record(&[
                ("empty", "channel", &around(channel)),
                ("empty", "peer", &around(peer)),
            ])
        };
        let (old, mut new) = (run(old), run(new));
        if !is_same_machine {
            new.environment.cores += 1;
        }
        let changes = changes(&old, &new, THRESHOLD);
        changes
            .iter()
            .find(|it| it.contestant == "channel")
            .unwrap()
            .verdict
    }

    #[test]
    fn on_one_machine_a_change_must_show_as_measured_and_beside_the_peer() {
        assert_eq!(
            verdict((200.0, 100.0), (150.0, 100.0), true),
            Verdict::Better
        );
        assert_eq!(
            verdict((200.0, 100.0), (250.0, 100.0), true),
            Verdict::Worse
        );
        // The machine slowed down, and every contestant with it.
        assert_eq!(verdict((200.0, 100.0), (300.0, 150.0), true), Verdict::Same);
        // Only the peer became slower.
        assert_eq!(verdict((200.0, 100.0), (200.0, 150.0), true), Verdict::Same);
    }

    #[test]
    fn a_change_below_the_threshold_is_noise() {
        assert_eq!(verdict((200.0, 100.0), (215.0, 100.0), true), Verdict::Same);
        assert_eq!(verdict((200.0, 100.0), (185.0, 100.0), true), Verdict::Same);
    }

    #[test]
    fn another_machine_is_seen_through_the_peer() {
        assert_eq!(verdict((200.0, 100.0), (100.0, 50.0), false), Verdict::Same);
        assert_eq!(
            verdict((200.0, 100.0), (200.0, 50.0), false),
            Verdict::Worse
        );
        assert_eq!(
            verdict((200.0, 100.0), (50.0, 50.0), false),
            Verdict::Better
        );
    }

    #[test]
    fn another_machine_without_a_peer_tells_nothing() {
        let old = record(&[("empty", "channel", &around(200.0))]);
        let mut new = record(&[("empty", "channel", &around(100.0))]);
        assert_eq!(changes(&old, &new, THRESHOLD)[0].verdict, Verdict::Better);
        new.environment.cpu = "A Slow One".to_owned();
        assert_eq!(changes(&old, &new, THRESHOLD)[0].verdict, Verdict::NoPeer);
    }

    #[test]
    fn bytes_are_compared_as_measured_on_any_machine() {
        let mut old = record(&[
            ("empty", "channel", &around(200.0)),
            ("empty", "peer", &around(100.0)),
        ]);
        let mut new = record(&[
            ("empty", "channel", &around(100.0)),
            ("empty", "peer", &around(50.0)),
        ]);
        for run in [&mut old, &mut new] {
            run.workloads[0].measures[0].unit = Unit::Bytes;
        }
        new.environment.cores += 1;
        let changes = changes(&old, &new, THRESHOLD);
        assert_eq!(changes[0].verdict, Verdict::Better);
        assert!(changes[0].relative.is_none());
    }

    #[test]
    fn a_noisy_run_does_not_tell_a_change() {
        let noisy: Vec<f64> = (0..15).map(|it| 100.0 + 40.0 * f64::from(it % 5)).collect();
        let old = record(&[("empty", "channel", &noisy)]);
        let louder: Vec<f64> = noisy.iter().map(|it| it * 1.12).collect();
        let new = record(&[("empty", "channel", &louder)]);
        assert_eq!(changes(&old, &new, THRESHOLD)[0].verdict, Verdict::Same);
    }

    #[test]
    fn few_samples_tell_nothing_and_the_tally_says_so() {
        let old = record(&[("empty", "channel", &[100.0; 4])]);
        let new = record(&[("empty", "channel", &[300.0; 4])]);
        let changes = changes(&old, &new, THRESHOLD);
        assert_eq!(changes[0].verdict, Verdict::TooFew);
        let text = tally(&changes, 10.0).to_string();
        assert!(text.ends_with("1 with fewer than 5 samples"), "{text}");
    }

    #[test]
    fn the_steadiest_peer_is_the_reference() {
        let shaky: Vec<f64> = (0..15).map(|it| 90.0 + 10.0 * f64::from(it % 3)).collect();
        let run = || {
            record(&[
                ("empty", "channel", &around(100.0)),
                ("empty", "a-shaky-peer", &shaky),
                ("empty", "steady-peer", &around(100.0)),
            ])
        };
        let (old, new) = (run(), run());
        let changes = changes(&old, &new, THRESHOLD);
        let channel = changes
            .iter()
            .find(|it| it.contestant == "channel")
            .unwrap();
        assert_eq!(channel.relative.unwrap().1, "steady-peer");
    }

    #[test]
    fn points_of_one_run_alone_are_not_compared() {
        let old = record(&[("empty", "channel", &around(1.0))]);
        let new = record(&[("results", "channel", &around(1.0))]);
        assert!(changes(&old, &new, THRESHOLD).is_empty());
    }
}
