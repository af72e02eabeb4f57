//! The `holdfast` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    command_api::run()
}
