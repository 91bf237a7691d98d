//! `Mutant`: a small weakening of pool-core, with what must notice it; and a copy of the crate in which each can be switched on when it runs.
//!
//! One build serves them all, and the code itself stays as it is: it pays for no switch and shows none. A mutant replaces a piece of text
//! that must stand exactly once in its file; so one whose code has moved on is noticed when the copy is made, and not when it survives.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A weakened variant of a piece of code.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// Unique; what a survivor is called by.
    pub(crate) name: &'static str,
    /// The model, or the test, that must fail.
    pub(crate) by: &'static str,
    /// What it does wrong.
    pub(crate) what: &'static str,
    /// Below `crates/pool-core/src`.
    pub(crate) file: &'static str,
    /// What stands there, once.
    pub(crate) old: &'static str,
    /// What takes its place while the mutant is on; or, where that is no expression or statement of its own, the whole new text, in
    /// which `MUTANT` says whether it is on.
    pub(crate) new: &'static str,
}

/// A list of mutants, by what must notice them.
macro_rules! mutants {
    ($($by:literal { $($name:ident: $what:literal, in $file:literal, $old:literal => $new:literal;)* })*) => {
        pub(super) const MUTANTS: &[$crate::mutant::Mutant] = &[$($(
            $crate::mutant::Mutant {
                name: stringify!($name),
                by: $by,
                what: $what,
                file: $file,
                old: $old,
                new: $new,
            },
        )*)*];
    };
}
pub(crate) use mutants;

/// The variable that names the mutant to be switched on.
pub(crate) const VARIABLE: &str = "POOL_MUTANT";
/// What stands for the switch in a mutant's text.
const SWITCH: &str = "MUTANT";

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

/// Puts mutants into a copy of pool-core.
pub(crate) fn put_into(package: &Path, mutants: &[Mutant]) -> Result<()> {
    let sources = package.join("src");
    for mutant in mutants {
        change(&sources.join(mutant.file), |text| mutate(text, mutant))?;
    }
    change(&sources.join("lib.rs"), |text| Ok(format!("{text}{DOOR}")))
}

/// Changes the text of a file.
pub(crate) fn change(file: &Path, by: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    fs::write(file, by(&text)?)?;
    Ok(())
}

/// The text of a file with a mutant's switch in it.
fn mutate(text: &str, mutant: &Mutant) -> Result<String> {
    let found = text.matches(mutant.old).count();
    ensure!(
        found == 1,
        "the mutant {} does not fit any more: its text stands {found} times in {}; see the lists of mutants below xtask/src\n{}",
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

/// A name is what switches a mutant on.
#[cfg(test)]
pub(crate) fn have_names_of_their_own(mutants: &[Mutant]) -> bool {
    let names: std::collections::BTreeSet<&str> = mutants.iter().map(|it| it.name).collect();
    names.len() == mutants.len()
}

#[cfg(test)]
mod tests {
    use super::{Mutant, mutate};

    const MUTANT: Mutant = Mutant {
        name: "no_fence",
        by: "models::m",
        what: "no fence",
        file: "f.rs",
        old: "fence();",
        new: "();",
    };

    #[test]
    fn a_mutant_is_a_switch_around_the_code() {
        let mutated = mutate("a();\nfence();\n", &MUTANT).unwrap();
        let expected = "a();\nif crate::mutants::is_on(\"no_fence\") { (); } else { fence(); }\n";
        assert_eq!(mutated, expected);
    }

    #[test]
    fn a_mutant_can_place_its_switch_itself() {
        let mutant = Mutant {
            new: "if !MUTANT { fence(); }",
            ..MUTANT
        };
        let mutated = mutate("fence();", &mutant).unwrap();
        assert_eq!(
            mutated,
            "if !crate::mutants::is_on(\"no_fence\") { fence(); }"
        );
    }

    #[test]
    fn a_mutant_whose_code_has_moved_on_is_an_error() {
        for text in ["a();", "fence(); fence();"] {
            let error = mutate(text, &MUTANT).unwrap_err().to_string();
            assert!(error.contains("no_fence"), "{error}");
        }
    }
}
