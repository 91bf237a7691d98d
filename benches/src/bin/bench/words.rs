//! Figures and ratios for readers, with the same words in the table, the report and the README.

use super::record::{Scale, Unit};
use super::statistics::{Ratio, Side};

/// A figure with the unit that brings it between one and a thousand, if there is one.
pub(crate) fn figure(figure: f64, unit: Unit) -> String {
    let scaled = |step: f64, names: &[&'static str]| {
        let mut rest = figure;
        let mut names = names.iter();
        let mut name = names.next().copied().unwrap_or_default();
        for larger in names {
            if rest.abs() < step {
                break;
            }
            rest /= step;
            name = larger;
        }
        format!("{} {name}", three_digits(rest))
    };
    match unit {
        Unit::Nanoseconds => scaled(1000.0, &["ns", "µs", "ms", "s"]),
        Unit::Bytes => scaled(1024.0, &["B", "KiB", "MiB", "GiB"]),
        Unit::Ratio => three_digits(figure),
    }
}

/// Three digits, or all digits before the point.
fn three_digits(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.1 => format!("{figure:.2}"),
        size if size >= 0.01 => format!("{figure:.3}"),
        size if size >= 0.001 => format!("{figure:.4}"),
        _ => format!("{figure:.1e}"),
    }
}

/// `1.42`; large ones with fewer digits.
pub(crate) fn ratio(ratio: Ratio) -> String {
    three_digits(ratio.value)
}

/// `1.38..1.47`, or nothing if there were too few samples.
pub(crate) fn interval(ratio: Ratio) -> String {
    let text = |(low, high)| format!("{}..{}", three_digits(low), three_digits(high));
    ratio.interval.map_or_else(String::new, text)
}

/// `1.42× slower`, `1.10× faster`; `level` if the interval does not tell the two apart, `unclear`
/// without an interval.
pub(crate) fn verdict(ratio: Ratio, unit: Unit) -> String {
    let (less, more) = match unit {
        Unit::Nanoseconds => ("faster", "slower"),
        Unit::Bytes => ("smaller", "larger"),
        Unit::Ratio => ("lower", "higher"),
    };
    match ratio.side() {
        Side::Below => format!("{}× {less}", three_digits(1.0 / ratio.value)),
        Side::Above => format!("{}× {more}", three_digits(ratio.value)),
        Side::Unclear if ratio.interval.is_none() => "unclear".to_owned(),
        Side::Unclear => "level".to_owned(),
    }
}

/// `time-per-job` as a title: `Time per job`.
pub(crate) fn title(name: &str) -> String {
    let text = name.replace('-', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The bound of a queue.
pub(crate) fn bound(capacity: usize) -> String {
    match capacity {
        usize::MAX => "no bound".to_owned(),
        capacity => format!("bound {}", count(capacity)),
    }
}

/// `size 100, 2 workers`, and the bound if it is not the usual one.
pub(crate) fn scale(scale: Scale) -> String {
    let Scale {
        size,
        workers,
        capacity,
    } = scale;
    let bound = capacity.map_or_else(String::new, |it| format!(", {}", bound(it)));
    format!("size {size}, {workers} workers{bound}")
}

/// A whole number with separators between thousands.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_gets_the_unit_that_fits() {
        assert_eq!(figure(0.0, Unit::Nanoseconds), "0 ns");
        assert_eq!(figure(7.123, Unit::Nanoseconds), "7.12 ns");
        assert_eq!(figure(99.94, Unit::Nanoseconds), "99.9 ns");
        assert_eq!(figure(1234.0, Unit::Nanoseconds), "1.23 µs");
        assert_eq!(figure(5e10, Unit::Nanoseconds), "50.0 s");
        assert_eq!(figure(1536.0, Unit::Bytes), "1.50 KiB");
        assert_eq!(figure(0.25, Unit::Ratio), "0.25");
        assert_eq!(figure(0.0123, Unit::Ratio), "0.012");
        assert_eq!(figure(0.000_012, Unit::Ratio), "1.2e-5");
    }

    #[test]
    fn a_verdict_needs_an_interval_on_one_side() {
        let with = |value, interval| Ratio { value, interval };
        let time = Unit::Nanoseconds;
        assert_eq!(verdict(with(2.0, Some((1.9, 2.1))), time), "2.00× slower");
        assert_eq!(verdict(with(0.5, Some((0.4, 0.6))), time), "2.00× faster");
        assert_eq!(
            verdict(with(0.5, Some((0.4, 0.6))), Unit::Bytes),
            "2.00× smaller"
        );
        assert_eq!(verdict(with(1.1, Some((0.9, 1.2))), time), "level");
        assert_eq!(verdict(with(9.0, None), time), "unclear");
    }

    #[test]
    fn an_interval_that_is_not_there_is_not_shown() {
        let with = |interval| Ratio {
            value: 1.0,
            interval,
        };
        assert_eq!(interval(with(Some((0.5, 12.34)))), "0.50..12.3");
        assert_eq!(interval(with(None)), "");
    }

    #[test]
    fn a_name_becomes_a_title() {
        assert_eq!(title("time-per-job"), "Time per job");
        assert_eq!(title(""), "");
    }

    #[test]
    fn the_largest_bound_is_none() {
        assert_eq!(bound(100), "bound 100");
        assert_eq!(bound(usize::MAX), "no bound");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
