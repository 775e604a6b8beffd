//! Rendezvous hashing: many who choose one of several for a name agree without a word, and when one goes only its names
//! move.

use sha2::{Digest, Sha256};

/// The weight of a candidate for a name, both told by `words`: the candidate with the greatest has it. Equal in every
/// process, whatever release it is of.
pub fn weight<'a>(words: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word);
        hash.update([0]);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str, among: &[&'static str]) -> &'static str {
        let weighed = among
            .iter()
            .max_by_key(|candidate| weight([name, candidate]));
        weighed.copied().unwrap()
    }

    #[test]
    fn only_the_names_of_who_goes_move() {
        let (all, fewer) = (["a", "b", "c"], ["a", "b"]);
        let names: Vec<String> = (0..300).map(|n| format!("cam{n}")).collect();
        for name in &names {
            let before = chosen(name, &all);
            if before != "c" {
                assert_eq!(chosen(name, &fewer), before);
            }
        }
        for candidate in all {
            let mine = names.iter().filter(|name| chosen(name, &all) == candidate);
            assert!((60..140).contains(&mine.count()));
        }
    }

    #[test]
    fn words_keep_apart() {
        assert_ne!(weight(["ab", "c"]), weight(["a", "bc"]));
    }
}
