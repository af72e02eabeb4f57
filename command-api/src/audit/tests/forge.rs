//! Whoever could write what they like: archives put together anew, and logs of their own, under a key of their own.

use ledger::export::{Fault, Scope};
use ledger::{Chain, NoteSigner};
use schemas::content::{Content, ETag, Root};
use schemas::event::{Cause, Encryption, Event, Metadata, Retention, StorageClass, VersionCommitted};
use schemas::record::{Actor, Body, Context, Header};
use schemas::{BucketId, Epoch, EventId, KeyId, LeafHash, ObjectKey, Position, RequestId, TenantId, Time, UserId};
use vault::{RootKeySource, Vault};

use super::{Sound, check};

pub(super) mod archive {
    use ledger::export::{
        CHECKPOINT, CHUNK_MEMBERS, Chunk, END, End, GUIDE, KEY, MANIFEST, Manifest, Scope, TAIL, chunk_member,
        next_key, next_record,
    };
    use ledger::{Checkpoint, Forest, NoteSigner, leaf, line};
    use schemas::event::Event;
    use schemas::record::{Body, HEADER_BYTES, Header};
    use sha2::{Digest, Sha256};
    use vault::MessageKey;

    use crate::audit::Member;

    /// A record of an export.
    #[derive(Debug, Clone)]
    pub(crate) struct Record {
        pub(crate) header: Header,
        pub(crate) raw: Vec<u8>,
        pub(crate) key: Option<[u8; 32]>,
    }

    impl Record {
        pub(crate) fn body(&self) -> Option<Body> {
            let key = MessageKey::from_bytes(self.key?);
            let plain = key.open_body(&self.header, &self.raw[HEADER_BYTES..]).expect("opens");
            Some(Body::decode(&plain).expect("a body"))
        }

        pub(crate) fn event(&self) -> Event {
            self.body().expect("disclosed").event(&self.header).expect("an event")
        }
    }

    pub(crate) fn records(members: &[Member]) -> Vec<Record> {
        let mut out = Vec::new();
        let of = |what: &'static str| -> Vec<&[u8]> {
            let is = |member: &&Member| member.name.strip_prefix("chunks/").is_some_and(|name| name.ends_with(what));
            members.iter().filter(is).map(|member| member.content.as_slice()).collect()
        };
        for (mut records, mut keys) in of("/records").into_iter().zip(of("/keys")) {
            while let Some(raw) = next_record(&mut records).expect("records") {
                let (header, _) = Header::decode(raw).expect("a record");
                out.push(Record { header, raw: raw.to_vec(), key: next_key(&mut keys).expect("a key") });
            }
        }
        out
    }

    /// An archive like `like` with these records of a log, signed anew.
    pub(crate) fn build(like: &[Member], scope: Scope, log: &[Record], shown: &[Record]) -> (Vec<Member>, NoteSigner) {
        let content = |name: &str| like.iter().find(|member| member.name == name).expect("a member").content.clone();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let origin = text(content(CHECKPOINT)).lines().next().expect("an origin").to_owned();
        // Somebody who signs a tree that they made has a key of their own.
        let signer = NoteSigner::new(&origin, &[8; 32]).expect("a key");
        let mut whole = Forest::at(0);
        log.iter().for_each(|record| whole.push(leaf(&record.raw)));
        let root = whole.root().expect("a root");
        let note = Checkpoint { origin, size: log.len() as u64, root }.sign(&signer).expect("signs");

        let (mut chunk, mut gap, mut count) = (Chunk::default(), Forest::at(0), 0);
        let mut left = shown.iter().peekable();
        for record in log {
            let position = record.header.position;
            if left.next_if(|shown| shown.header.position == position).is_none() {
                gap.push(leaf(&record.raw));
                continue;
            }
            chunk.push(&record.raw, record.key.as_ref(), gap.hashes());
            gap = Forest::at(position.next().0);
            if position >= scope.from
                && position < scope.to
                && scope.bucket.is_none_or(|bucket| record.header.bucket == bucket)
            {
                line(&record.header, record.body().as_ref(), &mut chunk.lines).expect("a line");
                count += 1;
            }
        }
        let member = |name: &str, content: &[u8]| Member { name: name.to_owned(), content: content.to_vec() };
        let manifest: Manifest = serde_json::from_slice(&content(MANIFEST)).expect("a manifest");
        let manifest = Manifest::new(&scope, &manifest.tenant_name, manifest.bucket_name.as_deref());
        let mut members = vec![
            member(MANIFEST, &serde_json::to_vec(&manifest).expect("JSON")),
            member(CHECKPOINT, note.as_bytes()),
            member(KEY, format!("{}\n", signer.key()).as_bytes()),
            member(GUIDE, b""),
        ];
        let mut head = Sha256::new();
        for member in &members {
            head.update((member.content.len() as u64).to_be_bytes());
            head.update(&member.content);
        }
        for (name, content) in CHUNK_MEMBERS.iter().zip(chunk.members()) {
            members.push(member(&chunk_member(0, name), content));
        }
        let tail: Vec<u8> = gap.hashes().flat_map(|hash| hash.0).collect();
        members.push(member(TAIL, &tail));
        let end = End { chunks: 1, records: count, sha256: hex::encode(head.finalize()) };
        members.push(member(END, &serde_json::to_vec(&end).expect("JSON")));
        (members, signer)
    }
}

