//! The pages, and what is looked for in them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Where the repository is.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page of Markdown.
pub struct Page {
    /// Its path in the repository.
    pub path: String,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// The line in the page that it begins at.
    pub line: usize,
    /// What stands behind the fence, as `sh ignore`.
    pub info: String,
    pub text: String,
}

/// Every page that a reader meets: those at the top, and docs/.
pub fn pages() -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    for folder in ["", "docs"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "md") {
                let text = fs::read_to_string(&path)?;
                pages.push(Page { path: path.strip_prefix(ROOT)?.display().to_string(), text });
            }
        }
    }
    pages.sort_by(|left, right| left.path.cmp(&right.path));
    ensure!(pages.iter().any(|page| page.path == "README.md"), "no README.md among the pages");
    Ok(pages)
}

impl Page {
    /// Its fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open) = (Vec::new(), None::<Block>);
        for (event, range) in parser(&self.text).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let line = self.line(range.start);
                    open = Some(Block { line, info: info.to_string(), text: String::new() });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text += &text;
                    }
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
                _ => {}
            }
        }
        blocks
    }

    /// What its links and pictures point at, with the line of each.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (event, range) in parser(&self.text).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push((self.line(range.start), dest_url.to_string()));
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    let targets = ["href=\"", "src=\""].into_iter().flat_map(|name| html.split(name).skip(1));
                    let targets = targets.filter_map(|rest| rest.split('"').next());
                    links.extend(targets.map(|target| (self.line(range.start), target.to_owned())));
                }
                _ => {}
            }
        }
        links
    }

    /// The names of its headings, as GitHub and mdbook make them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut seen) = (BTreeSet::new(), HashMap::<String, usize>::new());
        let mut heading = None::<String>;
        for event in parser(&self.text) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        *heading += &text;
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let name = anchor(&heading.take().unwrap_or_default());
                    let times = seen.entry(name.clone()).or_default();
                    anchors.insert(if *times == 0 { name } else { format!("{name}-{times}") });
                    *times += 1;
                }
                _ => {}
            }
        }
        anchors
    }

    /// The page that it consists of, if it is nothing but `{{#include PATH}}`.
    pub fn included(&self) -> Result<Option<Page>> {
        let Some(rest) = self.text.trim().strip_prefix("{{#include ") else { return Ok(None) };
        let target = rest.strip_suffix("}}").with_context(|| format!("{}: more than an include", self.path))?;
        let path = self.resolve(target);
        let text = fs::read_to_string(Path::new(ROOT).join(&path)).with_context(|| format!("{}: {path}", self.path))?;
        Ok(Some(Page { path, text }))
    }

    /// The path in the repository of what this page calls `target`.
    pub fn resolve(&self, target: &str) -> String {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in target.split('/') {
            match part {
                "." | "" => {}
                ".." => drop(parts.pop()),
                name => parts.push(name),
            }
        }
        parts.join("/")
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES)
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}
