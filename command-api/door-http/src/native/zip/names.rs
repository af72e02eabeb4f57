//! Names of files in an archive: those of keys, made harmless for whoever unpacks it.
//!
//! Invariant: no name leads out of the folder that it is unpacked in, and no two are the same.

use std::collections::HashSet;

/// Names, as they are given out.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

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
        let mut number = 1;
        while !self.0.insert(name.to_lowercase()) {
            name = format!("{plain}~{number}{end}");
            number += 1;
        }
        name
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
}
