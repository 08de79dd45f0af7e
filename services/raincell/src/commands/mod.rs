//! One module a subcommand: each has `run(&arguments)`.

pub mod alerts;
pub mod archive;
pub mod composite;
pub mod demo;
pub mod doctor;
pub mod hindcast;
pub mod inspect;
pub mod prepare;
pub mod render;
pub mod store;
pub mod up;
pub mod verify;
