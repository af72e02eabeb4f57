use proptest::prelude::*;

use super::*;

/// The example key and note of Go's `golang.org/x/mod/sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer() -> NoteSigner {
    NoteSigner::new("example.org/log", &[3; 32]).expect("a name")
}

#[test]
fn a_note_of_gos_library_opens() {
    let key: NoteKey = GO_KEY.parse().expect("a key");
    assert_eq!(key.to_string(), GO_KEY);
    let text = open_note(GO_NOTE, &[key]).expect("opens");
    assert!(text.starts_with("If you think") && text.ends_with("problem is.\n"));
}

#[test]
fn the_first_vector_of_rfc_8032() {
    let secret = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").expect("hex");
    let signer = NoteSigner::new("a", &secret.try_into().expect("32 bytes")).expect("a name");
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(hex::encode(signer.key().public()), public);
    assert_eq!(signer.key().id(), {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest([b"a\n\x01".as_slice(), &hex::decode(public).expect("hex")].concat());
        [hash[0], hash[1], hash[2], hash[3]]
    });
}

#[test]
fn what_is_not_a_key_is_refused() {
    let good = signer().key().to_string();
    let (name, rest) = good.split_once('+').expect("parts");
    let (id, key) = rest.split_once('+').expect("parts");
    let other_kind = format!("Ag{}", &key[2..]);
    for (text, expected) in [
        (String::new(), KeyError::Malformed),
        (name.to_owned(), KeyError::Malformed),
        (format!("{name}+{id}"), KeyError::Malformed),
        (format!("+{id}+{key}"), KeyError::Malformed),
        (format!("a b+{id}+{key}"), KeyError::Malformed),
        (format!("{name}+{id}0+{key}"), KeyError::Malformed),
        (format!("{name}+{}+{key}", &id[1..]), KeyError::Malformed),
        (format!("{name}+-{}+{key}", &id[1..]), KeyError::Malformed),
        (format!("{name}+{}+{key}", id.to_uppercase()), KeyError::Malformed),
        (format!("{name}+{id}+{}", &key[..40]), KeyError::Malformed),
        (format!("{name}+{id}+{key}=="), KeyError::Malformed),
        (format!("{name}+{id}+{other_kind}"), KeyError::Kind),
        (format!("{name}x+{id}+{key}"), KeyError::Id),
        (format!("{name}+00000000+{key}"), KeyError::Id),
    ] {
        assert_eq!(text.parse::<NoteKey>(), Err(expected), "{text:?}");
    }
    // The neutral element verifies what nobody signed.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(NoteKey::new("a", &neutral), Err(KeyError::Point));
}

#[test]
fn a_note_is_text_blank_line_and_signatures() {
    let signer = signer();
    let keys = [signer.key().clone()];
    let note = sign_note("one\n\ntwo\n", &signer).expect("signs");
    assert_eq!(open_note(&note, &keys), Ok("one\n\ntwo\n"));
    for text in ["", "no newline", "tab\t\n", "return\r\n"] {
        assert_eq!(sign_note(text, &signer), Err(NoteError::Malformed), "{text:?}");
    }
    let line = note.lines().last().expect("a line");
    let with = |end: &str| format!("one\n\ntwo\n\n{end}");
    for (note, expected) in [
        (String::new(), NoteError::Malformed),
        ("one\n".to_owned(), NoteError::Malformed),
        (with(""), NoteError::Malformed),
        (with(line), NoteError::Malformed),
        (with(&format!("{line}\nmore\n")), NoteError::Malformed),
        (with(&format!("{}\n", line.replace('\u{2014}', "-"))), NoteError::Malformed),
        (with(&format!("{} \n", line)), NoteError::Malformed),
        (with(&format!("{line}\n\n")), NoteError::Malformed),
        (with("\u{2014} somebody AAAAAAA=\n"), NoteError::Unsigned),
        (with("\u{2014} somebody AAAAAA==\n"), NoteError::Malformed),
        (with(&format!("\u{2014} some+body {}\n", &line[20..])), NoteError::Malformed),
        (with(&format!("{}\n", line.replace("example.org/log", "example.org/gol"))), NoteError::Unsigned),
        (format!("one\n\ntwo!\n\n{line}\n"), NoteError::Forged),
        (format!("two\n\n{line}\n"), NoteError::Forged),
    ] {
        assert_eq!(open_note(&note, &keys), Err(expected), "{note:?}");
    }
    assert_eq!(open_note(&note, &[]), Err(NoteError::Unsigned));
}

#[test]
fn signatures_of_others_are_passed_over_and_a_known_one_that_does_not_fit_is_not() {
    let (mine, witness) = (signer(), NoteSigner::new("witness", &[4; 32]).expect("a name"));
    let keys = [mine.key().clone(), witness.key().clone()];
    let note = sign_note("text\n", &mine).expect("signs");
    let line = |text: &str| sign_note(text, &witness).expect("signs").lines().last().expect("a line").to_owned() + "\n";
    let good = format!("{note}{}", line("text\n"));
    assert_eq!(open_note(&good, &keys), Ok("text\n"));
    assert_eq!(open_note(&good, &keys[..1]), Ok("text\n"));
    let bad = format!("{note}{}", line("other\n"));
    assert_eq!(open_note(&bad, &keys), Err(NoteError::Forged));
    assert_eq!(open_note(&bad, &keys[..1]), Ok("text\n"));
    let many = format!("{note}{}", line("text\n").repeat(100));
    assert_eq!(open_note(&many, &keys), Err(NoteError::Malformed));
}

#[test]
fn a_signer_does_not_show_its_secret() {
    assert_eq!(format!("{:?}", signer()), "NoteSigner(example.org/log)");
}

proptest! {
    #[test]
    fn a_key_reads_as_it_was_written(name in "[!-*,-~\u{e0}-\u{ff}]{1,30}", secret: [u8; 32]) {
        let signer = NoteSigner::new(&name, &secret).expect("a name");
        let read: NoteKey = signer.key().to_string().parse().expect("a key");
        prop_assert_eq!(&read, signer.key());
    }

    #[test]
    fn no_text_makes_a_key_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<NoteKey>();
    }
}
