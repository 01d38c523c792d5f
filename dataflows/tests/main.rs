//! The dataflow of any model against plain recomputations, in one program: each of its own would build the operators again.
#![allow(missing_docs, reason = "there is nobody outside to read them")]

mod any_model;
mod bad_models;
mod declarations;
mod harness;
mod models;
mod naive;
mod reports;
mod retention;
