//! Linking on Linux. Adds the folder of the static libstdc++ to the search path, so that the plugin also loads on
//! systems with an older libstdc++ than that of the build machine; `.cargo/config.toml` links it. Has clap-wrapper call
//! `shell/quiet.rs` instead of `fprintf`. Keeps the library in memory once it is loaded, because Rust's standard library
//! calls it at the end of each thread that it asked for its id: a host that had closed the plugin on that thread crashed.
//! Binds the library's names to itself, so that a second version of it is its own where a host loads both globally.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
        let output = Command::new(compiler).arg("-print-file-name=libstdc++.a").output();
        let library = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        if let Some(folder) = library.as_deref().map(str::trim).and_then(|path| Path::new(path).parent()) {
            println!("cargo:rustc-link-search=native={}", folder.display());
        }
        println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap=fprintf,--wrap=__fprintf_chk");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete,-Bsymbolic");
    }
}
