//! What lies below a folder: files to hash, and what cannot be hashed.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// One find of the walk.
pub(crate) enum Found {
    /// A regular file.
    File(PathBuf),
    /// Something that will not be opened, or could not be read.
    Bad { path: PathBuf, reason: String },
}

/// Walks in the order of names, so that two runs over the same folder submit the same jobs in the
/// same order. Folders are entered; a link that leads somewhere is skipped, since its target is
/// hashed where it lies.
pub(crate) fn walk(folder: &Path) -> impl Iterator<Item = Found> {
    WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| match entry {
            Ok(entry) => classify(entry),
            Err(error) => Some(unreadable(&error)),
        })
}

fn classify(entry: DirEntry) -> Option<Found> {
    let kind = entry.file_type();
    let path = entry.into_path();
    if kind.is_dir() {
        None
    } else if kind.is_file() {
        Some(Found::File(path))
    } else if kind.is_symlink() {
        let error = fs::metadata(&path).err()?;
        let reason = format!("a link that cannot be followed: {error}");
        Some(Found::Bad { path, reason })
    } else {
        // Never opened: opening a pipe waits for a process that writes to it.
        let reason = "not a regular file but a pipe, socket or device".to_owned();
        Some(Found::Bad { path, reason })
    }
}

fn unreadable(error: &walkdir::Error) -> Found {
    Found::Bad {
        path: error.path().unwrap_or(Path::new("")).to_owned(),
        reason: error
            .io_error()
            .map_or_else(|| error.to_string(), ToString::to_string),
    }
}
