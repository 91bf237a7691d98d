//! The oldest dependencies that the manifests allow: a copy of the crates is resolved to them and
//! checked.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::root;
use crate::steps::{Step, run_all};

/// Below the root: a separate workspace, so that no other lock file is touched.
const FOLDER: &str = "target/minimal";

pub(crate) fn run() -> Result<()> {
    let folder = root().join(FOLDER);
    copy(&folder)?;
    let manifest = format!("--manifest-path {FOLDER}/Cargo.toml");
    run_all(&[
        Step::program(
            "rustup",
            &format!("run nightly cargo -Zdirect-minimal-versions generate-lockfile {manifest}"),
        ),
        Step::cargo(&format!(
            "check --all-features {manifest} --target-dir {FOLDER}/target"
        )),
    ])
}

/// Copies the files of the crates that users build, and the workspace's manifest without its other
/// members.
pub(crate) fn copy(folder: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "crates",
            "README.md",
        ])
        .current_dir(root())
        .output()
        .context("could not start git")?;
    ensure!(
        listed.status.success(),
        "git does not list the files of the crates"
    );
    let crates = folder.join("crates");
    if crates.exists() {
        fs::remove_dir_all(&crates).with_context(|| crates.display().to_string())?;
    }
    for name in String::from_utf8(listed.stdout)?.lines() {
        let (from, to) = (root().join(name), folder.join(name));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        if from.exists() {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), members(&manifest, "crates/*")?)?;
    Ok(())
}

/// The workspace's manifest with only these members, and without entries for others.
pub(crate) fn members(manifest: &str, members: &str) -> Result<String> {
    let mut lines = Vec::new();
    let mut has_members = false;
    let mut is_skipped = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_skipped = line == "[profile.dev.package.xtask]";
        }
        if line.starts_with("members = ") {
            has_members = true;
            lines.push(format!("members = [{members:?}]"));
        } else if !is_skipped && !line.starts_with("default-members = ") {
            lines.push(line.to_owned());
        }
    }
    ensure!(has_members, "the workspace's manifest names no members");
    Ok(lines.join("\n") + "\n")
}
