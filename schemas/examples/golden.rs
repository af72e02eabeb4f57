//! Writes `schemas/golden` anew: `cargo golden`. Review the change as a diff; bytes of a version that has shipped never
//! change.

#[path = "../tests/golden/files.rs"]
mod files;
#[path = "../tests/golden/samples.rs"]
mod samples;

use std::io;

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() != Some("write") {
        return Err(io::Error::other("to write schemas/golden anew, say `write`: cargo golden"));
    }
    let folder = files::folder();
    std::fs::create_dir_all(&folder)?;
    // Files of older versions are not in `expected` and stay as they are.
    for (name, samples) in files::expected() {
        std::fs::write(folder.join(name), write_hex(&samples))?;
    }
    Ok(())
}

fn write_hex(samples: &[Vec<u8>]) -> String {
    let lines = |sample: &Vec<u8>| sample.chunks(32).map(|line| hex::encode(line) + "\n").collect::<String>();
    samples.iter().map(lines).collect::<Vec<_>>().join("\n")
}