const TENANT: TenantId = TenantId(7);

/// Writes a log with a vault of its own.
#[derive(Clone)]
pub(super) struct Forger {
    vault: std::sync::Arc<(Vault, tempfile::TempDir)>,
    key: KeyId,
    chain: Chain,
    log: Vec<archive::Record>,
}

impl Forger {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = RootKeySource::File(directory.path().join("root.key"));
        let vault = Vault::open(&directory.path().join("keys"), &root, true).expect("a vault");
        let key = vault.create_tenant_key(TENANT).expect("a key");
        Self { vault: std::sync::Arc::new((vault, directory)), key, chain: Chain::new(TENANT), log: Vec::new() }
    }

    /// Writes an event at the time 100 times its position.
    pub(super) fn write(&mut self, event: Event) -> EventId {
        let position = Position(self.log.len() as u64);
        let header = Header {
            tenant: TENANT,
            epoch: Epoch(1),
            position,
            time: Time(100 * position.0),
            prev: self.chain.head(),
            bucket: BucketId::NONE,
            bucket_seq: 0,
            bucket_prev: LeafHash::default(),
            event_type: event.type_code(),
            schema_version: event.schema_version(),
            key: self.key,
            unit_length: 1,
            unit_index: 0,
        };
        let context = Context {
            actor: Actor::Anonymous,
            source: None,
            request: RequestId("r".to_owned()),
            correlation: None,
            causation: None,
            command: None,
        };
        let body = Body::new(context, Some(ObjectKey::parse("key").expect("a key")), &event);
        let sealed = self.vault.0.seal_body(&header, &body.encode()).expect("seals");
        let key = self.vault.0.message_key(&header, &sealed).expect("a key").map(|key| *key.expose());
        let raw = [header.encode().as_slice(), &sealed].concat();
        self.chain.push(&raw).expect("follows");
        self.log.push(archive::Record { header, raw, key });
        header.id()
    }

    pub(super) fn commit(&mut self, retention: Option<Retention>) -> EventId {
        self.write(
            VersionCommitted {
                null: false,
                content: Content { size_bytes: 0, root: Root::Empty },
                etag: ETag { md5: [0; 16], parts: 0 },
                checksums: Vec::new(),
                chosen_checksum: None,
                metadata: Metadata::default(),
                owner: UserId::parse("user").expect("a name"),
                storage_class: StorageClass::Standard,
                encryption: Encryption::Managed,
                cause: Cause::Put,
                upload: None,
                parts: Vec::new(),
                source: None,
                tags: std::collections::BTreeMap::new(),
                retention,
                legal_hold: false,
                acl: None,
            }
            .into(),
        )
    }

    /// Keeps the key of a record.
    pub(super) fn hide(&mut self, position: usize) {
        self.log[position].key = None;
    }

    fn verify(&self) -> Result<Sound, Fault> {
        let scope = Scope { tenant: TENANT, bucket: None, from: Position(0), to: Position(self.log.len() as u64) };
        let manifest = ledger::export::Manifest::new(&scope, "acme", None);
        let like = [
            (ledger::export::MANIFEST, serde_json::to_vec(&manifest).expect("JSON")),
            (ledger::export::CHECKPOINT, ledger::origin("00", TENANT, Epoch(1)).into_bytes()),
        ];
        let like = like.map(|(name, content)| crate::audit::Member { name: name.to_owned(), content });
        let (members, signer): (_, NoteSigner) = archive::build(&like, scope, &self.log, &self.log);
        check(&members, signer.key())
    }

    pub(super) fn sound(&self) -> Sound {
        self.verify().expect("sound")
    }

    pub(super) fn tampered(&self, at: Position, what: &str) {
        assert_eq!(self.verify(), Err(Fault::tampered(Some(at), what)));
    }
}
