//! Generates the wire types from `proto/`, without a protocol compiler on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["tidemill/journal/v1/journal.proto"], ["proto"])?;
    Ok(tonic_prost_build::configure().bytes(".").compile_fds(files)?)
}
