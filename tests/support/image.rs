//! The Dockerfile, instruction by instruction.

const DOCKERFILE: &str = include_str!("../../Dockerfile");

/// The instructions and their arguments, in order; those that go over several lines in one.
pub fn instructions() -> Vec<(&'static str, String)> {
    let mut instructions: Vec<(&str, String)> = Vec::new();
    let mut goes_on = false;
    for line in DOCKERFILE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let text = line.trim_end_matches('\\').trim();
        match instructions.last_mut().filter(|_| goes_on) {
            Some((_, arguments)) => *arguments += &format!(" {text}"),
            None => instructions.extend(text.split_once(' ').map(|(name, arguments)| (name, arguments.to_owned()))),
        }
        goes_on = line.ends_with('\\');
    }
    instructions
}

/// The arguments of an instruction, of each that there is.
pub fn arguments(instruction: &str) -> Vec<String> {
    let all = instructions().into_iter();
    all.filter(|(name, _)| *name == instruction).map(|(_, arguments)| arguments).collect()
}

/// The value of a variable that the image sets.
pub fn variable(name: &str) -> Option<String> {
    arguments("ENV").iter().find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}
