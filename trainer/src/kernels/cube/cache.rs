//! Where compiled kernels are kept between starts.

use super::device::SOURCES;
use crate::reproducible;
use burn_cubecl::cubecl::config::cache::CacheConfig;
use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use directories::ProjectDirs;
#[cfg(feature = "cuda")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Once;

/// Keeps the kernels that are compiled for CUDA in the user's cache folder, so that only the first start waits for the
/// compiler. Call it before anything runs on CUDA: cubecl reads its configuration once.
///
/// Where that is not possible it says why on standard error.
///
/// # Panics
/// Panics if cubecl was used before.
#[cfg(feature = "cuda")]
pub fn cache_cuda_kernels() {
    configure(|| match card_and_driver(Path::new("/proc/driver/nvidia")) {
        Some(card) => cache_in(cache_folder(&card)?),
        // cubecl does not know for which card a kernel is.
        None => Err("the driver does not say which graphics card there is, or there are several models".into()),
    });
}

/// Keeps the kernels that are compiled for Vulkan in the user's cache folder. Call it before anything runs on Vulkan:
/// cubecl reads its configuration once. It knows for which card a kernel is there.
///
/// Where that is not possible it says why on standard error.
///
/// # Panics
/// Panics if cubecl was used before.
#[cfg(feature = "vulkan")]
pub fn cache_vulkan_kernels() {
    configure(|| cache_in(cache_folder("")?));
}

/// Sets cubecl's configuration, the first time that it is called.
fn configure(cache: impl FnOnce() -> Result<CacheConfig, String>) {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        let mut config = CubeClRuntimeConfig::default().override_from_env();
        match cache() {
            Ok(cache) => config.compilation.cache = Some(cache),
            Err(why) => eprintln!("compiled kernels are not kept, so that each start compiles them again: {why}"),
        }
        CubeClRuntimeConfig::set(config);
    });
}

/// The folder for the kernels of this build on a card. cubecl knows a kernel by its name and its arguments, so the
/// folder has to change with the sources and with the libraries.
fn cache_folder(card: &str) -> Result<PathBuf, String> {
    let folders = ProjectDirs::from("", "", "Tagvane").ok_or("this user has no home folder")?;
    let mut parts = vec![env!("CARGO_PKG_VERSION").as_bytes(), env!("KERNEL_LIBRARIES").as_bytes(), card.as_bytes()];
    parts.extend(SOURCES);
    Ok(folders.cache_dir().join(format!("kernels-{:016x}", reproducible::hash(&parts))))
}

/// A cache in a folder, if a file can be created there; cubecl would panic if it cannot.
fn cache_in(folder: PathBuf) -> Result<CacheConfig, String> {
    let probe = std::fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder));
    match probe {
        Ok(_) => Ok(CacheConfig::File(folder)),
        Err(error) => Err(format!("{} cannot be written: {error}; make room or set its permissions", folder.display())),
    }
}

/// The model of the graphics cards and the version of the driver, from the files of NVIDIA's driver; `None` if they are
/// missing, or the cards are of several models.
#[cfg(feature = "cuda")]
fn card_and_driver(files: &Path) -> Option<String> {
    let model = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.ok()?.path().join("information")).ok()?;
        text.lines().find(|line| line.starts_with("Model:")).map(str::to_owned)
    };
    let models: Option<Vec<String>> = std::fs::read_dir(files.join("gpus")).ok()?.map(model).collect();
    let mut models = models?;
    models.dedup();
    let version = std::fs::read_to_string(files.join("version")).ok()?;
    match models.as_slice() {
        [model] => Some(format!("{model}\n{version}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: cubecl panics where it cannot open the file of its cache.
    #[test]
    fn a_folder_that_cannot_be_written_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = cache_in(file.join("kernels")).unwrap_err();
        assert!(error.contains("file/kernels cannot be written: "), "{error}");

        let inside = folder.path().join("cache/kernels");
        assert!(matches!(cache_in(inside.clone()), Ok(CacheConfig::File(path)) if path == inside));
        assert_eq!(std::fs::read_dir(inside).unwrap().count(), 0, "the probe is removed");
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn kernels_are_kept_for_cards_of_one_known_model_only() {
        let files = tempfile::tempdir().unwrap();
        let card = |slot: &str, text: &str| {
            let folder = files.path().join("gpus").join(slot);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("information"), text).unwrap();
        };
        assert_eq!(card_and_driver(files.path()), None, "no driver");
        card("0000:01:00.0", "Model: \t NVIDIA H100\nIRQ: 16\n");
        assert_eq!(card_and_driver(files.path()), None, "no version");
        std::fs::write(files.path().join("version"), "580.1").unwrap();
        let one = card_and_driver(files.path()).unwrap();
        assert!(one.contains("NVIDIA H100") && one.contains("580.1"), "{one}");
        card("0000:02:00.0", "Model: \t NVIDIA H100\nIRQ: 17\n");
        assert_eq!(card_and_driver(files.path()), Some(one));
        card("0000:03:00.0", "Model: \t NVIDIA L4\nIRQ: 18\n");
        assert_eq!(card_and_driver(files.path()), None, "two models");
        card("0000:03:00.0", "IRQ: 18\n");
        assert_eq!(card_and_driver(files.path()), None, "a card without a model");
    }
}
