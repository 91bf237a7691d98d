//! `cargo xtask test`: what to run before each commit. Also the rest of what a change must pass,
//! which `cargo xtask ci` runs.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::steps::{Step, cargo, run_all};

/// Tested separately, as users build them: together with the other packages, unified features would
/// build their pools for the simulator.
const AS_SHIPPED: [&str; 5] = [
    "pool-channel",
    "pool-work-stealing",
    "pool-rayon",
    "pool-async",
    "pool-conformance",
];

/// What finds most mistakes soonest.
pub(crate) fn run() -> Result<()> {
    let shipped = |option: &str| AS_SHIPPED.map(|name| format!("{option} {name}")).join(" ");
    run_all(&[
        Step::cargo("fmt --all --check"),
        Step::cargo("xtask tidy"),
        Step::cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
        Step::cargo(&format!("test {}", shipped("-p"))),
        Step::cargo(&format!(
            "test --workspace --all-features {}",
            shipped("--exclude")
        )),
        Step::cargo("doc --workspace --all-features --no-deps").with("RUSTDOCFLAGS", "-D warnings"),
    ])
}

/// The rest of what a change must pass: other builds, models, and runs drawn at random.
pub(crate) fn run_rest() -> Result<()> {
    let mut steps = vec![Step::cargo("check -p pool --no-default-features")];
    for feature in features_of("pool")? {
        // With only the simulator, a pool cannot be built outside a simulation, as most tests do.
        let tests = if feature == "sim" {
            "--test simulation"
        } else {
            "--lib --test backends"
        };
        let alone = format!("test -p pool --no-default-features --features {feature} {tests}");
        steps.push(Step::cargo(&alone));
    }
    steps.extend([
        Step::cargo("run -p abort --profile abort"),
        Step::cargo("xtask loom"),
        // The tests have run the kit against every backend, the executors of its examples and every
        // faulty executor, also in simulations.
        Step::cargo("xtask sim --kit-alone"),
        Step::cargo("xtask soak --backend all --seconds 12"),
        Step::cargo("xtask fuzz --seeds 400 --backend mixed"),
    ]);
    run_all(&steps)
}

/// Every feature of a package except `default`, so that a new one is tested alone from the start.
fn features_of(package: &str) -> Result<Vec<String>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("could not start `cargo metadata`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo metadata` failed: {said}");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let features = packages
        .find(|candidate| candidate["name"] == package)
        .and_then(|candidate| candidate["features"].as_object())
        .with_context(|| format!("the workspace has no package `{package}`"))?;
    let features = features.keys().filter(|feature| *feature != "default");
    Ok(features.cloned().collect())
}
