//! The commands of a block of shell, one by one.

use std::mem;

/// A command as it is typed, on one line or several.
pub struct Command {
    /// Where it stands in its block, counted from 0.
    pub line: usize,
    pub text: String,
}

/// The commands of a block. One goes on in the next line behind a backslash, and while a quotation or a here-document is open.
pub fn commands(block: &str) -> Vec<Command> {
    let (mut commands, mut open) = (Vec::new(), None::<Command>);
    for (line, text) in block.lines().enumerate() {
        let mut command = open.take().unwrap_or(Command { line, text: String::new() });
        command.text += text;
        if is_open(&command.text) {
            command.text.push('\n');
            open = Some(command);
        } else if !simple(&command.text).is_empty() {
            commands.push(command);
        }
    }
    commands.extend(open);
    commands
}

fn is_open(text: &str) -> bool {
    let here =
        text.split_once("<<").map(|(_, rest)| rest.lines().next().unwrap_or_default().trim_matches(['\'', '"', ' ']));
    let here_is_open = here.is_some_and(|end| !text.lines().skip(1).any(|line| line == end));
    let mut quote = None;
    for c in text.chars() {
        match quote {
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    here_is_open || quote.is_some() || text.ends_with('\\')
}

/// The words of each simple command in it: of both sides of a pipe, for example. Redirections are left out.
pub fn simple(text: &str) -> Vec<Vec<String>> {
    let text = text.split_once("<<").map_or(text, |(command, _)| command);
    let (mut all, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for c in text.replace("\\\n", " ").replace("2>&1", "").chars().chain(['\n']) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == '#' && word.is_none() => break,
            None if c.is_whitespace() || "|;&".contains(c) => {
                words.extend(word.take());
                if !c.is_whitespace() {
                    all.push(mem::take(&mut words));
                }
            }
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    all.push(words);
    let bare = |words: Vec<String>| {
        let words = words.into_iter().filter(|word| !word.starts_with(['>', '<']) && !word.starts_with("2>"));
        words.skip_while(|word| word == "sudo" || is_assignment(word)).collect::<Vec<_>>()
    };
    all.into_iter().map(bare).filter(|words| !words.is_empty()).collect()
}

/// Whether a word gives a variable its value, as `PGPORT=5433`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

#[test]
fn a_block_is_split_like_in_a_shell() {
    let block = "# said\nA=1 psql x -c 'SELECT 1;\nSELECT 2' >out.csv | sort  # and why\n\ncurl \\\n  'a?b&c'\n";
    let found = commands(block);
    assert_eq!(found.iter().map(|command| command.line).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(simple(&found[0].text), [vec!["psql", "x", "-c", "SELECT 1;\nSELECT 2"], vec!["sort"]]);
    assert_eq!(simple(&found[1].text), [vec!["curl", "a?b&c"]]);
    assert_eq!(commands("cat <<EOF\nx\nEOF\nls\n").len(), 2);
}
