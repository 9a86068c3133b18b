//! With the feature `libtorch`: tells the programs where PyTorch's libraries are, so
//! that they start without `LD_LIBRARY_PATH`. torch-sys finds the same PyTorch by
//! itself (`.cargo/config.toml` asks it to).

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_LIBTORCH").is_none() || cfg!(windows) {
        return;
    }
    println!("cargo:rerun-if-env-changed=PATH");
    let script = "import pathlib, torch; print(pathlib.Path(torch.__file__).parent / 'lib')";
    let output = Command::new("python3").args(["-c", script]).output();
    if let Some(folder) = output.ok().filter(|output| output.status.success()) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", String::from_utf8_lossy(&folder.stdout).trim());
    }
}
