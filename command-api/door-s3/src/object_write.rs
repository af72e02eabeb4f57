//! PutObject, and what a POST of a form shares with it.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use pipeline::{Pending, PutObject, Written};
use schemas::CommandId;
use schemas::event::{Cause, StorageClass};

use crate::acl::asked_acl;
use crate::answer;
use crate::ask::Ask;
use crate::errors::Failure;
use crate::headers::encryption::Customer;
use crate::headers::{lock, metadata, storage_class, tags, write_conditions};
use crate::idempotency::{self, Once};
use crate::payload::{Opened, Payload};
use crate::service::App;

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let pending = match idempotency::begin(app, ask)? {
        Once::Store(pending) => pending,
        Once::Answered(kept) => return idempotency::again(app, payload.open(&ask.headers)?, kept).await,
    };
    let command = pending.as_ref().map(Pending::command);
    let (written, customer) = write(app, ask, Cause::Put, command, |headers| payload.open(headers)).await?;
    let mut response = answer::empty(StatusCode::OK);
    answer::written_whole(response.headers_mut(), &written);
    answer::customer(response.headers_mut(), customer.as_ref());
    if let Some(pending) = pending {
        let kept = idempotency::answer(&response);
        pending.keep(&ask.caller, &kept).await;
    }
    Ok(response)
}

/// Stores the object that the request's headers speak of. `open` is called when they make sense. With what was made comes the
/// customer's key, which is answered too.
pub(crate) async fn write(
    app: &App,
    ask: &Ask,
    cause: Cause,
    command: Option<CommandId>,
    open: impl FnOnce(&HeaderMap) -> Result<Opened, Failure>,
) -> Result<(Written, Option<Customer>), Failure> {
    let metadata = metadata(&ask.headers)?;
    let (storage_class, tags) = (storage_class(&ask.headers)?, tags(&ask.headers)?);
    let (acl, conditions) = (asked_acl(&ask.headers)?, write_conditions(&ask.headers)?);
    let lock = lock(&ask.headers)?;
    let customer = ask.customer()?;
    let encryption = ask.encryption(customer.as_ref())?;
    let Opened { stream, digests, size_bytes } = open(&ask.headers)?;
    let request = PutObject {
        bucket: ask.bucket(),
        key: ask.key(),
        metadata,
        storage_class: storage_class.unwrap_or(StorageClass::Standard),
        tags,
        lock,
        acl,
        conditions,
        digests,
        size_bytes,
        cause,
        command,
        encryption,
    };
    let written = app.store.put_object(&ask.caller, request, stream).await?;
    Ok((written, customer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_a_write_answers() {
        let mut response = answer::empty(StatusCode::OK);
        answer::written_whole(response.headers_mut(), &testing::written());
        insta::assert_snapshot!(testing::head(&response));
    }

    #[test]
    fn a_write_where_versioning_is_suspended_names_no_version() {
        let mut written = testing::written();
        written.version = Some(schemas::VersionId::Null);
        let mut response = answer::empty(StatusCode::OK);
        answer::written_whole(response.headers_mut(), &written);
        assert!(!testing::head(&response).contains("x-amz-version-id"));
    }

    #[test]
    fn an_unversioned_write_without_a_choice_answers_the_servers_checksum() {
        let mut written = testing::written();
        (written.version, written.chosen_checksum) = (None, None);
        let mut response = answer::empty(StatusCode::OK);
        answer::written_whole(response.headers_mut(), &written);
        let head = testing::head(&response);
        assert!(head.contains("x-amz-checksum-crc64nvme") && !head.contains("x-amz-version-id"), "{head}");
    }
}
