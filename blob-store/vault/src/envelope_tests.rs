use proptest::prelude::*;
use schemas::{Epoch, LeafHash, Position, Time};

use super::*;

/// Hands over every copy of `good` that differs from it in one bit.
pub(crate) fn for_every_flipped_bit(good: &[u8], mut check: impl FnMut(&[u8])) {
    let mut bad = good.to_vec();
    for index in 0..bad.len() {
        for bit in 0..8 {
            bad[index] ^= 1 << bit;
            check(&bad);
            bad[index] ^= 1 << bit;
        }
    }
}

const NONCE: Nonce = *b"a nonce of 24 bytes, yes";
const SCOPE: BlobScope = BlobScope { tenant: TenantId(1), bucket: BucketId(2) };
const BLOB: BlobId = BlobId([3; 16]);
const KEY: KeyId = KeyId(4);
const OWNER: Owner = Owner { tenant: TenantId(1), holder: Holder::Bucket(BucketId(2)) };
const PLACE: KeyPlace = KeyPlace { owner: OWNER, id: KeyId(4), wrapped_by: KeyId(5) };
const NAMED: NamedBlob = NamedBlob { tenant: TenantId(1), name: NamedKey(2), blob: BLOB, id: KEY };
const USE: SecretUse<'_> = SecretUse { tenant: TenantId(1), purpose: "access-key-secret", context: b"AKIA" };

fn key() -> XaesKey {
    XaesKey::new(&[9; 32])
}

fn blob_key() -> BlobKey {
    BlobKey::from_slice(&[8; 32]).expect("32 bytes")
}

fn header() -> Header {
    Header {
        tenant: TenantId(1),
        epoch: Epoch(2),
        position: Position(3),
        time: Time(4),
        prev: LeafHash([5; 32]),
        bucket: BucketId(6),
        bucket_seq: 7,
        bucket_prev: LeafHash([8; 32]),
        event_type: 9,
        schema_version: 10,
        key: KeyId(11),
        unit_length: 2,
        unit_index: 1,
    }
}

