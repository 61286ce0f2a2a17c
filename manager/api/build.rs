//! Compiles the proto files, without protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files =
        ["control.proto", "nodes.proto", "host.proto"].map(|name| Path::new("proto").join(name));
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".mini.objects.v1", "::model")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
