//! `Mutant`: a small weakening of pool-core, with the model or test that must notice it; and a copy
//! of the crate in which each can be switched on at run time.
//!
//! One build serves all mutants, and the code itself stays unchanged: it contains no switch. A
//! mutant replaces a piece of code that occurs exactly once. It is found by its tokens and by its
//! module: see [`anchor`]. So moving a module, renaming it, wrapping a line or rewording a comment
//! does not break a mutant, and a mutant whose code has changed is an error when the copy is made,
//! not a survivor.

mod anchor;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use anchor::Sources;

/// A weakened variant of a piece of code.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// A unique name, by which a survivor is reported.
    pub(crate) name: &'static str,
    /// The model, or the test, that must fail.
    pub(crate) by: &'static str,
    /// What it does wrong.
    pub(crate) what: &'static str,
    /// The module where the code is looked for first: the last parts of its path are enough.
    pub(crate) module: &'static str,
    /// The code, which occurs once: in that module, or otherwise in the crate. It may be half a
    /// block, and does not end with a comma.
    pub(crate) old: &'static str,
    /// What replaces it while the mutant is on; or, if that is not an expression or statement, the
    /// whole new text, in which `MUTANT` says whether it is on.
    pub(crate) new: &'static str,
}

/// A list of mutants, by what must notice them.
macro_rules! mutants {
    ($($by:literal { $($name:ident: $what:literal, in $module:literal, $old:literal => $new:literal;)* })*) => {
        pub(super) const MUTANTS: &[$crate::mutant::Mutant] = &[$($(
            $crate::mutant::Mutant {
                name: stringify!($name),
                by: $by,
                what: $what,
                module: $module,
                old: $old,
                new: $new,
            },
        )*)*];
    };
}
pub(crate) use mutants;

/// The variable that names the mutant to switch on.
pub(crate) const VARIABLE: &str = "POOL_MUTANT";
/// The placeholder for the switch in a mutant's text.
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
    let folder = package.join("src");
    mutated(&folder, mutants)?.write(&folder)?;
    change(&folder.join("lib.rs"), |text| Ok(format!("{text}{DOOR}")))
}

/// The modules in a folder with all mutants in them, or a list of everything that does not fit.
fn mutated(folder: &Path, mutants: &[Mutant]) -> Result<Sources> {
    let mut sources = Sources::read(folder)?;
    let errors: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| mutate(&mut sources, mutant).err())
        .map(|error| error.to_string())
        .collect();
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    Ok(sources)
}

/// Changes the text of a file.
pub(crate) fn change(file: &Path, by: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    fs::write(file, by(&text)?)?;
    Ok(())
}

/// Puts a mutant's switch around the code that it weakens.
fn mutate(sources: &mut Sources, mutant: &Mutant) -> Result<()> {
    let found = sources.find(mutant.module, mutant.old);
    ensure!(
        found.len() == 1,
        "the mutant {} does not fit: its code occurs {} times, in {:?}; see the lists of mutants in xtask/src\n{}",
        mutant.name,
        found.len(),
        found.iter().map(|it| it.module()).collect::<Vec<_>>(),
        mutant.old
    );
    let switch = format!("crate::mutants::is_on({:?})", mutant.name);
    sources.replace(&found[0], |old| {
        if mutant.new.contains(SWITCH) {
            mutant.new.replace(SWITCH, &switch)
        } else {
            format!("if {switch} {{ {} }} else {{ {old} }}", mutant.new)
        }
    });
    Ok(())
}

/// Checks that each mutant has a unique name, which switches it on, and fits the current code.
#[cfg(test)]
pub(crate) fn check(mutants: &[Mutant]) {
    let names: std::collections::BTreeSet<&str> = mutants.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), mutants.len());
    mutated(&crate::root().join("crates/pool-core/src"), mutants).unwrap();
}

#[cfg(test)]
mod tests {
    use super::{Mutant, Sources, mutate};

    const MUTANT: Mutant = Mutant {
        name: "no_fence",
        by: "models::m",
        what: "no fence",
        module: "sleep",
        old: "fence();",
        new: "();",
    };

    fn with(mutant: &Mutant, text: &str) -> String {
        let mut sources = Sources::of([("sleep", text)]);
        mutate(&mut sources, mutant).unwrap();
        sources.text_of("sleep").to_owned()
    }

    #[test]
    fn a_mutant_is_a_switch_around_the_code() {
        let expected = "a();\nif crate::mutants::is_on(\"no_fence\") { (); } else { fence(); }\n";
        assert_eq!(with(&MUTANT, "a();\nfence();\n"), expected);
    }

    #[test]
    fn a_mutant_can_place_its_switch_itself() {
        let mutant = Mutant {
            new: "if !MUTANT { fence(); }",
            ..MUTANT
        };
        let expected = "if !crate::mutants::is_on(\"no_fence\") { fence(); }";
        assert_eq!(with(&mutant, "fence();"), expected);
    }

    #[test]
    fn a_mutant_whose_code_has_changed_is_an_error() {
        for text in ["a();", "fence(); fence();"] {
            let mut sources = Sources::of([("sleep", text)]);
            let error = mutate(&mut sources, &MUTANT).unwrap_err().to_string();
            assert!(error.contains("no_fence"), "{error}");
        }
    }
}
