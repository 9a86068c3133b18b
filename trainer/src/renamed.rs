//! Names of earlier versions that users may have written into configurations and scripts: they are refused with the
//! present name.

/// Keys of TOML files: the section, the former key, the present key.
const KEYS: [(&str, &str, &str); 8] = [
    ("training", "begin_with", "init_from"),
    ("evaluation", "positive_from", "threshold"),
    ("evaluation", "least_positives", "min_positives"),
    ("", "shortest", "min_seconds"),
    ("recipe", "learnt_seed", "train_seed"),
    ("recipe", "half", "half_precision"),
    ("recipe", "measured", "held_out"),
    ("package", "leave_out", "exclude"),
];

/// Flags: the former and the present one.
const FLAGS: [(&str, &str); 6] = [
    ("--said", "--pseudo-labels"),
    ("--positive-from", "--threshold"),
    ("--least-positives", "--min-positives"),
    ("--weak-by", "--weak-tags-from"),
    ("--varied", "--augmented-copies"),
    ("--shortest", "--min-seconds"),
];

/// A sentence about a former key in a configuration or package list; `None` if there is none.
pub(crate) fn refuse_key(table: &toml::Table) -> Option<String> {
    let has = |value: &toml::Value, key: &str| match value {
        toml::Value::Array(entries) => entries.iter().any(|entry| entry.get(key).is_some()),
        section => section.get(key).is_some(),
    };
    let is_used = |(section, key, _): &&(&str, &str, &str)| match *section {
        "" => table.contains_key(*key),
        section => table.get(section).is_some_and(|section| has(section, key)),
    };
    let (section, key, now) = KEYS.iter().find(is_used)?;
    let place = if section.is_empty() { String::new() } else { format!("in [{section}], ") };
    Some(format!("{place}{key} is now called {now}; rename the key"))
}

/// A sentence about a former flag or subcommand in the arguments of the command line, the program's name left out;
/// `None` if there is none.
pub fn refuse_argument(arguments: &[String]) -> Option<String> {
    if arguments.starts_with(&["prepare".into(), "taught".into()]) {
        return Some("`prepare taught` is now called `prepare pseudo-labelled`".into());
    }
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    flags
        .filter_map(|argument| FLAGS.iter().find(|(flag, _)| argument.split('=').next() == Some(*flag)))
        .next()
        .map(|(flag, now)| format!("{flag} is now called {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_keys_are_refused_in_their_sections_only() {
        for (section, key, now) in KEYS {
            let text = match section {
                "" => format!("{key} = 1\n"),
                "package" => format!("[[package]]\nname = \"a\"\n[[package]]\n{key} = 1\n"),
                section => format!("[{section}]\n{key} = 1\n"),
            };
            let message = refuse_key(&text.parse().unwrap()).unwrap();
            assert!(message.contains(&format!("{key} is now called {now};")), "{message}");
            let elsewhere = format!("[elsewhere]\n{key} = 1\n");
            assert_eq!(refuse_key(&elsewhere.parse().unwrap()), None);
        }
    }

    #[test]
    fn former_flags_are_refused_in_both_forms() {
        let refuse = |text: &str| refuse_argument(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (flag, now) in FLAGS {
            for text in [format!("evaluate {flag} 3"), format!("evaluate {flag}=3")] {
                assert_eq!(refuse(&text), Some(format!("{flag} is now called {now}")));
            }
            assert_eq!(refuse(&format!("tag model.onnx -- {flag}")), None);
            assert_eq!(refuse(&format!("evaluate {now} 3")), None);
        }
        assert!(refuse("prepare taught --audio a").unwrap().contains("pseudo-labelled"));
        assert_eq!(refuse("prepare folder --audio taught"), None);
    }
}
