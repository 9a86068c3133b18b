//! Names of earlier versions. Those that users may have written into configurations and scripts are refused with the
//! present name; those in checkpoints are replaced.

use rmpv::Value;

/// Keys of TOML files: the section, the former key, the present key.
const KEYS: &[(&str, &str, &str)] = &[
    ("architecture", "first", "first_kernel_size"),
    ("training", "begin_with", "init_from"),
    ("training", "batch", "batch_size"),
    ("training", "accumulate", "accumulate_grad_batches"),
    ("training.schedule", "factor", "divisor"),
    ("training.schedule", "drops", "reductions"),
    ("evaluation", "positive_from", "threshold"),
    ("evaluation", "least_positives", "min_positives"),
    ("", "shortest", "min_seconds"),
    ("recipe", "learnt_seed", "train_seed"),
    ("recipe", "half", "bf16_labels"),
    ("recipe", "half_precision", "bf16_labels"),
    ("recipe", "measured", "held_out"),
    ("recipe", "segments", "max_segments"),
    ("recipe", "copies", "augmented_copies"),
    ("recipe", "seconds", "piece_seconds"),
    ("package", "leave_out", "exclude"),
    ("package", "renders", "is_render_source"),
];

/// Values of TOML files: the section, the key, the former value, the present value.
const VALUES: &[(&str, &str, &str, &str)] = &[("training", "precision", "half", "bf16")];

/// Flags: the subcommand, or nothing for all of them; the former flag, the present flag.
const FLAGS: &[(&str, &str, &str)] = &[
    ("", "--said", "--pseudo-labels"),
    ("", "--positive-from", "--threshold"),
    ("", "--least-positives", "--min-positives"),
    ("", "--weak-by", "--weak-tags-from"),
    ("", "--varied", "--augmented-copies"),
    ("", "--shortest", "--min-seconds"),
    ("bench", "--half", "--bf16"),
    ("prepare", "--segments", "--max-segments"),
    ("prepare", "--untagged", "--keep-untagged"),
    ("prepare", "--validation", "--validation-fraction"),
    ("prepare", "--test", "--test-fraction"),
    ("prepare", "--recordings", "--corpus-list"),
    ("train", "--until", "--stop-after-epoch"),
];

/// Variants and fields of the network's modules in checkpoints of format 0: the former and the present name.
const MODULES: &[(&str, &str)] = &[
    ("Stage", "ConvBlock"),
    ("Picture", "Conv2dStack"),
    ("Recurrent", "Gru"),
    ("stages", "blocks"),
    ("rectify", "has_relu"),
    ("widen", "projection"),
    ("shortcut", "has_shortcut"),
    ("waves", "dft"),
    ("bank", "filter_bank"),
    ("scale", "mean_and_std"),
    ("last", "last_frame_only"),
];

/// A sentence about a former key or value in a configuration or package list; `None` if there is none.
pub(crate) fn renamed_key_message(table: &toml::Table) -> Option<String> {
    let has_key = |section: &str, key: &str| sections(table, section).iter().any(|table| table.contains_key(key));
    if let Some((section, key, now)) = KEYS.iter().find(|(section, key, _)| has_key(section, key)) {
        return Some(format!("{}{key} is now called {now}; rename the key", place(section)));
    }
    let has_value = |section: &str, key: &str, value: &str| {
        sections(table, section).iter().any(|table| table.get(key).and_then(toml::Value::as_str) == Some(value))
    };
    let (section, key, value, now) = VALUES.iter().find(|(section, key, value, _)| has_value(section, key, value))?;
    Some(format!("{}{key} = \"{value}\" is now called \"{now}\"; change the value", place(section)))
}

/// The beginning of a sentence about a section.
fn place(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!("in [{section}], ") }
}

/// The tables of a section such as `training.schedule`: one, or all entries of an array of tables.
fn sections<'a>(table: &'a toml::Table, section: &str) -> Vec<&'a toml::Table> {
    let mut tables = vec![table];
    for name in section.split('.').filter(|name| !name.is_empty()) {
        let mut inner: Vec<&toml::Table> = Vec::new();
        for value in tables.into_iter().filter_map(|table| table.get(name)) {
            match value {
                toml::Value::Array(entries) => inner.extend(entries.iter().filter_map(toml::Value::as_table)),
                value => inner.extend(value.as_table()),
            }
        }
        tables = inner;
    }
    tables
}

