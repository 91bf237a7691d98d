//! `cargo xtask tidy`: checks of the repository that no compiler makes.

mod checks;
mod english;
mod foreign;
mod proofs;
mod reliability;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::root;
use checks::Finding;
use source::Source;

/// The folders of the project's own code.
const DIRECTORIES: [&str; 4] = ["crates", "stress", "benches", "xtask"];

pub(crate) fn run() -> Result<()> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        find(&root().join(directory), "rs", &mut files)?;
    }
    files.sort();
    ensure!(!files.is_empty(), "found no source file");
    let (mut findings, mut names, mut texts) = (markdown()?, Vec::new(), Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root())?.to_string_lossy().into_owned();
        findings.extend(checks::all(&Source::new(&name, &text)));
        names.push(name);
        texts.push(text);
    }
    for finding in &findings {
        println!("{finding}");
    }
    let (files, found) = (files.len(), findings.len());
    ensure!(found == 0, "{found} findings in {files} files");
    foreign::check()?;
    let table = fs::read_to_string(root().join("RELIABILITY.md")).context("RELIABILITY.md")?;
    reliability::check(&table, &texts)?;
    proofs::check(
        names
            .iter()
            .map(String::as_str)
            .zip(texts.iter().map(String::as_str)),
    )?;
    println!("tidy: {files} files, no finding");
    Ok(())
}

/// All that is wrong with the documents: those of the code, those below `docs`, and those in the
/// root.
fn markdown() -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    for directory in DIRECTORIES.into_iter().chain(["docs"]) {
        find(&root().join(directory), "md", &mut files)?;
    }
    for entry in fs::read_dir(root())? {
        let path = entry?.path();
        if has_extension(&path, "md") {
            files.push(path);
        }
    }
    files.sort();
    let mut findings = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root())?.to_string_lossy();
        findings.extend(checks::all(&Source::new(&name, &text)));
    }
    Ok(findings)
}

/// Gathers the files with this extension below a directory. Build outputs and hidden directories
/// are not the project's.
fn find(directory: &Path, extension: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let is_ours = name != "target" && !name.to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() && is_ours {
            find(&path, extension, files)?;
        } else if has_extension(&path, extension) {
            files.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}
