//! Finds a piece of code by its tokens, wherever it has moved.
//!
//! Spaces, line breaks and comments do not count, nor does a comma before a closing bracket, which
//! rustfmt adds and removes as it wraps. The module is where the search begins: if the code does
//! not occur there, it may occur once elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, tokenize};

/// The modules of a crate, by path, without the crate's name: `lifecycle::end`.
#[derive(Debug)]
pub(super) struct Sources(BTreeMap<String, Source>);

#[derive(Debug)]
struct Source {
    /// Below the folder of the sources.
    file: PathBuf,
    text: String,
}

/// Where a piece of code occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    module: String,
    bytes: Range<usize>,
}

impl Found {
    pub(super) fn module(&self) -> &str {
        &self.module
    }
}

impl Sources {
    /// Reads every module below a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut modules = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(below) = folders.pop() {
            let inside = folder.join(&below);
            let entries = fs::read_dir(&inside).with_context(|| inside.display().to_string())?;
            for entry in entries {
                let entry = entry?;
                let file = below.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    folders.push(file);
                } else if file.extension().is_some_and(|it| it == "rs") {
                    let text = fs::read_to_string(entry.path())?;
                    modules.insert(module_of(&file), Source { file, text });
                }
            }
        }
        Ok(Self(modules))
    }

    /// Writes them back.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for Source { file, text } in self.0.values() {
            let file = folder.join(file);
            fs::write(&file, text).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// Where `piece` occurs in the modules whose paths end with `module`; if nowhere, then where it
    /// occurs in the crate.
    pub(super) fn find(&self, module: &str, piece: &str) -> Vec<Found> {
        let ends_so = |path: &str| path == module || path.ends_with(&format!("::{module}"));
        let found = self.find_where(piece, ends_so);
        if found.is_empty() {
            self.find_where(piece, |_| true)
        } else {
            found
        }
    }

    fn find_where(&self, piece: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Found> {
        let piece = code(piece);
        let modules = self.0.iter().filter(|(path, _)| is_wanted(path));
        let found = modules.flat_map(|(path, source)| {
            let places = places_of(&piece, &code(&source.text));
            places.into_iter().map(|bytes| Found {
                module: path.clone(),
                bytes,
            })
        });
        found.collect()
    }

    /// Replaces a piece of code that was found since the last change.
    pub(super) fn replace(&mut self, found: &Found, new: impl FnOnce(&str) -> String) {
        let source = self.0.get_mut(&found.module);
        let text = &mut source.expect("a piece was found in a module").text;
        let new = new(&text[found.bytes.clone()]);
        text.replace_range(found.bytes.clone(), &new);
    }
}

/// The path of the module in a file.
fn module_of(file: &Path) -> String {
    let path = file.with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy());
    let parts: Vec<_> = parts
        .filter(|part| part != "mod" && part != "lib")
        .collect();
    parts.join("::")
}

/// A token, and where it is in its text.
type Token<'t> = (&'t str, Range<usize>);

/// The tokens of a text that are code.
fn code(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut start = 0;
    for token in tokenize(text, FrontmatterAllowed::No) {
        let end = start + token.len as usize;
        let is_closing = matches!(
            token.kind,
            TokenKind::CloseBrace | TokenKind::CloseBracket | TokenKind::CloseParen
        );
        if is_closing && tokens.last().is_some_and(|(last, _)| *last == ",") {
            tokens.pop();
        }
        let is_code = !matches!(
            token.kind,
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. }
        );
        if is_code {
            tokens.push((&text[start..end], start..end));
        }
        start = end;
    }
    tokens
}

/// Where a sequence of tokens occurs among others, in bytes of their text.
fn places_of(piece: &[Token<'_>], all: &[Token<'_>]) -> Vec<Range<usize>> {
    if piece.is_empty() {
        return Vec::new();
    }
    let is_same = |window: &&[Token<'_>]| {
        window
            .iter()
            .zip(piece)
            .all(|(one, other)| one.0 == other.0)
    };
    let windows = all.windows(piece.len()).filter(is_same);
    windows
        .map(|window| window[0].1.start..window[piece.len() - 1].1.end)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Source, Sources, module_of};

    impl Sources {
        pub(in crate::mutant) fn of<'t>(
            modules: impl IntoIterator<Item = (&'t str, &'t str)>,
        ) -> Self {
            let modules = modules.into_iter().map(|(path, text)| {
                let (file, text) = (format!("{path}.rs").into(), text.to_owned());
                (path.to_owned(), Source { file, text })
            });
            Self(modules.collect())
        }

        pub(in crate::mutant) fn text_of(&self, module: &str) -> &str {
            &self.0[module].text
        }
    }

    fn modules_with<'t>(
        modules: impl IntoIterator<Item = (&'t str, &'t str)>,
        piece: &str,
    ) -> Vec<String> {
        let found = Sources::of(modules).find("sleep", piece);
        found.into_iter().map(|it| it.module).collect()
    }

    #[test]
    fn a_file_is_a_module() {
        for (file, module) in [
            ("lib.rs", ""),
            ("state.rs", "state"),
            ("lifecycle/end.rs", "lifecycle::end"),
            ("cell/mod.rs", "cell"),
        ] {
            assert_eq!(module_of(Path::new(file)), module);
        }
    }

    #[test]
    fn wrapping_and_comments_do_not_count() {
        let piece = "wake(first, // the oldest\n second);\nif is_over {";
        for text in [
            "wake(first, second); if is_over { }",
            "wake(\n    first,\n    second,\n);\n/* why */ if is_over {\n}",
        ] {
            assert_eq!(modules_with([("sleep", text)], piece), ["sleep"]);
        }
        assert!(modules_with([("sleep", "wake(second, first); if is_over {")], piece).is_empty());
        assert!(
            modules_with([("sleep", "// wake(first, second); if is_over {")], piece).is_empty()
        );
    }

    #[test]
    fn the_module_comes_first_and_then_the_crate() {
        let (text, other) = ("fence();", "light();");
        let both = [("pool::sleep", text), ("worker", text)];
        assert_eq!(modules_with(both, text), ["pool::sleep"]);
        let moved = [("pool::sleep", other), ("worker::fences", text)];
        assert_eq!(modules_with(moved, text), ["worker::fences"]);
        let copied = [("one", text), ("two", text)];
        assert_eq!(modules_with(copied, text), ["one", "two"]);
    }

    #[test]
    fn a_part_of_a_token_is_not_found() {
        assert!(modules_with([("sleep", "a_fence();")], "fence();").is_empty());
    }
}
