//! Proof that the simulation finds faults: each patch in `mutations` makes one in the program, and must be found.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::soak::is_soak;
use super::{SEED, SEEDS};

/// Within so many seeds each must be found.
const SEEDS_MAX: u64 = 100_000;

fn patches() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/mutations");
    let mut patches = std::fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    patches.sort();
    ensure!(!patches.is_empty(), "there are no mutations");
    Ok(patches)
}

/// Runs a command to its end. Gives what it said, and whether it was content.
fn run(command: &mut Command) -> Result<(String, bool)> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((said, output.status.success()))
}

fn apply(patch: &Path, tree: &Path, further: &[&str]) -> Result<()> {
    let (said, is_applied) =
        run(Command::new("git").args(["apply", "-p1"]).args(further).arg(patch).current_dir(tree))?;
    ensure!(is_applied, "{}: {said}", patch.display());
    Ok(())
}

#[test]
fn every_mutation_fits_the_source() -> Result<()> {
    patches()?.iter().try_for_each(|patch| apply(patch, Path::new(env!("CARGO_MANIFEST_DIR")), &["--check"]))
}

/// In a soak only: it builds the program once for each.
#[test]
fn every_mutation_is_found() -> Result<()> {
    if !is_soak() {
        println!("skipped: FRESHET_SOAK=1 builds the program with each mutation");
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (tree, target) = (root.join("target/mutations/tree"), root.join("target/mutations/target"));
    let _ = std::fs::remove_dir_all(&tree);
    std::fs::create_dir_all(&tree)?;
    let is_source = |path: &PathBuf| !path.ends_with("target") && !path.ends_with(".git");
    let there = std::fs::read_dir(root)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    let (said, is_copied) = run(Command::new("cp").arg("-a").args(there.into_iter().filter(is_source)).arg(&tree))?;
    ensure!(is_copied, "{said}");
    let simulate = || {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--test", "simulation", "tables", "--", "--nocapture"]).current_dir(&tree);
        cargo.env("CARGO_TARGET_DIR", &target).env(SEEDS, SEEDS_MAX.to_string()).env_remove(SEED);
        run(&mut cargo)
    };
    for patch in patches()? {
        apply(&patch, &tree, &[])?;
        let (said, is_content) = simulate()?;
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        if is_content {
            bail!("{name} was not found within {SEEDS_MAX} seeds");
        }
        let seed = said.lines().find_map(|line| line.split_once(&format!("{SEED}=")));
        let seed = seed.with_context(|| format!("{name}: {said}"))?.1;
        println!("{name} was found by seed {}", seed.split_whitespace().next().unwrap_or_default());
        apply(&patch, &tree, &["--reverse"])?;
    }
    Ok(())
}
