//! A copy of pool-core in which each mutant can be switched on when it runs, so that one build serves them all.
//!
//! The code itself stays as it is: it pays for no switch and shows none. A mutant replaces a piece of text that must stand exactly once
//! in its file; so one whose code has moved on is noticed when the copy is made, and not when it survives.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::mutants::Mutant;
use crate::minimal::members;
use crate::root;

/// The variable that names the mutant to be switched on.
pub(super) const VARIABLE: &str = "POOL_MUTANT";
/// What stands for the switch in a mutant's text.
const SWITCH: &str = "MUTANT";

const CRATE: &str = "crates/pool-core";
/// The copy's name: two packages of one name and one place below their workspaces would be one file in the target folder.
pub(super) const NAME: &str = "pool-core-mutants";

/// The switch in the copy.
const DOOR: &str = r#"
mod mutants {
    //! Which mutant is on.
    pub(crate) fn is_on(name: &str) -> bool {
        static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| std::env::var("POOL_MUTANT").ok());
        chosen.as_deref() == Some(name)
    }
}
"#;

/// Makes the copy, in a workspace of its own. Its root.
pub(super) fn with_mutants(mutants: &[Mutant]) -> Result<PathBuf> {
    let workspace = root().join("target/mutants");
    let package = workspace.join(CRATE);
    if package.exists() {
        fs::remove_dir_all(&package).with_context(|| package.display().to_string())?;
    }
    copy_sources(&root().join(CRATE), &package)?;
    fs::write(workspace.join("Cargo.toml"), manifest()?)?;
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    let sources = package.join("src");
    for mutant in mutants {
        change(&sources.join(mutant.file), |text| mutate(text, mutant))?;
    }
    change(&package.join("Cargo.toml"), |text| {
        let name = "name = \"pool-core\"";
        ensure!(
            text.contains(name),
            "the manifest of {CRATE} has another name"
        );
        Ok(text.replacen(name, &format!("name = {NAME:?}"), 1))
    })?;
    change(&sources.join("lib.rs"), |text| Ok(format!("{text}{DOOR}")))?;
    Ok(workspace)
}

fn change(file: &Path, by: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    fs::write(file, by(&text)?)?;
    Ok(())
}

/// The text of a file with a mutant's switch in it.
pub(super) fn mutate(text: &str, mutant: &Mutant) -> Result<String> {
    let found = text.matches(mutant.old).count();
    ensure!(
        found == 1,
        "the mutant {} does not fit any more: its text stands {found} times in {}; see xtask/src/loom/mutants.rs\n{}",
        mutant.name,
        mutant.file,
        mutant.old
    );
    let switch = format!("crate::mutants::is_on({:?})", mutant.name);
    let mut new = String::new();
    if mutant.new.contains(SWITCH) {
        new.push_str(&mutant.new.replace(SWITCH, &switch));
    } else {
        write!(
            new,
            "if {switch} {{ {} }} else {{ {} }}",
            mutant.new, mutant.old
        )?;
    }
    Ok(text.replacen(mutant.old, &new, 1))
}

/// The workspace's manifest, for the one crate alone.
fn manifest() -> Result<String> {
    let file = root().join("Cargo.toml");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    members(&text, CRATE)
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
