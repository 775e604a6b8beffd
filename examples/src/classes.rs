//! The classes of storage of recordings as operators write them: `snapshot=cold,motion-clip=cold`.

use anyhow::Context;
use lsv_core::ports::StorageClass;
use lsv_core::recording::{Kind, StorageClasses};

/// Reads the kinds of recordings that are not hot.
///
/// # Errors
/// Names the entry that cannot be read.
pub fn parse(text: &str) -> anyhow::Result<StorageClasses> {
    let mut classes = StorageClasses::default();
    for entry in text.split(',').map(str::trim) {
        let (kind, class) = class(entry).with_context(|| {
            let kinds = Kind::ALL.map(Kind::as_str).join(", ");
            format!(
                "storage-class lists kinds of recordings like snapshot=cold, not {entry:?}: \
                 {kinds}, each hot or cold"
            )
        })?;
        classes.set(kind, class);
    }
    Ok(classes)
}

fn class(entry: &str) -> Option<(Kind, StorageClass)> {
    let (word, class) = entry.split_once('=')?;
    let kind = Kind::parse(word)?;
    Some((kind, StorageClass::parse(class)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_hot() {
        let classes = parse("snapshot=cold, motion-clip=cold,file=hot").unwrap();
        let words = Kind::ALL.map(|kind| classes.of(kind).as_str());
        assert_eq!(words, ["hot", "hot", "cold", "cold", "hot"]);
        for wrong in [
            "",
            "snapshot",
            "snapshot=ice",
            "pictures=cold",
            "snapshot=cold,",
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("storage-class lists kinds"), "{error}");
        }
    }
}
