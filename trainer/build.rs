//! With the feature `libtorch`: tells the programs where PyTorch's libraries are, so
//! that they start without `LD_LIBRARY_PATH`. torch-sys finds the same PyTorch by
//! itself (`.cargo/config.toml` asks it to).
//!
//! With `cuda` or `vulkan`: the versions of the libraries that kernels come from, in `KERNEL_LIBRARIES`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if ["CUDA", "VULKAN"].iter().any(|name| std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some()) {
        println!("cargo:rerun-if-changed=../Cargo.lock");
        println!("cargo:rustc-env=KERNEL_LIBRARIES={}", kernel_libraries());
    }
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

/// The names and versions of burn-cubecl and of all crates of cubecl and cubek, from Cargo.lock.
fn kernel_libraries() -> String {
    let lock = std::fs::read_to_string("../Cargo.lock").expect("the workspace has a Cargo.lock, which cannot be read");
    let packages = lock.split("[[package]]").filter_map(|package| {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix('"'));
        let (name, version) = (value("name = \"")?, value("version = \"")?);
        let is_library = ["burn-cubecl", "cubecl", "cubek"].iter().any(|start| name.starts_with(start));
        is_library.then(|| format!("{name} {version}"))
    });
    packages.collect::<Vec<_>>().join(", ")
}
