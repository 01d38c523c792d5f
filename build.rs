//! Lists the files of the page, so that one which is added is served without being named anywhere.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("src/serve/page");
    println!("cargo:rerun-if-changed={}", folder.display());
    let list = format!("&[{}]", listed(&folder, "")? + &listed(&folder.join("texts"), "texts/")?);
    Ok(fs::write(Path::new(&env::var("OUT_DIR")?).join("page.rs"), list)?)
}

/// The files of a folder as pairs of Rust: each with its name, and what is in it.
fn listed(folder: &Path, prefix: &str) -> Result<String, Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    let mut list = String::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(list, "({:?}, include_str!({path:?})),", format!("{prefix}{name}"))?;
    }
    Ok(list)
}
