//! Names for OSC and the VST3, which take only ASCII.

/// `name` in ASCII: letters of other scripts are transliterated.
pub fn to_ascii(name: &str) -> String {
    deunicode::deunicode_with_tofu(name, "?")
}

/// The most characters of a part of an OSC address.
const MAX_PART: usize = 64;

/// `name` as one part of an OSC address: 1 to 64 printable ASCII characters, without those that OSC 1.0
/// reserves.
pub(crate) fn osc_address_part(name: &str) -> String {
    let part: String = to_ascii(name)
        .trim()
        .chars()
        .take(MAX_PART)
        .map(|character| match character {
            character if !character.is_ascii_graphic() => '_',
            '#' | '*' | ',' | '/' | '?' | '[' | ']' | '{' | '}' => '_',
            other => other,
        })
        .collect();
    if part.is_empty() { "_".into() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_parts_are_ascii_without_reserved_characters() {
        assert_eq!(osc_address_part("female vocal"), "female_vocal");
        assert_eq!(osc_address_part("  r&b/soul "), "r&b_soul");
        assert_eq!(osc_address_part("Müsik"), "Musik");
        assert_eq!(osc_address_part("[*]"), "___");
        assert_eq!(osc_address_part(" "), "_");
        assert_eq!(osc_address_part("a\0b\nc"), "a_b_c");
        assert_eq!(osc_address_part(&"long".repeat(100)).len(), MAX_PART);
        assert_eq!(to_ascii("naïve"), "naive");
    }
}
