//! The image, the unit, the manifests of Kubernetes and the workflows: each as its schema or its tool says, and all of one mind
//! with the program and with each other.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::support::file;
use crate::support::freshet::Freshet;
use crate::support::image::{arguments, instructions, variable};
use crate::support::yaml::{document, documents, must_fit};

const WORKFLOWS: [&str; 2] = [".github/workflows/test.yml", ".github/workflows/release.yml"];

/// Names are at the same places in all files that have them.
fn after<'a>(text: &'a str, prefix: &str) -> Result<&'a str> {
    let (_, rest) = text.split_once(prefix).with_context(|| format!("no {prefix:?}"))?;
    Ok(rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default())
}

/// Runs a tool that scripts/setup.sh installs. Where there is none the test is skipped, by name, unless
/// `FRESHET_REQUIRE_KAFKA=1` makes that a failure.
fn output(tool: &mut Command) -> Result<Option<String>> {
    match tool.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{tool:?}: {said}");
            ensure!(said.is_empty(), "{tool:?} is not content: {said}");
            Ok(Some(String::from_utf8(output.stdout)?))
        }
        Err(error) if std::env::var("FRESHET_REQUIRE_KAFKA").as_deref() != Ok("1") => {
            // Not eprintln!, which the test harness keeps to itself when the test passes.
            writeln!(std::io::stderr(), "skipped: {tool:?}: {error}; scripts/setup.sh has it")?;
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("{tool:?}")),
    }
}

#[test]
fn one_version_of_rust_builds_all() -> Result<()> {
    let (cargo, release) = (file("Cargo.toml")?, file(WORKFLOWS[1])?);
    let oldest = after(&cargo, "rust-version = \"")?;
    let image = arguments("FROM").into_iter().find(|from| from.ends_with(" AS build")).context("no stage build")?;
    let image = after(&image, "rust:")?.split('-').next().unwrap_or_default().to_owned();
    let container = after(&release, "rust:")?.split('-').next().unwrap_or_default();
    ensure!(image == container && image.starts_with(oldest), "{image}, {container} and {oldest}");
    Ok(())
}

#[test]
fn the_image_is_small_and_runs_as_nobody() -> Result<()> {
    let bases = arguments("FROM");
    // Exact: of a name alone, or of a major version, each build may be upon another one.
    let pinned = |base: &String| base.split([':', ' ']).nth(1).is_some_and(|tag| tag.contains('.'));
    ensure!(bases.len() == 2 && bases.iter().all(pinned) && bases[1].ends_with("-slim"), "{bases:?}");
    let setup = file("scripts/setup.sh")?;
    let installed = arguments("RUN").into_iter().find(|run| run.contains("g++")).context("no compiler")?;
    // The compilers and make are in build-essential.
    for header in installed.split(' ').filter(|word| word.ends_with("-dev") || *word == "pkg-config") {
        ensure!(setup.contains(&format!("echo {header}\n")), "scripts/setup.sh does not know {header}");
    }
    let last = instructions().into_iter().rposition(|(name, _)| name == "FROM").context("no stage")?;
    for (name, arguments) in instructions().into_iter().skip(last) {
        let source = arguments.split(' ').next().unwrap_or_default();
        let is_here = name != "COPY"
            || source.starts_with("--from=")
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists();
        ensure!(is_here, "there is no {source} to copy");
    }
    ensure!(arguments("USER") == ["10001:10001"] && arguments("ENTRYPOINT") == [r#"["freshet"]"#], "it runs otherwise");
    ensure!(variable("FRESHET_HTTP").is_some_and(|address| address.ends_with(&arguments("EXPOSE")[0])), "another port");
    Ok(())
}

#[test]
fn the_unit_is_understood_and_hardened() -> Result<()> {
    // Asked of the program that was built, as /usr/bin has none.
    let unit = file("packaging/freshet.service")?.replace("/usr/bin/freshet", env!("CARGO_BIN_EXE_freshet"));
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("freshet.service");
    std::fs::write(&path, unit)?;
    if output(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path))?.is_some() {
        // Out of ten, where 9.6 is a service without any bounds; in tenths.
        output(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(&path))?;
    }
    Ok(())
}

#[test]
fn service_settings_match_the_program() -> Result<()> {
    let help = Freshet::prints("run --help")?;
    let settings = file("packaging/freshet.env")?;
    let settings = settings.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let names: Vec<_> = settings.map(|(name, _)| name).filter(|name| name.starts_with("FRESHET_")).collect();
    ensure!(names.len() > 5, "{names:?}");
    let unknown: Vec<_> = names.into_iter().filter(|name| !help.contains(&format!("[env: {name}"))).collect();
    ensure!(unknown.is_empty(), "`freshet run` does not know {unknown:?}");
    Ok(())
}

/// One process, and a cluster.
const ONE: &str = "deploy/kustomize";
const CLUSTER: &str = "deploy/cluster";

/// What `kubectl apply -k` would send.
fn manifests(folder: &str) -> Result<Option<Vec<Value>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    output(Command::new("kubectl").arg("kustomize").arg(folder))?.map(|text| documents(&text)).transpose()
}

