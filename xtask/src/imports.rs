//! The check that no crate has an import cycle: files whose imports lead back to themselves.
//!
//! It reads the `crate::` and `super::` paths of each file as text, tests left out, and follows each to the
//! file of the module that it names. A file may use what the `mod.rs` of its folder defines: the check does not
//! count that a `mod.rs` uses the files that it declares. Only the root, from which nothing is imported, counts
//! as a user of all files.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks every crate of the workspace.
///
/// # Errors
/// If a crate has an import cycle, which the message names, or if a file cannot be read.
pub(crate) fn check() -> Result<()> {
    let mut cycles = Vec::new();
    for (name, root) in crate_roots()? {
        let files = modules(&root)?;
        for cycle in find_cycles(&imports(&files)) {
            cycles.push(format!("{name}: {}", cycle.join(" -> ")));
        }
    }
    if cycles.is_empty() {
        return Ok(());
    }
    bail!("these files import each other; move what they share below them:\n{}", cycles.join("\n"))
}

/// The name and the root file of each library and program in the workspace.
fn crate_roots() -> Result<Vec<(String, PathBuf)>> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let metadata: Value = serde_json::from_slice(&output.context("cargo cannot be started")?.stdout)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut roots = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            let kinds = list(&target["kind"]);
            if kinds.iter().any(|kind| ["lib", "rlib", "bin"].contains(&kind.as_str().unwrap_or_default())) {
                let root = PathBuf::from(target["src_path"].as_str().unwrap_or_default());
                roots.insert(root, package["name"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    Ok(roots.into_iter().map(|(root, name)| (name, root)).collect())
}

/// The text of each module of a crate by its path, such as `model::validation`; the root is the empty path.
fn modules(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let folder = root.parent().context("a root file lies in a folder")?;
    let mut pending = vec![folder.to_owned()];
    while let Some(folder_path) = pending.pop() {
        let entries =
            fs::read_dir(&folder_path).with_context(|| format!("{} cannot be read", folder_path.display()))?;
        for entry in entries {
            let path = entry?.path();
            let is_test = path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs");
            if path.is_dir() && !is_test && path.file_name().is_none_or(|name| name != "bin") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let module = module_path(folder, &path);
                let is_other_root = path.parent() == Some(folder) && ["lib", "main"].contains(&module.as_str());
                if path == root || !is_other_root {
                    let text =
                        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                    files.insert(if path == root { String::new() } else { module }, without_tests(&text).to_owned());
                }
            }
        }
    }
    Ok(files)
}

/// `model::validation` for `src/model/validation.rs`, `model` for `src/model/mod.rs`.
fn module_path(folder: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    let mut parts: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts.join("::")
}

/// The part of a file before its unit tests.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |tests| &text[..tests])
}

/// The modules that each module imports.
fn imports(files: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut imports = BTreeMap::new();
    for (module, text) in files {
        let mut imported = BTreeSet::new();
        for path in imported_paths(module, text) {
            if let Some(found) = nearest(files, &path)
                && found != module
            {
                imported.insert(found);
            }
        }
        imports.insert(module.as_str(), imported);
    }
    imports
}

/// The module with the longest path that `path` begins with.
fn nearest<'a>(files: &'a BTreeMap<String, String>, path: &[String]) -> Option<&'a str> {
    let found = (0..=path.len()).rev().find_map(|length| files.get_key_value(&path[..length].join("::")));
    found.map(|(module, _)| module.as_str())
}

/// Every path in the text of a module that begins with `crate::` or `super::`, in code only and from the root
/// on; braces are spelled out.
fn imported_paths(module: &str, text: &str) -> Vec<Vec<String>> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let is_start =
        |start: usize| !code[..start].ends_with(|before: char| before.is_alphanumeric() || "_$:".contains(before));
    let mut paths = Vec::new();
    for (start, keyword) in code.match_indices("crate::").filter(|(start, _)| is_start(*start)) {
        expand(&mut code[start + keyword.len()..].chars().peekable(), &[], &mut paths);
    }
    for (start, keyword) in code.match_indices("super::").filter(|(start, _)| is_start(*start)) {
        let mut path = &code[start + keyword.len()..];
        let mut ancestor: Vec<String> = module.split("::").map(str::to_owned).collect();
        ancestor.pop();
        while let Some(rest) = path.strip_prefix(keyword) {
            path = rest;
            ancestor.pop();
        }
        expand(&mut path.chars().peekable(), &ancestor, &mut paths);
    }
    paths
}

