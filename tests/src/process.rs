//! What this process holds, as Linux tells it.

use std::fs;

/// Variables of a process (see [`again`](crate::again)) whose freed memory goes back to the system
/// at once, so that what is not freed shows.
pub const GIVES_BACK: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "0"), ("MALLOC_MMAP_THRESHOLD_", "65536")];

/// The threads there are.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// The files that are open.
pub fn files() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// Memory that is resident, in MB.
pub fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).expect("a number") / 1_024.0
}
