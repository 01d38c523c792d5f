//! The few rules of style that matter, kept by a machine. Each says why when it is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dataflows::model::{Model, TableRows};

/// A file of the repository.
struct File {
    /// Its path in the repository.
    path: String,
    text: String,
}

impl File {
    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(&format!("{folder}/")))
    }

    /// Its lines without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let comment = if self.path.ends_with(".toml") { "#" } else { "//" };
        let code = move |line| if str::trim_start(line).starts_with(comment) { "" } else { line };
        self.text.lines().enumerate().map(move |(index, line)| (index + 1, code(line)))
    }
}

/// All Rust files and manifests.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs" || kind == "toml");
    let file = |path: PathBuf| File {
        text: fs::read_to_string(&path).expect("a file of text"),
        path: path.strip_prefix(root).expect("a file below the root").display().to_string(),
    };
    let files: Vec<_> = paths(root).into_iter().filter(wanted).map(file).collect();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the search finds nothing");
    files
}

fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// Everything below a folder, but what is built or hidden.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "target" && !name.starts_with('.') {
            if path.is_dir() {
                found.extend(paths(&path));
            }
            found.push(path);
        }
    }
    found
}

/// Whether a line holds this identifier, not only as a part of another.
fn mentions(line: &str, word: &str) -> bool {
    let is_apart = |at: usize| !line[..at].ends_with(is_of_word) && !line[at + word.len()..].starts_with(is_of_word);
    line.match_indices(word).any(|(at, _)| is_apart(at))
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The identifiers of a line, and what else looks like one.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter| !is_of_word(letter)).filter(|word| !word.is_empty())
}

fn must_be_none(broken: Vec<String>, reason: &str) {
    assert!(broken.is_empty(), "{reason}:\n  {}", broken.join("\n  "));
}

/// Whether this line begins a function, and how far it is indented.
fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let indentation = &line[..line.len() - rest.len()];
    let rest = match rest.strip_prefix("pub") {
        Some(public) => public.trim_start_matches(|c| c != ' ').trim_start(),
        None => rest,
    };
    let mut rest = rest;
    while let Some(after) = ["const ", "async ", "unsafe "].iter().find_map(|modifier| rest.strip_prefix(modifier)) {
        rest = after;
    }
    rest.starts_with("fn ").then_some(indentation)
}

/// Every function that has a body of its own: its first line, counted from 1, and its length.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(indentation) = function(line) else { continue };
        // rustfmt sees to it that a body ends with a brace below the first letter, and a declaration with a semicolon.
        let ends = |line: &&str| {
            let end = line.strip_prefix(indentation).filter(|rest| !rest.starts_with(' '));
            end.is_some_and(|end| end == "}" || end.ends_with(';'))
        };
        if !line.ends_with(['}', ';']) {
            let length = lines[index..].iter().position(ends);
            functions.push((index + 1, length.expect("the end of a function") + 1));
        }
    }
    functions
}

#[test]
fn files_are_short() {
    let long = rust_files().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long = long.filter(|(lines, _)| *lines > 500).map(|(lines, path)| format!("{path} has {lines} lines"));
    must_be_none(long.collect(), "a file of more than 500 lines is more than one thing: part it");
}

#[test]
fn functions_are_short() {
    let (mut long, mut seen) = (Vec::new(), 0);
    for File { path, text } in rust_files() {
        for (line, length) in functions(&text) {
            seen += 1;
            if length > 70 {
                long.push(format!("{path}:{line} begins a function of {length} lines"));
            }
        }
    }
    assert!(seen > 300, "only {seen} functions were found: the search is wrong");
    must_be_none(long, "a function of more than 70 lines does not fit on a screen: name its steps");
}

/// Whatever the built-in file declares follows from it: another file has no report that the code knows.
#[test]
fn only_their_file_knows_the_builtin_reports() {
    let model = Model::builtin();
    // A field may be called as a kind is, which the code knows.
    let fields = model.fields.iter().filter(|field| field.name != field.kind.name()).map(|field| &field.name);
    let tables = model.tables.iter().filter(|table| !matches!(table.rows, TableRows::Members(_)));
    let names = fields.chain(tables.map(|table| &table.name)).chain(model.reports.iter().map(|report| &report.name));
    let names: Vec<_> = names.map(|name| plain(name)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut broken, mut seen) = (Vec::new(), 0);
    for path in ["src", "dataflows/src"].iter().flat_map(|folder| paths(&root.join(folder))) {
        if !path.is_file() || path.starts_with(root.join("dataflows/src/dimensions")) {
            continue;
        }
        seen += 1;
        for (index, line) in fs::read_to_string(&path).expect("a file of text").lines().enumerate() {
            let line = plain(line);
            let named = names.iter().filter(|name| line.contains(*name));
            broken.extend(named.map(|name| format!("{}:{} names {name}", path.display(), index + 1)));
        }
    }
    assert!(seen > 150, "only {seen} files were found: the search is wrong");
    let reason = "a report, table or field of dataflows/reports/glamira.toml is declared there, and everything else follows \
                  from it; what knows one by name would be wrong for any other file";
    must_be_none(broken, reason);
}