#[test]
fn kubernetes_understands_what_is_rendered() -> Result<()> {
    let (Some(one), Some(cluster)) = (manifests(ONE)?, manifests(CLUSTER)?) else { return Ok(()) };
    let mut kinds = BTreeSet::new();
    for manifest in one.iter().chain(&cluster) {
        let (version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str().context("a kind")?);
        let group = version.context("a version")?.replace(".k8s.io", "").replace('/', ".");
        let group = if group.contains('.') { group } else { format!("core.{group}") };
        let definition = format!("io.k8s.api.{group}.{kind}");
        must_fit(manifest, include_str!("schemas/kubernetes.json"), Some(&definition)).context(definition)?;
        kinds.insert(kind);
    }
    let all = BTreeSet::from(["ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet"]);
    ensure!(kinds == all, "{kinds:?}");
    Ok(())
}

#[test]
fn a_pod_has_no_rights_and_is_probed() -> Result<()> {
    let Some(manifests) = manifests(ONE)? else { return Ok(()) };
    let of_kind = |kind: &str| manifests.iter().find(|it| it["kind"] == kind).with_context(|| format!("no {kind}"));
    let (stateful_set, service, settings) = (of_kind("StatefulSet")?, of_kind("Service")?, of_kind("ConfigMap")?);
    ensure!(stateful_set["spec"]["replicas"] == 1, "two own it");
    let pod = &stateful_set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    let (of_pod, own) = (&pod["securityContext"], &container["securityContext"]);
    ensure!(of_pod["runAsNonRoot"] == true && of_pod["seccompProfile"]["type"] == "RuntimeDefault", "{of_pod}");
    ensure!(own["allowPrivilegeEscalation"] == false && own["capabilities"]["drop"][0] == "ALL", "{own}");
    let user = format!("{}:{}", of_pod["runAsUser"], of_pod["runAsGroup"]);
    ensure!(arguments("USER") == [user.clone()], "{user} is not the user of the image");
    ensure!(!container["resources"]["limits"]["memory"].is_null(), "no limit of memory for --memory-limit to follow");

    let help = Freshet::prints("run --help")?;
    let own = container["env"].as_array().context("variables")?;
    let name = |variable: &Value| Some(variable["name"].as_str()?.to_owned());
    let names = own.iter().filter_map(name).chain(settings["data"].as_object().context("settings")?.keys().cloned());
    for name in names.filter(|name| name.starts_with("FRESHET_")) {
        let flag = name.strip_suffix("_FILE").unwrap_or(&name);
        ensure!(help.contains(&format!("[env: {flag}")), "`freshet run` does not know {name}");
    }
    let value = |name: &str| own.iter().find(|it| it["name"] == name).and_then(|it| it["value"].as_str());
    for (port, variable) in [("http", "FRESHET_HTTP"), ("ops", "FRESHET_HTTP_OPS")] {
        let ports = container["ports"].as_array().context("ports")?;
        let number =
            &ports.iter().find(|it| it["name"] == port).with_context(|| format!("no port {port}"))?["containerPort"];
        ensure!(value(variable) == Some(&format!("0.0.0.0:{number}")), "{variable} is not at the port {port}");
    }
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let asked = &container[probe]["httpGet"];
        ensure!(asked["port"] == "ops" && asked["path"] == path, "{asked}");
    }
    ensure!(service["spec"]["ports"][0]["targetPort"] == "http", "the service is not that of the page");
    Ok(())
}

