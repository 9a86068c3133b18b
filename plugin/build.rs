//! Linking. On Linux and with mingw: adds the folder of the static libstdc++ to the search path, so that the plugin also loads on
//! systems with an older libstdc++ than that of the build machine, or without one; `.cargo/config.toml` links it.
//!
//! On Linux: has clap-wrapper call `shell/quiet.rs` instead of `fprintf`. Keeps the library in memory once it is loaded, because
//! Rust's standard library calls it at the end of each thread that it asked for its id: a host that had closed the plugin on
//! that thread crashed. Binds the library's names to itself, so that a second version of it is its own where a host loads both
//! globally.
//!
//! With mingw: clap-wrapper's crate asks for `Shell32`, which is `shell32` there, and not for the interface ids in `uuid`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_mingw = target("OS") == "windows" && target("ENV") == "gnu";
    if is_mingw {
        println!("cargo:rustc-link-arg=-Wl,-Bstatic,-lstdc++,-lwinpthread,-Bdynamic");
        println!("cargo:rustc-link-arg=-luuid");
        if let (Some(library), Ok(folder)) =
            (library("x86_64-w64-mingw32-g++-posix", "libshell32.a"), std::env::var("OUT_DIR"))
        {
            // Where it is named like this already, the linker finds it by itself.
            drop(std::fs::copy(library, Path::new(&folder).join("libShell32.a")));
            println!("cargo:rustc-link-search=native={folder}");
        }
    }
    if target("OS") == "linux" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap=fprintf,--wrap=__fprintf_chk");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete,-Bsymbolic");
    }
    if is_mingw || target("OS") == "linux" {
        let compiler = if is_mingw {
            "x86_64-w64-mingw32-g++-posix".into()
        } else {
            std::env::var("CXX").unwrap_or_else(|_| "g++".into())
        };
        if let Some(folder) = library(&compiler, "libstdc++.a").as_deref().and_then(Path::parent) {
            println!("cargo:rustc-link-search=native={}", folder.display());
        }
    }
}

/// Where a compiler has a library.
fn library(compiler: &str, name: &str) -> Option<PathBuf> {
    let output = Command::new(compiler).arg(format!("-print-file-name={name}")).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}
