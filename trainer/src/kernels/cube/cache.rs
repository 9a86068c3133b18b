//! Where compiled kernels are kept between starts.

use super::DEVICE_SOURCE;
use crate::reproducible;
use burn_cubecl::cubecl::config::cache::CacheConfig;
use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use std::path::Path;

/// Keeps compiled kernels in the user's cache folder, so that only the first start waits for the compiler. Call it
/// before anything runs on CUDA or Vulkan; cubecl reads its configuration once.
///
/// # Panics
/// Panics after cubecl was used.
pub fn cache_kernels() {
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    if let Some(folders) = directories::ProjectDirs::from("", "", "Tagvane") {
        // cubecl knows a kernel by its name and its arguments, not by its source or its card.
        let source = reproducible::hash(&[env!("CARGO_PKG_VERSION").as_bytes(), DEVICE_SOURCE, cards().as_bytes()]);
        let folder = folders.cache_dir().join(format!("kernels-{source:016x}"));
        config.compilation.cache = Some(CacheConfig::File(folder));
    }
    CubeClRuntimeConfig::set(config);
}

/// What NVIDIA's driver says of the cards.
fn cards() -> String {
    let Ok(entries) = std::fs::read_dir(Path::new("/proc/driver/nvidia/gpus")) else { return String::new() };
    let model = |path: &Path| {
        let text = std::fs::read_to_string(path.join("information")).ok()?;
        text.lines().find(|line| line.starts_with("Model:")).map(str::to_owned)
    };
    let mut models: Vec<String> = entries.flatten().filter_map(|entry| model(&entry.path())).collect();
    models.sort();
    models.concat()
}
