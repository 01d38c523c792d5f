//! Commands that cannot run in a test: they install, build, ask other hosts or take minutes. Each is held against what the
//! repository has for it instead.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Command;
use dataflows::model::Model;
use freshet::cli::program::Program;
use saphyr::{LoadableYamlNode, Yaml};

use super::markdown::ROOT;
use super::shell::simple;

/// Says of a command's words, the program's name first, what is wrong with them.
type Check = fn(&[String]) -> Result<()>;

/// The list. A commit that adds a program says here how it is checked.
const PROGRAMS: [(&str, Check); 13] = [
    ("apt-get", apt_get),
    ("cargo", cargo),
    ("docker", docker),
    ("journalctl", unit),
    // Of Kafka's own tools, which the tests' Kafka lacks.
    ("kafka-consumer-groups.sh", |words| names(words, &["--bootstrap-server"])),
    ("kubectl", kubectl),
    ("ls", made),
    ("make", make),
    ("sudoedit", installed),
    ("systemctl", unit),
    // They fetch what is other people's, of a version that they name.
    ("git", |words| names(words, &["clone", "-C"])),
    ("npm", |words| names(words, &["pack"])),
    ("tar", |words| names(words, &["xf"])),
];

/// Of `freshet` what takes minutes or starts servers; tests/bench.rs and tests/demo.rs run it.
const LONG: [&str; 2] = ["bench", "demo"];

/// Checks a command that has a program of the list in it. False if there is none, so that it is to be run.
pub fn check_all(text: &str) -> Result<bool> {
    let mut is_checked = false;
    for words in simple(text) {
        let program = words[0].rsplit('/').next().unwrap_or_default();
        let is_long = words.get(1).is_some_and(|name| LONG.contains(&name.as_str()));
        if let Some((_, check)) = PROGRAMS.iter().find(|(name, _)| *name == program) {
            check(&words)?;
            is_checked = true;
        } else if program == "freshet" && is_long {
            flags(&words)?;
            is_checked = true;
        }
    }
    Ok(is_checked)
}

/// Checks a command of a block that is not to be run: of the list, or `freshet` with flags that there are.
pub fn check_ignored(text: &str) -> Result<()> {
    if !check_all(text)? {
        for words in simple(text) {
            ensure!(words[0] == "freshet", "nobody knows how to check {}: say so in tests/docs/elsewhere.rs", words[0]);
            flags(&words)?;
        }
    }
    Ok(())
}

/// The flags are those of the subcommand.
fn flags(words: &[String]) -> Result<()> {
    let mut program = Program::command_line(&Model::builtin());
    program.build();
    let mut command = &program;
    for name in words[1..].iter().take_while(|word| !word.starts_with('-')) {
        match command.find_subcommand(name) {
            Some(subcommand) => command = subcommand,
            // Only a subcommand has words that are no names of others.
            None => ensure!(!std::ptr::eq(command, &raw const program), "no subcommand {name}"),
        }
    }
    for flag in words.iter().filter(|word| word.starts_with('-')) {
        let name = flag.split('=').next().unwrap_or_default();
        ensure!(has_flag(command, name), "`{}` has no {name}", command.get_name());
    }
    Ok(())
}

fn has_flag(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|it| {
        let long = it.get_long().is_some_and(|name| flag == format!("--{name}"));
        long || it.get_short().is_some_and(|name| flag == format!("-{name}"))
    })
}

/// What a build needs is what scripts/setup.sh installs; a package of our own is a path.
fn apt_get(words: &[String]) -> Result<()> {
    names(words, &["install", "update"])?;
    let setup = read("scripts/setup.sh")?;
    for package in words[2..].iter().filter(|word| !word.starts_with('-') && !word.contains('/')) {
        ensure!(setup.contains(package.as_str()), "scripts/setup.sh does not install {package}");
    }
    Ok(())
}

/// A target of the Makefile.
fn make(words: &[String]) -> Result<()> {
    let makefile = read("Makefile")?;
    for target in words[1..].iter().filter(|word| !word.contains('=')) {
        ensure!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "the Makefile has no {target}");
    }
    Ok(())
}

