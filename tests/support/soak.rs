//! Whether there is time for what takes long.

/// Whether all is to be tried in full: `make soak` says so.
pub fn is_soak() -> bool {
    std::env::var("FRESHET_SOAK").is_ok_and(|soak| soak == "1")
}
