//! `/log`: signed checkpoints of the tenant's log, and proofs against them.
//!
//! Owns: their JSON. Does not own: proofs and signatures (ledger, by way of the store), who may ask (the store).

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use schemas::{LeafHash, Position};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::{Content, Operation};
use crate::problem::Problem;

const TAG: &str = "log";

pub(super) fn operations() -> Vec<Entry> {
    let number = || json!({ "type": "integer", "minimum": 0 });
    let checkpoint = Operation::new(Method::GET, "/log/checkpoint", "getCheckpoint", TAG, "Get a signed checkpoint")
        .about(
            "What the tenant's log is now: origin, number of records and root of the RFC 6962 tree over them, as a signed note \
             (c2sp.org/tlog-checkpoint). There is at most one a second. It takes the operation `admin` on the whole tenant.",
        )
        .answers_with(200, "The note.", Content::Text)
        .with_headers(&[("X-Holdfast-Position", "Position of the last record that it covers; absent of an empty log.")])
        .refuses(&[503]);
    let key = Operation::new(Method::GET, "/log/key", "getCheckpointKey", TAG, "Get the key that verifies checkpoints").about(
        "Every key of the tenant may ask. Keep it apart from the server: what it verifies cannot be changed by whoever runs the \
         server later.",
    );
    let key = key.answers::<Key>(200, "The key.");
    let proof = Operation::new(Method::GET, "/log/proof", "getInclusionProof", TAG, "Prove that a record is in the log")
        .about(
            "The hashes that lead from a record to the root (RFC 9162, section 2.1.3). A record that no checkpoint covers yet is waited \
             for, a second at most. It takes the operation `admin` on the whole tenant.",
        )
        .query("position", number(), "Position of the record. It must be there.")
        .query("size", number(), "Prove it in the tree of so many records instead of in the newest checkpoint's.")
        .answers::<Proof>(200, "The proof.")
        .refuses(&[503]);
    let consistency =
        Operation::new(Method::GET, "/log/consistency", "getConsistencyProof", TAG, "Prove that the log only grew")
            .about(
                "The hashes that show the tree of `from` records to be the beginning of that of `to` records (RFC 9162, section 2.1.4). It \
                 takes the operation `admin` on the whole tenant.",
            )
            .query("from", number(), "Records of the smaller tree. It must be there.")
            .query("to", number(), "Records of the larger tree. It must be there.")
            .answers::<Consistency>(200, "The proof.")
            .refuses(&[503]);
    vec![
        entry(checkpoint, self::checkpoint),
        entry(key, self::key),
        entry(proof, self::proof),
        entry(consistency, self::consistency),
    ]
}

/// The key that verifies checkpoints.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckpointKey)]
#[serde(rename_all = "camelCase")]
struct Key {
    /// Origin of the checkpoints, which is the key's name.
    origin: String,
    /// The verifier key, as tools for signed notes read it: `<name>+<key id>+<base64>`.
    key: String,
    /// The Ed25519 public key alone, base64.
    public_key: String,
}

/// That a record is in a tree.
#[derive(Serialize, ToSchema)]
#[schema(as = InclusionProof)]
#[serde(rename_all = "camelCase")]
struct Proof {
    /// Which tree: installation, tenant and, from the second on, epoch of the log.
    origin: String,
    /// Position of the record.
    position: u64,
    /// SHA-256 of a zero byte and the raw record, base64.
    leaf_hash: String,
    /// Records of the tree.
    size: u64,
    /// Root of the tree, base64.
    root_hash: String,
    /// Hashes from the leaf to the root, base64.
    proof: Vec<String>,
    /// A signed checkpoint: of this tree, or of one that begins with it.
    checkpoint: String,
}

/// That one tree begins with another.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsistencyProof)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    /// Which tree.
    origin: String,
    /// Records of the smaller tree.
    from: u64,
    /// Records of the larger one.
    to: u64,
    /// Root of the smaller tree, base64.
    from_root_hash: String,
    /// Root of the larger one, base64.
    to_root_hash: String,
    /// The hashes, base64.
    proof: Vec<String>,
    /// A signed checkpoint: of the larger tree, or of one that begins with it.
    checkpoint: String,
}

async fn checkpoint(app: Arc<App>, ask: Ask) -> Answer {
    let signed = app.store.checkpoint(ask.caller()?).await?;
    let mut response = Response::new(Body::from(signed.note.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(last) = signed.checkpoint.size.checked_sub(1) {
        answer::position(headers, Position(last));
    }
    Ok(response)
}

async fn key(app: Arc<App>, ask: Ask) -> Answer {
    let key = app.store.checkpoint_key(ask.caller()?).await?;
    let shown = Key { origin: key.name().to_owned(), key: key.to_string(), public_key: STANDARD.encode(key.public()) };
    Ok(answer::json(StatusCode::OK, &shown))
}

async fn proof(app: Arc<App>, ask: Ask) -> Answer {
    let position = must(&ask, "position")?;
    let size = number(&ask, "size")?;
    if size.is_some_and(|size| position >= size) {
        return Err(Problem::invalid("a tree of `size` records has none at `position`"));
    }
    let proved = app.store.inclusion(ask.caller()?, Position(position), size).await?;
    let shown = Proof {
        origin: proved.checkpoint.checkpoint.origin.clone(),
        position: proved.position.0,
        leaf_hash: text(proved.leaf),
        size: proved.size,
        root_hash: text(proved.root),
        proof: proved.proof.into_iter().map(text).collect(),
        checkpoint: proved.checkpoint.note.clone(),
    };
    Ok(answer::json(StatusCode::OK, &shown))
}

async fn consistency(app: Arc<App>, ask: Ask) -> Answer {
    let (from, to) = (must(&ask, "from")?, must(&ask, "to")?);
    if from > to {
        return Err(Problem::invalid("`from` is larger than `to`"));
    }
    let proved = app.store.consistency(ask.caller()?, from, to).await?;
    let shown = Consistency {
        origin: proved.checkpoint.checkpoint.origin.clone(),
        from: proved.from.0,
        to: proved.to.0,
        from_root_hash: text(proved.from.1),
        to_root_hash: text(proved.to.1),
        proof: proved.proof.into_iter().map(text).collect(),
        checkpoint: proved.checkpoint.note.clone(),
    };
    Ok(answer::json(StatusCode::OK, &shown))
}

fn text(hash: LeafHash) -> String {
    STANDARD.encode(hash.0)
}

fn must(ask: &Ask, name: &str) -> Result<u64, Problem> {
    number(ask, name)?.ok_or_else(|| Problem::invalid(format!("`{name}` is missing")))
}

fn number(ask: &Ask, name: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = ask.words.query.get(name)? else { return Ok(None) };
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(Some).ok_or_else(|| Problem::invalid(format!("`{name}` must be a number from 0 up")))
}