/// Services and profiles of compose.yaml.
fn docker(words: &[String]) -> Result<()> {
    if words.get(1).is_none_or(|word| word != "compose") {
        read("Dockerfile")?;
        return names(words, &["build", "run"]);
    }
    let compose = Yaml::load_from_str(&read("compose.yaml")?)?.into_iter().next().context("a document")?;
    let services = compose.as_mapping_get("services").and_then(|services| services.as_mapping()).context("services")?;
    let has_profile = |name: &str| {
        let of = |service: &Yaml<'static>| service.as_mapping_get("profiles").and_then(|it| it.as_sequence().cloned());
        services.values().filter_map(of).flatten().any(|profile| profile.as_str() == Some(name))
    };
    let has_service = |name: &str| services.keys().any(|service| service.as_str() == Some(name));
    let mut rest = words[2..].iter();
    let subcommand = loop {
        match rest.next().map(String::as_str) {
            Some("--profile") => {
                let profile = rest.next().context("no profile")?;
                ensure!(has_profile(profile), "compose.yaml has no profile {profile}");
            }
            other => break other.context("no subcommand")?,
        }
    };
    let service = rest.find(|word| !word.starts_with('-'));
    match (subcommand, service) {
        ("exec", Some(service)) => ensure!(has_service(service), "compose.yaml has no service {service}"),
        ("up" | "down" | "logs" | "stop" | "start" | "pull" | "build" | "ps" | "restart", service) => {
            ensure!(service.is_none_or(|name| has_service(name)), "compose.yaml has no service {service:?}");
        }
        _ => bail!("nobody knows `docker compose {subcommand}`"),
    }
    Ok(())
}

/// A profile of Cargo.toml, and a module of the tests.
fn cargo(words: &[String]) -> Result<()> {
    names(words, &["build", "install", "run", "test", "bench", "deb"])?;
    let manifest = read("Cargo.toml")?;
    if let Some(at) = words.iter().position(|word| word == "--profile") {
        let profile = words.get(at + 1).context("no profile")?;
        ensure!(manifest.contains(&format!("[profile.{profile}]")), "Cargo.toml has no profile {profile}");
    }
    let tests = read("tests/main.rs")?;
    for module in words.iter().filter_map(|word| word.strip_suffix("::")) {
        ensure!(tests.contains(&format!("mod {module};")), "there are no tests {module}");
    }
    Ok(())
}

/// The unit is the one of the package.
fn unit(words: &[String]) -> Result<()> {
    let unit = words.iter().rfind(|word| !word.starts_with('-')).context("no unit")?;
    read(&format!("packaging/{unit}.service")).map(drop)
}

/// A file of the package.
fn installed(words: &[String]) -> Result<()> {
    let (folder, name) = words.get(1).and_then(|path| path.rsplit_once('/')).context("no file")?;
    let asset = format!("\"packaging/{name}\", \"{}/\"", folder.trim_start_matches('/'));
    ensure!(read("Cargo.toml")?.contains(&asset), "the package has no {folder}/{name}");
    Ok(())
}

/// A folder that a script fills.
fn made(words: &[String]) -> Result<()> {
    let folder = words.get(1).context("no folder")?;
    let scripts = read("scripts/dist.sh")? + &read("Makefile")?;
    ensure!(scripts.contains(folder.as_str()), "no script makes {folder}");
    Ok(())
}

/// A folder for kustomize.
fn kubectl(words: &[String]) -> Result<()> {
    names(words, &["apply", "create"])?;
    match words.iter().position(|word| word == "-k").and_then(|at| words.get(at + 1)) {
        Some(folder) => read(&format!("{folder}/kustomization.yaml")).map(drop),
        None => Ok(()),
    }
}

/// The word after the program is one of these.
fn names(words: &[String], subcommands: &[&str]) -> Result<()> {
    let subcommand = words.get(1).map(String::as_str).unwrap_or_default();
    ensure!(subcommands.contains(&subcommand), "nobody knows `{} {subcommand}`", words[0]);
    Ok(())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(Path::new(ROOT).join(path)).with_context(|| path.to_owned())
}
