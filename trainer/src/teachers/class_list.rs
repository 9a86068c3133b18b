//! The names of YAMNet's classes, from the list beside it: a table of index, AudioSet's id and name.

/// Reads the names, in the order of the network's outputs.
///
/// # Errors
/// A sentence, if this is not such a list.
pub(super) fn read_class_list(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut reader = csv::Reader::from_reader(bytes);
    for record in reader.records() {
        let record = record.map_err(|error| format!("this is not a list of classes: {error}"))?;
        match (record.get(0).map(str::parse::<usize>), record.get(2)) {
            (Some(Ok(index)), Some(name)) if index == names.len() => names.push(name.to_owned()),
            _ => return Err(format!("class {} is missing from this list of classes", names.len())),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_read_in_order() {
        let list = b"index,mid,display_name\r\n0,/m/09x0r,Speech\r\n1,/m/0ytgt,\"Child speech, kid speaking\"\r\n";
        assert_eq!(read_class_list(list).unwrap(), ["Speech", "Child speech, kid speaking"]);
    }

    #[test]
    fn a_gap_or_a_short_row_is_an_error() {
        for list in ["index,mid,display_name\n1,/m/0,Speech\n", "a,b,c\n0,/m/0\n", "a,b,c\nzero,/m/0,Speech\n"] {
            assert!(read_class_list(list.as_bytes()).is_err(), "{list}");
        }
    }
}
