//! Names for channels that take only some characters.

/// `name` in ASCII: letters of other scripts are transliterated.
pub fn to_ascii(name: &str) -> String {
    deunicode::deunicode_with_tofu(name, "?")
}

/// `name` as one part of an OSC address: in ASCII, without the characters that OSC 1.0 reserves, never
/// empty.
pub fn osc_address_part(name: &str) -> String {
    let part: String = to_ascii(name)
        .trim()
        .chars()
        .map(|character| match character {
            ' ' | '#' | '*' | ',' | '/' | '?' | '[' | ']' | '{' | '}' => '_',
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
        assert_eq!(to_ascii("naïve"), "naive");
    }
}