#[test]
fn the_pods_of_a_cluster_find_each_other() -> Result<()> {
    let Some(manifests) = manifests(CLUSTER)? else { return Ok(()) };
    let of = |kind: &str, holds: &dyn Fn(&Value) -> bool| {
        manifests.iter().find(|it| it["kind"] == kind && holds(it)).with_context(|| format!("no such {kind}"))
    };
    let peers = of("Service", &|it| it["spec"]["clusterIP"] == "None")?;
    let set = &of("StatefulSet", &|_| true)?["spec"];
    let settings = &of("ConfigMap", &|it| !it["data"]["FRESHET_PROCESSES"].is_null())?["data"];
    let hosts = of("ConfigMap", &|it| !it["data"]["hosts"].is_null())?;
    let service = peers["metadata"]["name"].as_str().context("a name")?;
    ensure!(peers["spec"]["publishNotReadyAddresses"] == true && set["podManagementPolicy"] == "Parallel", "{peers}");
    ensure!(set["serviceName"] == service, "{set}");
    let replicas = set["replicas"].as_u64().context("replicas")?;
    ensure!(settings["FRESHET_PROCESSES"].as_str() == Some(&replicas.to_string()), "{settings}");
    let port = &peers["spec"]["ports"][0]["port"];
    let expected: Vec<_> = (0..replicas).map(|process| format!("freshet-{process}.{service}:{port}")).collect();
    ensure!(hosts["data"]["hosts"].as_str().is_some_and(|it| it.lines().eq(&expected)), "{hosts}");

    let container = &set["template"]["spec"]["containers"][0];
    let help = Freshet::prints("run --help")?;
    for variable in container["env"].as_array().context("variables")? {
        let name = variable["name"].as_str().context("a name")?;
        let flag = name.strip_suffix("_FILE").unwrap_or(name);
        let is_known = [name, flag].iter().any(|it| help.contains(&format!("[env: {it}")));
        ensure!(is_known || !name.starts_with("FRESHET_"), "`freshet run` does not know {name}");
    }
    // Each file that a variable names is mounted.
    let mounts: Vec<_> = container["volumeMounts"].as_array().into_iter().flatten().collect();
    for variable in ["FRESHET_HOSTFILE", "FRESHET_CLUSTER_SECRET_FILE"] {
        let path = container["env"].as_array().into_iter().flatten().find(|it| it["name"] == variable);
        let path = path.and_then(|it| it["value"].as_str()).with_context(|| format!("no {variable}"))?;
        let is_below = |mount: &&Value| mount["mountPath"].as_str().is_some_and(|folder| path.starts_with(folder));
        ensure!(mounts.iter().any(is_below), "{path} is not mounted");
    }
    let policy = of("NetworkPolicy", &|it| it["metadata"]["name"] == service)?;
    let allowed = &policy["spec"]["ingress"][0];
    ensure!(allowed["from"][0]["podSelector"] == policy["spec"]["podSelector"], "others reach it: {allowed}");
    ensure!(allowed["ports"][0]["port"] == peers["spec"]["ports"][0]["name"], "{allowed}");
    Ok(())
}

#[test]
fn workflows_are_as_their_schema_says_and_pinned() -> Result<()> {
    let makefile = file("Makefile")?;
    for path in WORKFLOWS {
        let workflow = document(&file(path)?)?;
        must_fit(&workflow, include_str!("schemas/github-workflow.json"), None).context(path)?;
        ensure!(workflow["permissions"] == serde_json::json!({"contents": "read"}), "{path} may more than read");
        let jobs = workflow["jobs"].as_object().context("jobs")?.values();
        for step in jobs.flat_map(|job| job["steps"].as_array().into_iter().flatten()) {
            if let Some(action) = step["uses"].as_str() {
                let commit = action.split_once('@').map_or("", |(_, commit)| commit);
                // A tag can be moved to other code.
                ensure!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{path} uses {action}");
            }
            let words = step["run"].as_str().unwrap_or_default().split_whitespace();
            for target in words.skip_while(|word| *word != "make").skip(1) {
                ensure!(makefile.contains(&format!("\n{target}:")), "{path}: there is no `make {target}`");
            }
        }
    }
    Ok(())
}