/// A name in whatever spelling: top_products, top-products or TopProducts.
fn plain(text: &str) -> String {
    text.replace(['_', '-'], "").to_lowercase()
}

#[test]
fn layers_stay_layers() {
    let (dataflow, cli) = (["timely", "differential_dataflow"], ["cli"]);
    let rules: [(&str, &[&str], &str); 10] = [
        ("dataflows", &["rdkafka", "postgres", "chrono", "serde_json"], "the reports are pure: views in, rows out"),
        ("src/source", &["postgres"], "the source gives bytes a meaning, no more"),
        ("src/sink", &["rdkafka"], "the sink turns rows into transactions, no more"),
        ("src/engine", &["postgres", "rdkafka"], "the engine reaches Kafka and Postgres through their modules"),
        ("src/serve", &["postgres", "rdkafka", "engine", "sink"], "the page only shows what it is told"),
        ("src/metrics", &["postgres", "rdkafka", "engine", "sink"], "the metrics are told, and ask nobody"),
        ("src/check", &["postgres", "rdkafka", "engine"], "a look at a topic needs no database"),
        (
            "src/audit",
            &["rdkafka", "engine", "PreAggregator", "top_k"],
            "the audit shares decoding with the run, no more",
        ),
        ("src", &dataflow, "timely is met in the engine and in dataflows alone"),
        ("src", &cli, "flags are above everything: what they mean is a part's own settings"),
    ];
    let mut broken = Vec::new();
    for file in files() {
        for (folder, crates, reason) in rules {
            let is_program = ["src/lib.rs", "src/main.rs"].contains(&file.path.as_str());
            let allowed = (crates == dataflow && file.is_in(&["src/engine"]))
                || (crates == cli && (is_program || file.is_in(&["src/cli"])));
            if file.is_in(&[folder]) && !allowed {
                for (line, code) in file.code() {
                    let named = crates.iter().filter(|name| mentions(code, name));
                    broken.extend(named.map(|name| format!("{}:{line} uses {name}: {reason}", file.path)));
                }
            }
        }
    }
    must_be_none(broken, "each part can be read, tested and replaced by itself because of what it does not know");
}

#[test]
fn modules_need_each_other_in_one_direction() {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files().iter().filter(|file| file.is_in(&["src"])) {
        let module = file.path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        for (_, code) in file.code().take_while(|(_, code)| !code.starts_with("#[cfg(test)]")) {
            for names in code.split("crate::").skip(1) {
                let names = names.strip_prefix('{').map_or_else(|| vec![names], |list| list.split(", ").collect());
                let first =
                    |name: &str| name.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
                needs.entry(module.to_owned()).or_default().extend(names.into_iter().filter_map(first));
            }
        }
    }
    assert!(needs["sink"].contains("batch"), "the search is wrong: {needs:?}");
    // Whoever needs no module that is left is taken away; only those of a circle, and who needs one, stay.
    while let Some(free) =
        needs.iter().find(|(module, of)| of.iter().all(|it| it == *module || !needs.contains_key(it)))
    {
        let free = free.0.clone();
        needs.remove(&free);
    }
    let left = needs.keys().cloned().collect();
    must_be_none(left, "modules that need each other are one: move what both need below them");
}

#[test]
fn a_demo_waits_for_few_crates() {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR")).args(["tree", "--locked", "--edges=normal,build", "--prefix=none"]);
    // As `make demo` builds it.
    let output = tree.args(["--no-default-features", "--features=demo"]).output().expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("names");
    // Those of this repository stand with their path.
    let lines = lines.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.contains("(/"));
    let crates: BTreeSet<_> = lines.collect();
    assert!(crates.len() > 100, "the search is wrong: {crates:?}");
    assert!(
        crates.len() <= 240,
        "{} crates of others are built before anybody sees anything, and 240 are enough: do without the new one, make it a \
         feature that `make demo` is without, or raise the number for a reason. What came: `cargo tree -i <crate>`, \
         `cargo tree -d`",
        crates.len()
    );
}

