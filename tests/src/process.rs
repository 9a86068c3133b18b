//! The threads, open files and memory of this process, from Linux's /proc.

use std::fs;

/// Environment variables with which glibc returns freed memory to the system at once, so that a leak
/// shows in [`resident_megabytes`]. For [`subprocess`](crate::subprocess).
pub const RETURN_FREED_MEMORY: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "0"), ("MALLOC_MMAP_THRESHOLD_", "65536")];

/// The number of threads.
pub fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").expect("/proc is readable on Linux").count()
}

/// The number of open file descriptors.
pub fn open_file_count() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc is readable on Linux").count()
}

/// The resident memory, in MB of 2^20 bytes.
pub fn resident_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is readable on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("/proc is readable on Linux");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).expect("a number") / 1_024.0
}
