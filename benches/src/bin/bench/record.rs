//! The file of raw samples, with everything needed to read it years later: names, units, kinds and
//! the environment.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use benches::{Entry, Measure, Sample, Workload};
use serde::{Deserialize, Serialize};

use super::environment::Environment;

/// The name of the file.
const FILE: &str = "samples.json";
/// The digits of a figure to keep; the clock has no more.
const DIGITS: usize = 6;

/// One run of the benches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) environment: Environment,
    pub(crate) workloads: Vec<WorkloadInfo>,
    pub(crate) contestants: Vec<ContestantInfo>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) samples: Vec<Sample>,
}

/// What a reader must know about a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkloadInfo {
    pub(crate) name: String,
    pub(crate) title: String,
    /// The first one ranks.
    pub(crate) measures: Vec<MeasureInfo>,
    /// The size that ranks; samples of others show how the workload scales.
    pub(crate) size: usize,
    /// The same, for workers.
    pub(crate) workers: usize,
    /// The usual bound of the queue, which samples that name none had. Old records do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<usize>,
}

/// What can differ between the samples of a workload and a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scale {
    pub(crate) size: usize,
    pub(crate) workers: usize,
    /// `None`: the workload's usual bound.
    pub(crate) capacity: Option<usize>,
}

/// What a reader must know about a measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MeasureInfo {
    pub(crate) name: String,
    pub(crate) unit: Unit,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
    Ratio,
}

/// What a reader must know about a contestant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContestantInfo {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) note: String,
    /// Whether it refuses or waits at a bound; one that does not has less to do.
    pub(crate) is_bounded: bool,
}

/// The purpose of a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A backend of this project.
    Ours,
    /// A pool of another project.
    Library,
    /// What people write without a library.
    HandWritten,
    /// A limit that no pool can beat.
    Floor,
    /// A backend of this project in another form.
    Variant,
}

impl Kind {
    /// Whether it is another solution to the same problem.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::Library | Self::HandWritten)
    }
}

/// A sample that did not end, or whose result does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) workload: String,
    pub(crate) contestant: String,
    /// The command line, as one would type it.
    pub(crate) command: String,
    pub(crate) reason: String,
}

impl WorkloadInfo {
    pub(crate) fn new(workload: Workload, size: usize, workers: usize) -> Self {
        let measures = workload.measures().into_iter().map(MeasureInfo::from);
        Self {
            name: workload.to_string(),
            title: workload.title().to_owned(),
            measures: measures.collect(),
            size,
            workers,
            capacity: Some(workload.capacity(size)),
        }
    }

    /// The same, with one more measure.
    pub(crate) fn with(mut self, measure: Measure) -> Self {
        self.measures.push(measure.into());
        self
    }

    /// The size, number of workers and bound that rank.
    pub(crate) fn scale(&self) -> Scale {
        Scale {
            size: self.size,
            workers: self.workers,
            capacity: None,
        }
    }
}

impl From<Measure> for MeasureInfo {
    fn from(measure: Measure) -> Self {
        Self {
            name: measure.name.to_owned(),
            unit: measure.unit.into(),
        }
    }
}

impl From<&Sample> for Scale {
    fn from(sample: &Sample) -> Self {
        Self {
            size: sample.size,
            workers: sample.workers,
            capacity: sample.capacity,
        }
    }
}

impl From<Entry> for ContestantInfo {
    fn from(entry: Entry) -> Self {
        Self {
            name: entry.to_string(),
            kind: entry.kind().into(),
            note: entry.note().to_owned(),
            is_bounded: entry.is_bounded(),
        }
    }
}

impl From<benches::Kind> for Kind {
    fn from(kind: benches::Kind) -> Self {
        match kind {
            benches::Kind::Ours => Self::Ours,
            benches::Kind::Library => Self::Library,
            benches::Kind::HandWritten => Self::HandWritten,
            benches::Kind::Floor => Self::Floor,
            benches::Kind::Variant => Self::Variant,
        }
    }
}