#[test]
fn names_say_what_is_inside() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let says_nothing = ["util", "utils", "common", "helper", "helpers", "misc"];
    let bad = |path: &PathBuf| path.file_stem().is_some_and(|stem| says_nothing.iter().any(|name| stem == *name));
    let broken = paths(root).into_iter().filter(bad).map(|path| path.display().to_string());
    must_be_none(broken.collect(), "such a name fits everything, so everything ends up there: name what it does");
}

#[test]
fn nothing_is_left_unfinished() {
    let mut broken = Vec::new();
    for file in rust_files() {
        for (line, code) in file.code() {
            let left = ["todo", "unimplemented", "dbg"].into_iter().filter(|name| code.contains(&format!("{name}!(")));
            broken.extend(left.map(|name| format!("{}:{line} has {name}!", file.path)));
        }
    }
    must_be_none(broken, "a record would meet it in production: finish it, or make it an error that says what to do");
}

/// Each is read twice by all but its author.
const PRIVATE_WORDS: [&str; 6] = ["parted by", "told of", "lets go", "anew", "word is due", "whoever"];

#[test]
fn the_english_is_plain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_text = |path: &PathBuf| {
        path.extension().is_some_and(|kind| ["rs", "md", "sql", "js", "json"].iter().any(|it| kind == *it))
    };
    let mut broken = Vec::new();
    // The tables of an older version are as they were.
    let is_old = |path: &PathBuf| path.ends_with(file!()) || path.starts_with(root.join("tests/schemas"));
    for path in paths(root).into_iter().filter(|path| is_text(path) && !is_old(path)) {
        let text = fs::read_to_string(&path).expect("a file of text").to_lowercase();
        for (index, line) in text.lines().enumerate() {
            let words = PRIVATE_WORDS.iter().filter(|word| mentions(line, word));
            broken.extend(words.map(|word| format!("{}:{}: {word}", path.display(), index + 1)));
        }
    }
    must_be_none(broken, "a stranger stumbles over it: say it in the words of the field");
}

/// A test's name is a sentence that a failure is read by.
#[test]
fn test_names_are_short() {
    let mut broken = Vec::new();
    for file in rust_files() {
        let lines: Vec<_> = file.text.lines().map(str::trim_start).collect();
        for index in (0..lines.len()).filter(|index| lines[*index] == "#[test]") {
            let name =
                lines[index..].iter().find_map(|line| line.strip_prefix("fn ")).and_then(|it| it.split('(').next());
            broken.extend(name.filter(|name| name.split('_').count() > 8).map(|name| format!("{}: {name}", file.path)));
        }
    }
    must_be_none(broken, "a test's name has at most eight words");
}

/// A public item that nothing mentions but its own definition is one that the compiler keeps quiet about.
#[test]
fn public_items_are_used() {
    let (files, mut mentioned) = (rust_files(), BTreeMap::<&str, usize>::new());
    for word in files.iter().flat_map(File::code).flat_map(|(_, code)| words(code)) {
        *mentioned.entry(word).or_default() += 1;
    }
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.is_in(&["tests", "benches"])) {
        for (number, code) in file.code() {
            let Some(item) = code.trim_start().strip_prefix("pub") else { continue };
            let mut words = words(item.trim_start_matches(|c| c != ' '));
            let is_item = |word: &&str| ["fn", "struct", "enum", "trait", "const", "type", "static"].contains(word);
            let name = words.find(is_item).and_then(|_| words.find(|word| *word != "fn"));
            broken
                .extend(name.filter(|name| mentioned[name] < 2).map(|name| format!("{}:{number}: {name}", file.path)));
        }
    }
    must_be_none(broken, "nothing uses it");
}

/// Cargo, rustfmt and proptest find these by their names.
const FOUND_BY_TOOLS: [&str; 8] =
    ["lib.rs", "main.rs", "mod.rs", "build.rs", "Cargo.lock", "rust-toolchain.toml", "rustfmt.toml", "reports.txt"];

