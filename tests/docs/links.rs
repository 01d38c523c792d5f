//! Every link within the repository leads to something that is there. No network is asked.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};

use super::markdown::{Page, ROOT, pages};

#[test]
fn links_lead_to_what_is_there() -> Result<()> {
    let pages = pages()?;
    let mut anchors = BTreeMap::new();
    for page in &pages {
        let included = page.included()?;
        anchors.insert(page.path.as_str(), included.as_ref().unwrap_or(page).anchors());
    }
    let (mut broken, mut seen) = (Vec::new(), 0);
    for page in &pages {
        for (line, target) in page.links() {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.path.clone() } else { page.resolve(file) };
            let is_there = Path::new(ROOT).join(&path).exists();
            let has_anchor = anchor.is_empty() || anchors.get(path.as_str()).is_some_and(|all| all.contains(anchor));
            if !is_there || !has_anchor {
                broken.push(format!("{}:{line}: {target}", page.path));
            }
        }
    }
    ensure!(seen > 50, "only {seen} links were found");
    ensure!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
    Ok(())
}

#[test]
fn the_book_has_every_page() -> Result<()> {
    let pages = pages()?;
    let contents = pages.iter().find(|page| page.path == "docs/SUMMARY.md").map(Page::links).unwrap_or_default();
    let listed: Vec<_> = contents.into_iter().map(|(_, target)| format!("docs/{target}")).collect();
    let missing = pages.iter().map(|page| page.path.as_str()).filter(|path| path.starts_with("docs/"));
    let missing: Vec<_> =
        missing.filter(|path| *path != "docs/SUMMARY.md" && !listed.contains(&(*path).to_owned())).collect();
    ensure!(missing.is_empty(), "docs/SUMMARY.md does not list {}", missing.join(", "));
    Ok(())
}
