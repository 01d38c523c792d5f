//! The settings that a run has by itself.

use std::time::Duration;

use ::freshet::source::decode::{Clock, Redaction, Rules, UserAgents};

/// What decides about records where no flag says otherwise.
pub fn rules() -> Rules {
    Rules {
        model: dataflows::Model::builtin(),
        views: "view_product_detail".parse().expect("a list"),
        clock: Clock::LocalTime,
        max_future: Duration::from_secs(24 * 3600),
        countries: None,
        user_agents: UserAgents::Woothee,
        redaction: Redaction::default(),
    }
}
