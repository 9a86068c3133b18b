//! The texts of a VST3 host.

use vst3::Steinberg::Vst::TChar;

/// The longest parameter text that fits into clap-wrapper's buffer, in bytes of UTF-8.
const MAX_TEXT_BYTES: usize = 126;

/// Whether a text has more than [`MAX_TEXT_BYTES`].
///
/// # Safety
/// `text` is null-terminated.
pub(super) unsafe fn is_too_long(text: *const TChar) -> bool {
    let mut length = 0;
    for index in 0.. {
        // SAFETY: the terminating null was not reached before.
        let unit = unsafe { *text.add(index) };
        length += match unit {
            0 => return false,
            1..0x80 => 1,
            0x80..0x800 => 2,
            _ => 3,
        };
        if length > MAX_TEXT_BYTES {
            break;
        }
    }
    true
}