fn open_any_secret(use_: SecretUse<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Forged> {
    let (id, envelope) = split_secret(sealed)?;
    open_secret(&key(), id, use_, envelope)
}

proptest! {
    #[test]
    fn a_body_reads_back(nonce: [u8; 24], body: Vec<u8>) {
        let sealed = seal_body(&key(), &nonce, &header(), &body);
        prop_assert_eq!(sealed.len(), body.len() + BODY_OVERHEAD);
        prop_assert_eq!(open_body(&key(), &header(), &sealed), Ok(body));
    }

    #[test]
    fn a_secret_reads_back(nonce: [u8; 24], id: u64, purpose: String, context: Vec<u8>, secret: Vec<u8>) {
        let use_ = SecretUse { tenant: TenantId(1), purpose: &purpose, context: &context };
        let sealed = seal_secret(&key(), KeyId(id), &nonce, use_, &secret);
        prop_assert_eq!(split_secret(&sealed).map(|(id, _)| id), Ok(KeyId(id)));
        prop_assert_eq!(open_any_secret(use_, &sealed), Ok(Zeroizing::new(secret)));
    }

    #[test]
    fn wrapped_keys_read_back(nonce: [u8; 24], plain: [u8; 32]) {
        let blob_key = BlobKey::from_slice(&plain).expect("32 bytes");
        let wrapped = seal_blob_key(&key(), &nonce, SCOPE, BLOB, KEY, &blob_key);
        prop_assert_eq!(wrapped.len(), WRAPPED_BLOB_KEY_BYTES);
        prop_assert_eq!(open_blob_key(&key(), SCOPE, BLOB, KEY, &wrapped), Ok(blob_key.clone()));
        let wrapped = seal_named_blob_key(&key(), &nonce, NAMED, &blob_key);
        prop_assert_eq!(wrapped.len(), WRAPPED_BLOB_KEY_BYTES);
        prop_assert_eq!(open_named_blob_key(&key(), NAMED, &wrapped), Ok(blob_key.clone()));
        let wrapped = seal_customer_blob_key(&key(), &nonce, SCOPE, BLOB, &blob_key);
        prop_assert_eq!(wrapped.len(), WRAPPED_BLOB_KEY_BYTES);
        prop_assert_eq!(open_customer_blob_key(&key(), SCOPE, BLOB, &wrapped), Ok(blob_key));
        let wrapped = seal_key(&key(), &nonce, PLACE, &plain);
        prop_assert_eq!(open_key(&key(), PLACE, &wrapped), Ok(Zeroizing::new(plain)));
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes: Vec<u8>) {
        prop_assert!(open_body(&key(), &header(), &bytes).is_err());
        prop_assert!(body_message_key(&key(), &bytes).and_then(|key| key.open_body(&header(), &bytes)).is_err());
        prop_assert!(open_any_secret(USE, &bytes).is_err());
        prop_assert!(open_blob_key(&key(), SCOPE, BLOB, KEY, &bytes).is_err());
        prop_assert!(open_customer_blob_key(&key(), SCOPE, BLOB, &bytes).is_err());
        prop_assert!(open_named_blob_key(&key(), NAMED, &bytes).is_err());
        prop_assert!(open_root_check(&key(), &bytes).is_err());
    }

    /// Fields have lengths, so no two uses have the same associated data.
    #[test]
    fn purpose_and_context_do_not_run_into_each_other(text in "[a-z]{2,9}", at in 1..2_usize) {
        let (purpose, context) = text.split_at(at);
        let use_ = SecretUse { tenant: TenantId(1), purpose, context: context.as_bytes() };
        let sealed = seal_secret(&key(), KEY, &NONCE, use_, b"secret");
        let shifted = SecretUse { purpose: &text, context: b"", ..use_ };
        prop_assert_eq!(open_any_secret(shifted, &sealed), Err(Forged));
    }
}

#[test]
fn nothing_opens_with_any_bit_flipped_or_any_byte_lost() {
    let check = |good: &[u8], open: &dyn Fn(&[u8]) -> bool| {
        assert!(open(good));
        for_every_flipped_bit(good, |bad| assert!(!open(bad)));
        for length in 0..good.len() {
            assert!(!open(&good[..length]), "{length} bytes");
        }
        assert!(!open(&[good, &[0]].concat()));
    };
    check(&seal_body(&key(), &NONCE, &header(), b"body"), &|bad| open_body(&key(), &header(), bad).is_ok());
    check(&seal_secret(&key(), KEY, &NONCE, USE, b"secret"), &|bad| open_any_secret(USE, bad).is_ok());
    check(&seal_blob_key(&key(), &NONCE, SCOPE, BLOB, KEY, &blob_key()), &|bad| {
        open_blob_key(&key(), SCOPE, BLOB, KEY, bad).is_ok()
    });
    check(&seal_named_blob_key(&key(), &NONCE, NAMED, &blob_key()), &|bad| {
        open_named_blob_key(&key(), NAMED, bad).is_ok()
    });
    check(&seal_customer_blob_key(&key(), &NONCE, SCOPE, BLOB, &blob_key()), &|bad| {
        open_customer_blob_key(&key(), SCOPE, BLOB, bad).is_ok()
    });
    check(&seal_key(&key(), &NONCE, PLACE, &[7; 32]), &|bad| {
        bad.try_into().is_ok_and(|bad| open_key(&key(), PLACE, bad).is_ok())
    });
    check(&seal_root_check(&key(), &NONCE), &|bad| open_root_check(&key(), bad).is_ok());
}

#[test]
fn a_body_opens_with_no_other_header() {
    let sealed = seal_body(&key(), &NONCE, &header(), b"body");
    let changes: [fn(&mut Header); 13] = [
        |header| header.tenant.0 += 1,
        |header| header.epoch.0 += 1,
        |header| header.position.0 += 1,
        |header| header.time.0 += 1,
        |header| header.prev.0[31] += 1,
        |header| header.bucket.0 += 1,
        |header| header.bucket_seq += 1,
        |header| header.bucket_prev.0[0] += 1,
        |header| header.event_type += 1,
        |header| header.schema_version += 1,
        |header| header.key.0 += 1,
        |header| header.unit_length += 1,
        |header| header.unit_index -= 1,
    ];
    for change in changes {
        let mut other = header();
        change(&mut other);
        assert_eq!(open_body(&key(), &other, &sealed), Err(Forged), "{other:?}");
    }
}

#[test]
fn a_wrap_opens_in_no_other_place() {
    let wrapped = seal_blob_key(&key(), &NONCE, SCOPE, BLOB, KEY, &blob_key());
    let check = |scope, blob, id| assert_eq!(open_blob_key(&key(), scope, blob, id, &wrapped), Err(Forged));
    check(BlobScope { tenant: TenantId(9), ..SCOPE }, BLOB, KEY);
    check(BlobScope { bucket: BucketId(9), ..SCOPE }, BLOB, KEY);
    check(SCOPE, BlobId([9; 16]), KEY);
    check(SCOPE, BLOB, KeyId(9));
    assert_eq!(open_customer_blob_key(&key(), SCOPE, BLOB, &wrapped), Err(Forged));
    assert_eq!(open_named_blob_key(&key(), NAMED, &wrapped), Err(Forged));

    let wrapped = seal_named_blob_key(&key(), &NONCE, NAMED, &blob_key());
    for other in [
        NamedBlob { tenant: TenantId(9), ..NAMED },
        NamedBlob { name: NamedKey(9), ..NAMED },
        NamedBlob { blob: BlobId([9; 16]), ..NAMED },
        NamedBlob { id: KeyId(9), ..NAMED },
    ] {
        assert_eq!(open_named_blob_key(&key(), other, &wrapped), Err(Forged), "{other:?}");
    }

    let wrapped = seal_key(&key(), &NONCE, PLACE, &[7; 32]);
    for other in [
        KeyPlace { owner: Owner { tenant: TenantId(9), ..OWNER }, ..PLACE },
        KeyPlace { owner: Owner { holder: Holder::Bucket(BucketId(9)), ..OWNER }, ..PLACE },
        KeyPlace { owner: Owner { holder: Holder::Named(NamedKey(2)), ..OWNER }, ..PLACE },
        KeyPlace { id: KeyId(9), ..PLACE },
        KeyPlace { wrapped_by: KeyId(9), ..PLACE },
    ] {
        assert_eq!(open_key(&key(), other, &wrapped), Err(Forged), "{other:?}");
    }
}

#[test]
fn a_secret_opens_for_no_other_use() {
    let sealed = seal_secret(&key(), KEY, &NONCE, USE, b"secret");
    for other in [
        SecretUse { tenant: TenantId(9), ..USE },
        SecretUse { purpose: "webhook", ..USE },
        SecretUse { context: b"AKIB", ..USE },
    ] {
        assert_eq!(open_any_secret(other, &sealed), Err(Forged));
    }
}

/// GCM authenticates under one key only. Whoever knows two keys can make a ciphertext both open; this refuses it.
#[test]
fn a_plaintext_without_the_commitment_is_refused() {
    let mut sealed = NONCE.to_vec();
    sealed.extend_from_slice(&[0; 31]);
    sealed.extend_from_slice(b"1body");
    key().seal_tail(&NONCE, &header().encode(), &mut sealed, NONCE_BYTES);
    assert_eq!(open_body(&key(), &header(), &sealed), Err(Forged));
}

#[test]
fn a_disclosed_key_opens_its_own_record_and_no_other() {
    let sealed = seal_body(&key(), &NONCE, &header(), b"body");
    let other_sealed = seal_body(&key(), b"another nonce, 24 bytes.", &header(), b"other");
    let disclosed = body_message_key(&key(), &sealed).expect("long enough for a nonce");
    let disclosed = MessageKey::from_bytes(*disclosed.expose());
    assert_eq!(disclosed.open_body(&header(), &sealed).as_deref(), Ok(b"body".as_slice()));
    assert_eq!(disclosed.open_body(&header(), &other_sealed), Err(Forged));
    let other_header = Header { position: Position(4), ..header() };
    assert_eq!(disclosed.open_body(&other_header, &sealed), Err(Forged));
    assert_eq!(format!("{disclosed:?}"), "MessageKey(…)");
}

#[test]
fn the_layouts_stay() {
    let check = |sealed: &[u8], expected: &str| assert_eq!(hex::encode(sealed), expected);
    check(
        &seal_body(&key(), &NONCE, &header(), b"a body"),
        "61206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc099449bb\
        24e29f54fef402dcbf97ab437c3cb3d5f62a8d4bb8918d7c0bc345fa555a",
    );
    check(
        &seal_blob_key(&key(), &NONCE, SCOPE, BLOB, KEY, &blob_key()),
        "0161206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc099449\
        bb24e29f54fef402dcd6bfc124104d9c82c395f0e9a37ddad803be0a2028dd534be472ce71112a8cc41d5abb5c7f99db\
        0d87e644b9002a4439",
    );
    check(
        &seal_customer_blob_key(&key(), &NONCE, SCOPE, BLOB, &blob_key()),
        "0161206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc099449\
        bb24e29f54fef402dcd6bfc124104d9c82c395f0e9a37ddad803be0a2028dd534be472ce71112a8cc4c53d22d089ebcb\
        54b1d944bfa950779f",
    );
    check(
        &seal_named_blob_key(&key(), &NONCE, NAMED, &blob_key()),
        "0161206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc\
        099449bb24e29f54fef402dcd6bfc124104d9c82c395f0e9a37ddad803be0a2028dd534be472ce71112a8cc4d9\
        104c98e98ac123b8cf6a7b7574a21b",
    );
    let named = KeyPlace { owner: Owner { holder: Holder::Named(NamedKey(2)), ..OWNER }, ..PLACE };
    check(
        &seal_key(&key(), &NONCE, named, &[7; 32]),
        "61206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc09\
        9449bb24e29f54fef402dcd9b0ce2b1f42938dcc9affe6ac72d5d70cb1052f27d25c44eb7dc17e1e2583cb9caf\
        883612458b1afd1d733614da7d19",
    );
    check(
        &seal_secret(&key(), KEY, &NONCE, USE, b"a secret"),
        "01000000000000000461206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7\
        a9d6333efc099449bb24e29f54fef402dcbf97ba497b37f1fe8027a3249f63839bee5dd50927a78ecf",
    );
    check(
        &seal_key(&key(), &NONCE, PLACE, &[7; 32]),
        "61206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc099449bb\
        24e29f54fef402dcd9b0ce2b1f42938dcc9affe6ac72d5d70cb1052f27d25c44eb7dc17e1e2583cb23e11bd21ede0c1a\
        e6e20cecd4a81c3e",
    );
    check(
        &seal_root_check(&key(), &NONCE),
        "61206e6f6e6365206f662032342062797465732c207965739d6a024c6949030e3d357534decfb7a9d6333efc099449bb\
        24e29f54fef402dcb6d8a5487e24e7feebef978edf55b9b5725815c387068f7d378fdf297ecf7127db",
    );
}
