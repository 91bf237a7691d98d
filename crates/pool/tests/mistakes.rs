//! The compiler's messages for common mistakes, and for access to a pool's internals.
//!
//! Each file in `mistakes` must not compile. Its first lines, `//~ text`, are parts of the message
//! that the compiler must print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn each_mistake_is_told_in_words_that_help() {
    let library = library();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut mistakes: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder stands beside this file")
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    mistakes.sort();
    assert!(mistakes.len() >= 14, "{mistakes:?}");
    for mistake in &mistakes {
        let said = compile(mistake, &library);
        let source = fs::read_to_string(mistake).expect("it is readable");
        let expected: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("//~ "))
            .collect();
        assert!(
            !expected.is_empty(),
            "{} expects nothing",
            mistake.display()
        );
        for text in expected {
            assert!(
                said.contains(text),
                "{}: the compiler does not say\n    {text}\nbut\n{said}",
                mistake.display()
            );
        }
    }
}

/// What the compiler says to a file that must not compile.
fn compile(file: &Path, library: &Path) -> String {
    let folder = library.parent().expect("a library lies in a folder");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "--emit",
            "metadata",
            "--out-dir",
            env!("CARGO_TARGET_TMPDIR"),
        ])
        .arg("--extern")
        .arg(format!("pool={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", folder.join("deps").display()))
        .arg(file)
        .output()
        .expect("the compiler starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{} compiles", file.display());
    said
}

/// The library that this test is linked with. cargo has built it, and says where it is.
fn library() -> PathBuf {
    let features = if cfg!(feature = "sim") {
        "--all-features"
    } else {
        "--features=default"
    };
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--lib",
            "--message-format=json",
            features,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let library = messages
        .split('"')
        .rfind(|text| text.ends_with("libpool.rlib"))
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    PathBuf::from(library)
}
