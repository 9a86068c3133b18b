//! The text of a list: its encoding and its line ends.

use encoding_rs::{Encoding, WINDOWS_1252};

/// A list as text.
#[derive(Debug, PartialEq)]
pub(super) struct ListText {
    /// Lines end with `\n`.
    pub(super) text: String,
    /// Name of the encoding where it is not UTF-8.
    pub(super) encoding: Option<&'static str>,
}

/// Decodes UTF-8, also with a byte order mark, UTF-16 with one (which Excel writes), and otherwise Windows-1252, of which
/// Latin-1 is a part.
///
/// # Errors
/// A sentence on what the bytes are instead.
pub(super) fn decode(bytes: &[u8]) -> Result<ListText, String> {
    let save = "save it as CSV in UTF-8";
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(format!("this is a spreadsheet and no text; {save}"));
    }
    let (text, encoding) = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => {
            let (text, _, is_damaged) = encoding.decode(bytes);
            if is_damaged {
                return Err(format!("this is not valid {}, as its first bytes say; {save}", encoding.name()));
            }
            (text.into_owned(), encoding)
        }
        None if bytes.contains(&0) => {
            return Err(format!("this has zero bytes, as UTF-16 without a byte order mark has; {save}"));
        }
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), encoding_rs::UTF_8),
            Err(error) => {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
                // Bytes that Windows-1252 leaves open.
                if text.contains(|letter| matches!(letter, '\u{80}'..='\u{9f}')) {
                    let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                    return Err(format!("line {line} is neither UTF-8 nor Windows-1252; {save}"));
                }
                (text.into_owned(), WINDOWS_1252)
            }
        },
    };
    let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    Ok(ListText { text, encoding: (encoding != encoding_rs::UTF_8).then(|| encoding.name()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_line_ends_give_the_same_text() {
        let text = "path,tag\nä.wav,größer\n";
        let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
        };
        let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), None),
            (format!("\u{feff}{text}").into_bytes(), None),
            (text.replace('\n', "\r\n").into_bytes(), None),
            (text.replace('\n', "\r").into_bytes(), None),
            (utf_16(u16::to_le_bytes), Some("UTF-16LE")),
            (utf_16(u16::to_be_bytes), Some("UTF-16BE")),
            (latin, Some("windows-1252")),
        ] {
            assert_eq!(decode(&bytes), Ok(ListText { text: text.into(), encoding }));
        }
    }

    #[test]
    fn other_bytes_are_refused_in_words() {
        for (bytes, word) in [
            (&b"PK\x03\x04rest"[..], "spreadsheet"),
            (b"p\0a\0t\0h\0", "zero bytes"),
            (b"\xff\xfea\0\x00\xd8", "UTF-16LE"),
            (b"path\na\x81.wav\n", "line 2 is neither"),
        ] {
            let message = decode(bytes).unwrap_err();
            assert!(message.contains(word) && message.contains("save it as CSV in UTF-8"), "{message}");
        }
    }
}