/// A sentence about a former flag or subcommand in the arguments of the command line, the program's name left out;
/// `None` if there is none.
pub fn renamed_argument_message(arguments: &[String]) -> Option<String> {
    if arguments.starts_with(&["prepare".into(), "taught".into()]) {
        return Some("`prepare taught` is now called `prepare pseudo-labelled`".into());
    }
    let subcommand = arguments.first().map_or("", String::as_str);
    let renamed = |argument: &String| {
        let flag = argument.split('=').next();
        FLAGS.iter().find(|(of, former, _)| (of.is_empty() || *of == subcommand) && flag == Some(*former))
    };
    let (_, flag, now) = arguments.iter().take_while(|argument| *argument != "--").find_map(renamed)?;
    Some(format!("{flag} is now called {now}"))
}

/// Replaces the former names in a record of a checkpoint of format 0. The record is MessagePack.
///
/// It replaces every key of these names, wherever it stands, so it must not see a record of a later format.
///
/// # Errors
/// Why the bytes are no MessagePack.
pub(crate) fn rename_modules(record: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut value = rmpv::decode::read_value(&mut record.as_slice()).map_err(|error| error.to_string())?;
    if !rename_keys(&mut value) {
        return Ok(record);
    }
    let mut renamed = Vec::with_capacity(record.len());
    rmpv::encode::write_value(&mut renamed, &value).map_err(|error| error.to_string())?;
    Ok(renamed)
}

/// Replaces the former names among the keys of all maps. Returns whether there was one.
fn rename_keys(value: &mut Value) -> bool {
    match value {
        Value::Map(entries) => entries.iter_mut().fold(false, |found, (key, value)| {
            let name = MODULES.iter().find(|(former, _)| key.as_str() == Some(*former));
            if let Some((_, name)) = name {
                *key = (*name).into();
            }
            found | name.is_some() | rename_keys(value)
        }),
        Value::Array(values) => values.iter_mut().fold(false, |found, value| found | rename_keys(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_keys_are_refused_in_their_sections_only() {
        for (section, key, now) in KEYS {
            let text = match *section {
                "" => format!("{key} = 1\n"),
                "package" => format!("[[package]]\nname = \"a\"\n[[package]]\n{key} = 1\n"),
                section => format!("[{section}]\n{key} = 1\n"),
            };
            let message = renamed_key_message(&text.parse().unwrap()).unwrap();
            assert!(message.contains(&format!("{key} is now called {now};")), "{message}");
            let elsewhere = format!("[elsewhere]\n{key} = 1\n");
            assert_eq!(renamed_key_message(&elsewhere.parse().unwrap()), None);
        }
    }

    #[test]
    fn former_values_are_refused_for_their_keys_only() {
        for (section, key, value, now) in VALUES {
            let message =
                |key: &str| renamed_key_message(&format!("[{section}]\n{key} = \"{value}\"\n").parse().unwrap());
            let refused = message(key).unwrap();
            assert!(refused.contains(&format!("{key} = \"{value}\" is now called \"{now}\";")), "{refused}");
            assert_eq!(message("another"), None);
        }
    }

    #[test]
    fn former_flags_are_refused_in_both_forms() {
        let message = |text: &str| renamed_argument_message(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (subcommand, flag, now) in FLAGS {
            let of = if subcommand.is_empty() { "evaluate" } else { *subcommand };
            for text in [format!("{of} {flag} 3"), format!("{of} {flag}=3")] {
                assert_eq!(message(&text), Some(format!("{flag} is now called {now}")));
            }
            assert_eq!(message(&format!("{of} model.onnx -- {flag}")), None);
            assert_eq!(message(&format!("{of} {now} 3")), None);
            if !subcommand.is_empty() {
                assert_eq!(message(&format!("models {flag}")), None);
            }
        }
        assert!(message("prepare taught --audio a").unwrap().contains("pseudo-labelled"));
        assert_eq!(message("prepare folder --audio taught"), None);
    }
}
