//! A copy of pool-core with mutants, in a workspace of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::minimal::members;
use crate::mutant::{Mutant, change, put_into};
use crate::root;

const CRATE: &str = "crates/pool-core";
/// The copy's name: two packages with the same name and the same path in their workspaces would
/// share a file in the target folder.
pub(super) const NAME: &str = "pool-core-mutants";

/// Makes the copy. Returns its workspace's root.
pub(super) fn with_mutants(mutants: &[Mutant]) -> Result<PathBuf> {
    let workspace = root().join("target/mutants");
    let package = workspace.join(CRATE);
    if package.exists() {
        fs::remove_dir_all(&package).with_context(|| package.display().to_string())?;
    }
    copy_sources(&root().join(CRATE), &package)?;
    fs::write(workspace.join("Cargo.toml"), manifest()?)?;
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    put_into(&package, mutants)?;
    change(&package.join("Cargo.toml"), |text| {
        let name = "name = \"pool-core\"";
        ensure!(
            text.contains(name),
            "the manifest of {CRATE} has another name"
        );
        Ok(text.replacen(name, &format!("name = {NAME:?}"), 1))
    })?;
    Ok(workspace)
}

/// The workspace's manifest, reduced to this crate.
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
