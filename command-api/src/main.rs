//! The `holdfast` binary.

use std::process::ExitCode;

// A PUT makes many small allocations on one thread and frees many of them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command_api::run()
}
