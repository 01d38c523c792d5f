//! What stands between `<!-- generated: NAME -->` and `<!-- end -->` is made from the program and only checked here.
//! `make docs-write` writes it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use dataflows::model::Model;

use super::markdown::{ROOT, pages};
use super::{diagram, scale, settings, small_tables, tables};

/// What makes the text of a section.
type Maker = fn() -> Result<String>;

const SECTIONS: [(&str, Maker); 7] = [
    ("settings", settings::settings),
    ("tables", tables::tables),
    ("diagram", diagram::diagram),
    ("metrics", small_tables::metrics),
    ("exit-statuses", small_tables::exit_statuses),
    ("operations", small_tables::operations),
    ("scale", || Ok(scale::table())),
];

const BEGIN: &str = "<!-- generated: ";
const END: &str = "\n<!-- end -->";

fn is_written() -> bool {
    std::env::var("FRESHET_WRITE_DOCS").as_deref() == Ok("1")
}

#[test]
fn schema_sql_is_that_of_the_default_model() -> Result<()> {
    let (file, made) = (Path::new(ROOT).join("schema.sql"), freshet::schema::ddl(&Model::builtin()));
    if is_written() {
        fs::write(&file, &made)?;
    }
    let difference = difference(&fs::read_to_string(&file)?, &made);
    ensure!(difference.is_none(), "`make docs-write` writes schema.sql: {}", difference.unwrap_or_default());
    Ok(())
}

#[test]
fn what_is_generated_is_up_to_date() -> Result<()> {
    let is_written = is_written();
    let (mut stale, mut found) = (Vec::new(), Vec::new());
    for page in pages()? {
        let mut parts = page.text.split(BEGIN);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(" -->\n").with_context(|| format!("{}: {part:.40}", page.path))?;
            let (now, rest) = rest.split_once(END).with_context(|| format!("{}: {name} has no end", page.path))?;
            let maker = SECTIONS.iter().find(|(other, _)| *other == name);
            let (name, make) = maker.with_context(|| format!("{}: nothing generates {name}", page.path))?;
            let made = format!("\n{}\n", make().with_context(|| (*name).to_owned())?.trim());
            if let Some(difference) = difference(now, &made) {
                stale.push(format!("{}, {name}: {difference}", page.path));
            }
            text += &format!("{BEGIN}{name} -->\n{made}{END}{rest}");
            found.push(*name);
        }
        if is_written && text != page.text {
            fs::write(Path::new(ROOT).join(&page.path), text)?;
        }
    }
    let unused: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).filter(|name| !found.contains(name)).collect();
    ensure!(unused.is_empty(), "on no page: {}", unused.join(", "));
    ensure!(is_written || stale.is_empty(), "`make docs-write` writes what is stale:\n  {}", stale.join("\n  "));
    Ok(())
}

/// The first line that differs.
fn difference(now: &str, made: &str) -> Option<String> {
    let (mut now, mut made) = (now.lines(), made.lines());
    loop {
        match (now.next(), made.next()) {
            (None, None) => return None,
            (now, made) if now == made => {}
            (now, made) => {
                return Some(format!("{:?} is to be {:?}", now.unwrap_or_default(), made.unwrap_or_default()));
            }
        }
    }
}

/// A table of Markdown.
pub fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |");
    let mut table = line(columns.iter().map(ToString::to_string).collect());
    table += &line(vec!["---".to_owned(); columns.len()]).replace(' ', "");
    for row in rows {
        // A cell is one line, and a bar would end it.
        table += &line(row.iter().map(|cell| cell.replace('\n', " ").replace('|', "\\|")).collect());
    }
    table
}

/// The text as Markdown that shows it as it is, with what is code as code: flags, variables, names of tables, members and paths.
pub fn prose(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_matches(|c| ",.;:()".contains(c));
        let is_code = bare.starts_with("--")
            || bare.contains("://")
            || bare.starts_with('/') && bare.len() > 1
            || bare.contains('_') && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        if is_code { word.replacen(bare, &format!("`{bare}`"), 1) } else { word.replace('<', "&lt;") }
    });
    words.collect::<Vec<_>>().join(" ")
}
