//! Names of files in an archive: those of keys, made harmless for whoever unpacks it.
//!
//! Invariant: no name leads out of the folder that it is unpacked in, and no two are the same.

use std::collections::{HashMap, HashSet};

/// Names, as they are given out.
#[derive(Default)]
pub(super) struct Names {
    given: HashSet<String>,
    /// The next number of a name that was given before, in lower case. Trying them all from 1 on again would take a time that
    /// grows with the square of the keys.
    next: HashMap<String, u32>,
    #[cfg(test)]
    tries: usize,
}

impl Names {
    /// The name of an object of this key. A key that ends with a slash and has no bytes is a folder.
    pub(super) fn give(&mut self, key: &str, is_empty: bool) -> String {
        let (path, is_folder) = match key.strip_suffix('/') {
            Some(path) if is_empty && !path.is_empty() => (path, true),
            _ => (key, false),
        };
        let pieces: Vec<String> = path.split('/').map(harmless).collect();
        let plain = pieces.join("/");
        let end = if is_folder { "/" } else { "" };
        let mut name = format!("{plain}{end}");
        // Systems that do not tell upper case from lower would write one over the other.
        if !self.is_new(&name) {
            let lower = name.to_lowercase();
            let mut number = self.next.remove(&lower).unwrap_or(1);
            loop {
                name = format!("{plain}~{number}{end}");
                number += 1;
                if self.is_new(&name) {
                    break;
                }
            }
            self.next.insert(lower, number);
        }
        name
    }

    fn is_new(&mut self, name: &str) -> bool {
        #[cfg(test)]
        {
            self.tries += 1;
        }
        self.given.insert(name.to_lowercase())
    }
}

/// A piece of a path that is neither empty nor a way up, nor means something else elsewhere.
fn harmless(piece: &str) -> String {
    if piece.chars().all(|letter| letter == '.') {
        return format!("_{piece}");
    }
    let letter = |letter: char| if letter.is_control() || "\\:*?\"<>|".contains(letter) { '_' } else { letter };
    piece.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        for (key, expected) in [
            ("a/b.txt", "a/b.txt"),
            ("../../etc/passwd", "_../_../etc/passwd"),
            ("/etc/passwd", "_/etc/passwd"),
            ("a//b", "a/_/b"),
            ("a/./b", "a/_./b"),
            ("..\\..\\x", ".._.._x"),
            ("C:/x", "C_/x"),
            ("a\0b\n", "a_b_"),
            ("/", "_/_"),
            ("é/ü", "é/ü"),
            ("...", "_..."),
        ] {
            let name = Names::default().give(key, false);
            assert_eq!(name, expected, "{key:?}");
            assert!(!name.split('/').any(|piece| ["", ".", ".."].contains(&piece)), "{name}");
        }
    }

    #[test]
    fn folders_stay_folders() {
        assert_eq!(Names::default().give("a/b/", true), "a/b/");
        assert_eq!(Names::default().give("a/b/", false), "a/b/_");
        assert_eq!(Names::default().give("/", true), "_/_");
    }

    #[test]
    fn no_two_are_the_same() {
        let mut names = Names::default();
        let given: Vec<String> =
            ["a?", "a_", "A_", "a_~1", "f/", "f/"].iter().map(|key| names.give(key, true)).collect();
        assert_eq!(given, ["a_", "a_~1", "A_~2", "a_~1~1", "f/", "f~1/"]);
    }

    #[test]
    fn keys_that_all_become_the_same_name_take_no_more_than_a_few_tries_each() {
        let mut names = Names::default();
        // Fourteen characters, in four places: all of them become `____`. Some names with numbers are taken before.
        let signs: Vec<char> = "\\:*?\"<>|\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}".chars().collect();
        let key = |number: usize| -> String { (0..4).map(|place| signs[number / 14_usize.pow(place) % 14]).collect() };
        let taken: Vec<String> = (1..=100).map(|number| format!("____~{number}")).collect();
        let given: HashSet<String> =
            taken.into_iter().chain((0..9_900).map(key)).map(|key| names.give(&key, false).to_lowercase()).collect();
        assert_eq!(given.len(), 10_000);
        assert!(
            given.contains("____") && given.contains("____~9999") && !given.contains("____~10000"),
            "no number is left out"
        );
        assert!(names.tries <= 20_000, "{}", names.tries);
    }
}