/// Reads one path, or a list of them in braces, and adds each with `prefix` before it.
fn expand(text: &mut std::iter::Peekable<std::str::Chars<'_>>, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    loop {
        while text.next_if(|next| next.is_whitespace()).is_some() {}
        if text.next_if_eq(&'{').is_some() {
            loop {
                expand(text, &path, paths);
                while text.next_if(|next| next.is_whitespace()).is_some() {}
                match text.next() {
                    Some(',') => {}
                    _ => return,
                }
            }
        }
        let mut name = String::new();
        while let Some(next) = text.next_if(|next| next.is_alphanumeric() || *next == '_') {
            name.push(next);
        }
        let is_end = name.is_empty() || name == "self";
        if !is_end {
            path.push(name);
        }
        if is_end || text.next_if_eq(&':').is_none() {
            break;
        }
        text.next_if_eq(&':');
    }
    // `use a::B as C` inside of braces.
    while text.next_if(|next| !",}{;\n()".contains(*next)).is_some() {}
    // `"crate::"` in a text names no module.
    if !path.is_empty() {
        paths.push(path);
    }
}

/// The cycles in a graph of imports: each begins and ends with the same module.
fn find_cycles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let mut cycles = Vec::new();
    let mut visited = BTreeSet::new();
    for start in imports.keys() {
        visit(start, imports, &mut Vec::new(), &mut visited, &mut cycles);
    }
    cycles
}

fn visit<'a>(
    module: &'a str,
    imports: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    path: &mut Vec<&'a str>,
    visited: &mut BTreeSet<&'a str>,
    cycles: &mut Vec<Vec<String>>,
) {
    if let Some(first) = path.iter().position(|before| *before == module) {
        let name = |module: &&str| if module.is_empty() { "the root".to_owned() } else { (*module).to_owned() };
        cycles.push(path[first..].iter().chain([&module]).map(name).collect());
        return;
    }
    if visited.contains(module) {
        return;
    }
    path.push(module);
    // The root declares every module, so that an import of it leads to all of them.
    let declared = imports.keys().filter(|other| module.is_empty() && !other.is_empty());
    for next in imports.get(module).into_iter().flatten().chain(declared) {
        visit(next, imports, path, visited, cycles);
    }
    path.pop();
    visited.insert(module);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_crate_of_the_workspace_has_an_import_cycle() {
        check().unwrap();
    }

    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect();
        find_cycles(&imports(&files)).into_iter().map(|cycle| cycle.join(" -> ")).collect()
    }

    #[test]
    fn imports_that_run_downwards_are_fine() {
        let files = [
            ("", "mod a; mod b; mod c; pub use a::A;"),
            ("a", "use crate::b::{B, inner::{C, D as E}};\nuse crate::c;"),
            ("b", "use crate::c::F;"),
            ("b::inner", "// crate::a::A stands in a comment\nuse crate::c::F;\nuse super::B;"),
            ("c", "let own = krate::a::x;"),
        ];
        assert_eq!(cycles(&files), [""; 0]);
    }

    #[test]
    fn a_cycle_is_named_once() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "fn f() -> crate::c::C {}"),
            ("c", "use crate::{a::A, d::D};"),
            ("d", ""),
        ];
        assert_eq!(cycles(&files), ["a -> b -> c -> a"]);
    }

    /// `super::` was once not followed, although in a `mod.rs` it leads out of the folder.
    #[test]
    fn a_cycle_through_super_is_found() {
        let files = [
            ("a", "use super::b::B;"),
            ("a::inner", "use super::other::O;"),
            ("a::other", "fn f() -> super::super::b::deep::D {}"),
            ("b", ""),
            ("b::deep", "use super::super::a::inner::I;"),
        ];
        assert_eq!(cycles(&files), ["a::inner -> a::other -> b::deep -> a::inner"]);
        assert_eq!(cycles(&[("a", "use super::b;"), ("b", "use crate::a::A;")]), ["a -> b -> a"]);
    }

    #[test]
    fn an_import_of_the_root_runs_upwards() {
        let files = [("", "pub const N: usize = 3;"), ("a", "use crate::N;")];
        assert_eq!(cycles(&files), ["the root -> a -> the root"]);
    }

    #[test]
    fn unit_tests_are_left_out() {
        assert_eq!(without_tests("use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::b;\n}"), "use crate::a;\n");
    }
}
