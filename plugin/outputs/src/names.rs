//! Names as old and narrow channels take them.

/// `name` in ASCII: letters of other scripts become those that sound alike.
pub fn ascii(name: &str) -> String {
    deunicode::deunicode_with_tofu(name, "?")
}

/// `name` as one part of an OSC address: without the characters that OSC 1.0 keeps for
/// patterns, and never empty.
pub fn osc_part(name: &str) -> String {
    let part: String = ascii(name)
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
    fn names_become_addresses() {
        assert_eq!(osc_part("female vocal"), "female_vocal");
        assert_eq!(osc_part("  r&b/soul "), "r&b_soul");
        assert_eq!(osc_part("Müsik"), "Musik");
        assert_eq!(osc_part("[*]"), "___");
        assert_eq!(osc_part(" "), "_");
        assert_eq!(ascii("naïve"), "naive");
    }
}
