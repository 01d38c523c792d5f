//! The program without what is optional: `make lean` builds and runs it.
#![cfg(not(feature = "png"))]

use std::process::Command;

#[test]
fn a_png_is_refused_with_what_to_do() {
    let mut report = Command::new(env!("CARGO_BIN_EXE_freshet"));
    report.args(["report", "top-products", "--format", "png", "--database-url", "postgres://h/d"]);
    let output = report.output().expect("freshet starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("--format svg") && output.stdout.is_empty(), "{errors}");
}