/// A file that is no module, and that no other file names by itself or by its folder, is one that nothing reads.
#[test]
fn no_file_is_dead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = paths(root).into_iter().filter(|path| path.is_file()).collect();
    let text: String = files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let mut broken = Vec::new();
    for path in &files {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (name, stem) = (part(path.file_name()), part(path.file_stem()));
        let folder = part(path.parent().and_then(Path::file_name));
        let is_read = match path.extension().is_some_and(|kind| kind == "rs") {
            true => [format!("mod {stem};"), format!("{name}\""), format!("name = \"{stem}\"")]
                .iter()
                .any(|it| text.contains(it)),
            false => {
                text.contains(&name) || text.contains(&format!("{folder}/")) || text.contains(&format!("/{folder}"))
            }
        };
        if !is_read && !FOUND_BY_TOOLS.contains(&name.as_str()) {
            broken.push(path.display().to_string());
        }
    }
    assert!(files.len() > 400, "only {} files were found: the search is wrong", files.len());
    must_be_none(broken, "nothing reads it");
}

/// How a duration that bounds something is called.
const DURATIONS: [&str; 7] = ["TIMEOUT", "INTERVAL", "_MIN", "_MAX", "_AFTER", "_FOR", "_WINDOW"];

#[test]
fn durations_say_what_they_bound() {
    let mut broken = Vec::new();
    for file in rust_files().into_iter().filter(|file| !file.is_in(&["tests", "benches"])) {
        for (number, code) in file.code() {
            let constant = code.split_once("const ").and_then(|(_, rest)| rest.split_once(": Duration"));
            let unsaid = constant.filter(|(name, _)| !DURATIONS.iter().any(|word| name.contains(word)));
            broken.extend(unsaid.map(|(name, _)| format!("{}:{number}: {name}", file.path)));
        }
    }
    must_be_none(broken, "a duration is called by what it bounds, as REQUEST_TIMEOUT or POLL_INTERVAL");
}

/// The last commits, each as its subject and its body. None where there is no repository, as in an archive.
fn commits() -> Vec<(String, String)> {
    let root = env!("CARGO_MANIFEST_DIR");
    let log = Command::new("git").args(["-C", root, "log", "-20", "--no-merges", "--format=%s%x00%b%x01"]).output();
    let text = log.map(|log| String::from_utf8_lossy(&log.stdout).into_owned()).unwrap_or_default();
    let commits = text.split('\u{1}').filter_map(|commit| commit.trim_start().split_once('\0'));
    commits.map(|(subject, body)| (subject.to_owned(), body.trim().to_owned())).collect()
}

#[test]
fn commits_say_what_and_why() {
    let is_good = |(subject, body): &(String, String)| {
        let part = subject.split_once(": ").map_or("", |(part, _)| part);
        !part.is_empty() && !part.contains(' ') && subject.chars().count() < 72 && !body.is_empty()
    };
    let broken = commits().into_iter().filter(|commit| !is_good(commit)).map(|(subject, _)| subject);
    must_be_none(broken.collect(), "`part: subject` of less than 72 characters, and a body that says why");
}

/// Contributors find what CONTRIBUTING.md and the walks of ARCHITECTURE.md point to: every file, and each function in the file
/// that it is said to be in.
#[test]
fn contributors_are_sent_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let walks = include_str!("../ARCHITECTURE.md").split("\n## ").find(|section| section.starts_with("Four walks"));
    let text = [include_str!("../CONTRIBUTING.md"), walks.expect("the walks")].concat();
    let pieces: Vec<_> = text.split('`').collect();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for [code, between, next] in pieces.windows(3).skip(1).step_by(2).map(|three| [three[0], three[1], three[2]]) {
        let is_path = code.contains('/') && !code.contains(char::is_whitespace) && !code.starts_with("target/");
        if is_path && !root.join(code).exists() {
            broken.push(format!("{code} is not there"));
        }
        if between.trim() == "in" {
            seen += 1;
            let name = code.rsplit("::").next().unwrap_or(code);
            let found = fs::read_to_string(root.join(next)).is_ok_and(|file| file.contains(&format!("fn {name}")));
            broken.extend((!found).then(|| format!("{next} has no function {name}")));
        }
    }
    assert!(seen >= 4, "only {seen} functions were found: the search is wrong");
    must_be_none(broken, "a path leads to what is not there");
}

#[test]
fn the_search_for_functions_finds_their_ends() {
    let text = "trait T {\n    fn declared(\n        &self,\n    ) -> u8;\n    fn short() {}\n}\n\
                pub(super) const fn long() {\n    if x {\n    }\n    fn inner(\n    ) {\n    }\n}\n";
    assert_eq!(functions(text), [(2, 3), (7, 7), (10, 3)]);
}