impl From<benches::Unit> for Unit {
    fn from(unit: benches::Unit) -> Self {
        match unit {
            benches::Unit::Nanoseconds => Self::Nanoseconds,
            benches::Unit::Bytes => Self::Bytes,
            benches::Unit::Ratio => Self::Ratio,
        }
    }
}

impl Record {
    /// The contestant of this name. One that the file does not explain is left out of every
    /// ranking.
    pub(crate) fn contestant(&self, name: &str) -> Option<&ContestantInfo> {
        self.contestants.iter().find(|it| it.name == name)
    }

    /// Cuts each figure to the digits that the file keeps, so that the figures shown now match the
    /// file.
    pub(crate) fn round(&mut self) {
        for sample in &mut self.samples {
            sample
                .measures
                .values_mut()
                .for_each(|figure| *figure = rounded(*figure));
        }
    }

    /// Writes it into a directory, one sample a line, and returns the file's name.
    pub(crate) fn write(&self, directory: &Path) -> Result<PathBuf> {
        let file = directory.join(FILE);
        fs::write(&file, self.to_text()?)
            .with_context(|| format!("could not write {}", file.display()))?;
        Ok(file)
    }

    fn to_text(&self) -> Result<String> {
        let mut text = String::from("{\n");
        let environment = serde_json::to_string_pretty(&self.environment)?;
        writeln!(text, "\"environment\": {environment},")?;
        writeln!(text, "\"workloads\": {},", lines(&self.workloads)?)?;
        writeln!(text, "\"contestants\": {},", lines(&self.contestants)?)?;
        writeln!(text, "\"failures\": {},", lines(&self.failures)?)?;
        writeln!(text, "\"samples\": {}", lines(&self.samples)?)?;
        text.push_str("}\n");
        Ok(text)
    }

    /// Reads such a file, or the one in such a directory.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = file_of(path);
        let text = fs::read_to_string(&file)
            .with_context(|| format!("could not read {}", file.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} holds no samples of the benches", file.display()))
    }
}

/// Where a run's samples are, if `path` is its directory or the file itself.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        path.to_owned()
    } else {
        path.join(FILE)
    }
}

/// A JSON array with one element a line: a change of one element changes one line.
fn lines<T: Serialize>(elements: &[T]) -> Result<String> {
    let elements: Vec<String> = elements
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    Ok(match elements.as_slice() {
        [] => "[]".to_owned(),
        elements => format!("[\n{}\n]", elements.join(",\n")),
    })
}

fn rounded(figure: f64) -> f64 {
    let text = format!("{figure:.*e}", DIGITS - 1);
    text.parse().unwrap_or(figure)
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_has_a_line_for_each_sample() {
        let record = made_up::record(&[
            ("empty", "channel", &[100.0, 101.5]),
            ("empty", "peer", &[90.0]),
        ]);
        let text = record.to_text().unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        let lines = text.lines().filter(|line| line.contains("\"contestant\":"));
        assert_eq!(lines.count(), 3, "{text}");
    }

    #[test]
    fn a_record_from_before_the_bounds_is_read() {
        let record = made_up::record(&[("empty", "channel", &[100.0])]);
        let text = record.to_text().unwrap();
        assert!(!text.contains("capacity"), "{text}");
        let old: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(Scale::from(&old.samples[0]), old.workloads[0].scale());
    }

    #[test]
    fn a_figure_keeps_six_digits_whatever_its_size() {
        assert_eq!(rounded(123.456_789), 123.457);
        assert_eq!(rounded(0.000_123_456_789), 0.000_123_457);
        assert_eq!(rounded(4_096_000_000.0), 4_096_000_000.0);
        assert_eq!(rounded(0.0), 0.0);
    }

    #[test]
    fn a_directory_stands_for_its_file() {
        assert_eq!(file_of(Path::new("a/b")), Path::new("a/b/samples.json"));
        assert_eq!(file_of(Path::new("a/old.json")), Path::new("a/old.json"));
    }
}
