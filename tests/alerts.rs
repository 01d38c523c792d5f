//! The alert rules, tried by promtool.
