//! Plain, current English in comments and Markdown.

use super::checks::Finding;
use super::source::{Source, comment};

/// Old-fashioned turns of phrase, and what to say instead. Comments are checked, not code, so this
/// list does not break the rule.
pub(crate) const OLD_FASHIONED: [(&str, &str); 10] = [
    ("whoever", "the thread that, a caller that"),
    ("whomever", "the thread that, a caller that"),
    ("lest", "so that … not"),
    ("whereupon", "and then"),
    ("thereby", "so"),
    ("for ever", "forever"),
    ("beside", "next to, besides"),
    ("be it", "whether"),
    ("at the most", "at most"),
    ("at the least", "at least"),
];

/// A word of prose in lower case, and the index of its line. An empty one ends a clause.
struct Word {
    text: String,
    line: usize,
}

/// Finds each of [`OLD_FASHIONED`], also if its words are on two lines.
pub(crate) fn old_fashioned_turns(source: &Source<'_>) -> Vec<Finding> {
    let words = words(source);
    let mut findings = Vec::new();
    for start in 0..words.len() {
        for (turn, instead) in OLD_FASHIONED {
            if begins_with(&words[start..], turn) {
                let what = format!("`{turn}`: say {instead}");
                findings.push(Finding::at(source, words[start].line, what));
            }
        }
    }
    findings
}

fn begins_with(words: &[Word], turn: &str) -> bool {
    let mut words = words.iter();
    turn.split(' ')
        .all(|part| words.next().is_some_and(|word| word.text == part))
}

/// The prose of a file: all of Markdown, the comments of code.
fn words(source: &Source<'_>) -> Vec<Word> {
    let is_markdown = source.is_markdown();
    let mut words = Vec::new();
    for (line, text) in source.lines.iter().enumerate() {
        let prose = if is_markdown { text } else { comment(text) };
        let mut push = |text: String| words.push(Word { text, line });
        if prose.trim().is_empty() {
            push(String::new());
        }
        for token in prose.split_whitespace() {
            let is_mark = |letter: char| !letter.is_alphanumeric() && letter != '_';
            let word = token.trim_matches(is_mark).to_lowercase();
            // The owner in `the caller's`.
            push(word.split('\'').next().unwrap_or_default().to_owned());
            if token.ends_with(['.', ',', ';', ':', '?', '!', ')']) {
                push(String::new());
            }
        }
    }
    words
}
