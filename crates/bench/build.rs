//! Tells the crate its build profile, which Cargo names only in the path of the output directory.

use std::env;
use std::path::{Component, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // <target>/<profile>/build/<package>/out
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let folders: Vec<_> =
        out.components().filter_map(|it| if let Component::Normal(it) = it { it.to_str() } else { None }).collect();
    let profile = folders.iter().rposition(|folder| *folder == "build").and_then(|at| folders.get(at.checked_sub(1)?));
    println!("cargo::rustc-env=FRESHET_PROFILE={}", profile.unwrap_or(&"unknown"));
}
