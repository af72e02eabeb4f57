//! The table of operations.

use http::{HeaderMap, Method};

use super::{Query, Target};
use crate::errors::DoorError;
use crate::ownership::Controls;
use crate::policy::Access;

/// What this door does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketVersioning,
    PutBucketVersioning,
    Access(Access),
    GetBucketLifecycle,
    PutBucketLifecycle,
    DeleteBucketLifecycle,
    GetBucketCors,
    PutBucketCors,
    DeleteBucketCors,
    GetBucketLogging,
    PutBucketLogging,
    GetBucketNotification,
    PutBucketNotification,
    GetBucketTagging,
    PutBucketTagging,
    DeleteBucketTagging,
    GetObjectLockConfiguration,
    PutObjectLockConfiguration,
    GetBucketAcl,
    PutBucketAcl,
    GetBucketEncryption,
    PutBucketEncryption,
    DeleteBucketEncryption,
    Ownership(Controls),
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    PutObject,
    PostObject,
    CopyObject,
    GetObject,
    HeadObject,
    DeleteObject,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    GetObjectAcl,
    PutObjectAcl,
    GetObjectRetention,
    PutObjectRetention,
    GetObjectLegalHold,
    PutObjectLegalHold,
    GetObjectTorrent,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

impl Operation {
    /// As AWS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketVersioning => "GetBucketVersioning",
            Self::PutBucketVersioning => "PutBucketVersioning",
            Self::Access(Access::GetPolicy) => "GetBucketPolicy",
            Self::Access(Access::PutPolicy) => "PutBucketPolicy",
            Self::Access(Access::DeletePolicy) => "DeleteBucketPolicy",
            Self::Access(Access::GetPolicyStatus) => "GetBucketPolicyStatus",
            Self::Access(Access::GetPublicAccessBlock) => "GetPublicAccessBlock",
            Self::Access(Access::PutPublicAccessBlock) => "PutPublicAccessBlock",
            Self::Access(Access::DeletePublicAccessBlock) => "DeletePublicAccessBlock",
            Self::GetBucketLifecycle => "GetBucketLifecycle",
            Self::PutBucketLifecycle => "PutBucketLifecycle",
            Self::DeleteBucketLifecycle => "DeleteBucketLifecycle",
            Self::GetBucketCors => "GetBucketCors",
            Self::PutBucketCors => "PutBucketCors",
            Self::DeleteBucketCors => "DeleteBucketCors",
            Self::GetBucketLogging => "GetBucketLogging",
            Self::PutBucketLogging => "PutBucketLogging",
            Self::GetBucketNotification => "GetBucketNotification",
            Self::PutBucketNotification => "PutBucketNotification",
            Self::GetBucketTagging => "GetBucketTagging",
            Self::PutBucketTagging => "PutBucketTagging",
            Self::DeleteBucketTagging => "DeleteBucketTagging",
            Self::GetObjectLockConfiguration => "GetObjectLockConfiguration",
            Self::PutObjectLockConfiguration => "PutObjectLockConfiguration",
            Self::GetBucketAcl => "GetBucketAcl",
            Self::PutBucketAcl => "PutBucketAcl",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::PutBucketEncryption => "PutBucketEncryption",
            Self::DeleteBucketEncryption => "DeleteBucketEncryption",
            Self::Ownership(Controls::Get) => "GetBucketOwnershipControls",
            Self::Ownership(Controls::Put) => "PutBucketOwnershipControls",
            Self::Ownership(Controls::Delete) => "DeleteBucketOwnershipControls",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::DeleteObjects => "DeleteObjects",
            Self::PutObject => "PutObject",
            Self::PostObject => "PostObject",
            Self::CopyObject => "CopyObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::DeleteObject => "DeleteObject",
            Self::GetObjectAttributes => "GetObjectAttributes",
            Self::GetObjectTagging => "GetObjectTagging",
            Self::PutObjectTagging => "PutObjectTagging",
            Self::DeleteObjectTagging => "DeleteObjectTagging",
            Self::GetObjectAcl => "GetObjectAcl",
            Self::PutObjectAcl => "PutObjectAcl",
            Self::GetObjectRetention => "GetObjectRetention",
            Self::PutObjectRetention => "PutObjectRetention",
            Self::GetObjectLegalHold => "GetObjectLegalHold",
            Self::PutObjectLegalHold => "PutObjectLegalHold",
            Self::GetObjectTorrent => "GetObjectTorrent",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
        }
    }
}

/// Subresources of a bucket and of an object that this door does not have, or that it can read and no more. Ignoring one
/// would do something else than asked.
const BUCKET_ABSENT: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "replication-metrics",
    "requestPayment",
    "session",
    "tagging",
    "website",
];
const OBJECT_ABSENT: &[&str] = &[
    "acl",
    "append",
    "encryption",
    "legal-hold",
    "renameObject",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
];

/// Chooses the operation.
///
/// # Errors
/// `NotImplemented` for what S3 has and this door has not, `MethodNotAllowed` for what S3 has not.
pub(crate) fn select(
    method: &Method,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Operation, DoorError> {
    match (&target.bucket, &target.key) {
        (None, _) if method == Method::GET => Ok(Operation::ListBuckets),
        (None, _) => Err(DoorError::MethodNotAllowed),
        (Some(_), None) => of_bucket(method, query, headers),
        (Some(_), Some(_)) => of_object(method, query, headers),
    }
}

/// What is done all the same of `absent` subresources: reading what is set, and setting it to what it is. Two of them at once
/// are no operation of S3.
fn present(
    absent: &'static [&'static str],
    query: &Query,
    done: impl FnOnce(&str) -> Option<Operation>,
) -> Result<Option<Operation>, DoorError> {
    let mut named = absent.iter().filter(|name| query.has(name));
    let Some(&what) = named.next() else { return Ok(None) };
    let done = if named.next().is_none() { done(what) } else { None };
    done.map(Some).ok_or(DoorError::NotImplemented { what })
}

fn done_with_bucket(method: &Method, name: &str) -> Option<Operation> {
    if let Some(access) = Access::parse(method, name) {
        return Some(Operation::Access(access));
    }
    match (method.as_str(), name) {
        ("GET", "lifecycle") => Some(Operation::GetBucketLifecycle),
        ("PUT", "lifecycle") => Some(Operation::PutBucketLifecycle),
        ("DELETE", "lifecycle") => Some(Operation::DeleteBucketLifecycle),
        ("GET", "cors") => Some(Operation::GetBucketCors),
        ("PUT", "cors") => Some(Operation::PutBucketCors),
        ("DELETE", "cors") => Some(Operation::DeleteBucketCors),
        ("GET", "logging") => Some(Operation::GetBucketLogging),
        ("PUT", "logging") => Some(Operation::PutBucketLogging),
        ("GET", "notification") => Some(Operation::GetBucketNotification),
        ("PUT", "notification") => Some(Operation::PutBucketNotification),
        ("GET", "object-lock") => Some(Operation::GetObjectLockConfiguration),
        ("PUT", "object-lock") => Some(Operation::PutObjectLockConfiguration),
        ("GET", "tagging") => Some(Operation::GetBucketTagging),
        ("PUT", "tagging") => Some(Operation::PutBucketTagging),
        ("DELETE", "tagging") => Some(Operation::DeleteBucketTagging),
        ("GET", "encryption") => Some(Operation::GetBucketEncryption),
        ("PUT", "encryption") => Some(Operation::PutBucketEncryption),
        ("DELETE", "encryption") => Some(Operation::DeleteBucketEncryption),
        ("GET", "acl") => Some(Operation::GetBucketAcl),
        ("PUT", "acl") => Some(Operation::PutBucketAcl),
        (_, "ownershipControls") => Controls::parse(method).map(Operation::Ownership),
        _ => None,
    }
}

fn done_with_object(method: &Method, name: &str) -> Option<Operation> {
    match (method.as_str(), name) {
        ("GET", "acl") => Some(Operation::GetObjectAcl),
        ("PUT", "acl") => Some(Operation::PutObjectAcl),
        ("GET", "retention") => Some(Operation::GetObjectRetention),
        ("PUT", "retention") => Some(Operation::PutObjectRetention),
        ("GET", "legal-hold") => Some(Operation::GetObjectLegalHold),
        ("PUT", "legal-hold") => Some(Operation::PutObjectLegalHold),
        ("GET", "tagging") => Some(Operation::GetObjectTagging),
        ("PUT", "tagging") => Some(Operation::PutObjectTagging),
        ("DELETE", "tagging") => Some(Operation::DeleteObjectTagging),
        _ => None,
    }
}

fn of_bucket(method: &Method, query: &Query, headers: &HeaderMap) -> Result<Operation, DoorError> {
    if let Some(operation) = present(BUCKET_ABSENT, query, |name| done_with_bucket(method, name))? {
        return Ok(operation);
    }
    let subresource =
        ["delete", "location", "uploads", "versioning", "versions"].into_iter().find(|name| query.has(name));
    match (method.as_str(), subresource) {
        ("GET", None) if query.get("list-type") == Some("2") => Ok(Operation::ListObjectsV2),
        ("GET", None) => Ok(Operation::ListObjects),
        ("GET", Some("location")) => Ok(Operation::GetBucketLocation),
        ("GET", Some("uploads")) => Ok(Operation::ListMultipartUploads),
        ("GET", Some("versioning")) => Ok(Operation::GetBucketVersioning),
        ("GET", Some("versions")) => Ok(Operation::ListObjectVersions),
        ("HEAD", None) => Ok(Operation::HeadBucket),
        ("PUT", None) => Ok(Operation::CreateBucket),
        ("PUT", Some("versioning")) => Ok(Operation::PutBucketVersioning),
        ("DELETE", None) => Ok(Operation::DeleteBucket),
        ("POST", Some("delete")) => Ok(Operation::DeleteObjects),
        ("POST", None) if is_form(headers) => Ok(Operation::PostObject),
        ("POST", None) => Err(DoorError::NotAForm),
        _ => Err(DoorError::MethodNotAllowed),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data"))
}

fn of_object(method: &Method, query: &Query, headers: &HeaderMap) -> Result<Operation, DoorError> {
    if let Some(operation) = present(OBJECT_ABSENT, query, |name| done_with_object(method, name))? {
        return Ok(operation);
    }
    let is_copy = headers.contains_key("x-amz-copy-source");
    let upload = query.has("uploadId");
    match method.as_str() {
        "GET" if query.has("torrent") => Ok(Operation::GetObjectTorrent),
        "GET" if query.has("attributes") => Ok(Operation::GetObjectAttributes),
        "GET" if upload => Ok(Operation::ListParts),
        "GET" => Ok(Operation::GetObject),
        "HEAD" => Ok(Operation::HeadObject),
        "PUT" if upload && query.has("partNumber") && is_copy => Ok(Operation::UploadPartCopy),
        "PUT" if upload && query.has("partNumber") => Ok(Operation::UploadPart),
        // Half an UploadPart would replace the whole object.
        "PUT" if upload || query.has("partNumber") => {
            Err(DoorError::InvalidArgument { name: "uploadId", reason: "uploadId and partNumber go together" })
        }
        "PUT" if is_copy => Ok(Operation::CopyObject),
        "PUT" => Ok(Operation::PutObject),
        "POST" if query.has("uploads") => Ok(Operation::CreateMultipartUpload),
        "POST" if upload => Ok(Operation::CompleteMultipartUpload),
        "DELETE" if upload => Ok(Operation::AbortMultipartUpload),
        "DELETE" => Ok(Operation::DeleteObject),
        _ => Err(DoorError::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &str, header: Option<&str>) -> Result<Operation, DoorError> {
        let (method, address) = line.split_once(' ').expect("a method and an address");
        let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header.and_then(|header| header.split_once(": ")) {
            headers.insert(http::HeaderName::try_from(name).expect("a name"), value.parse().expect("a value"));
        }
        let method = Method::try_from(method).expect("a method");
        select(&method, &Target::parse(None, path, &[])?, &Query::parse(query)?, &headers)
    }

    #[test]
    fn every_operation_and_what_chooses_it() {
        use Operation::*;
        for (line, expected) in [
            ("GET /", ListBuckets),
            ("GET /?x-id=ListBuckets", ListBuckets),
            ("PUT /b", CreateBucket),
            ("PUT /b/", CreateBucket),
            ("HEAD /b", HeadBucket),
            ("DELETE /b", DeleteBucket),
            ("GET /b?location", GetBucketLocation),
            ("GET /b?versioning", GetBucketVersioning),
            ("PUT /b?versioning=", PutBucketVersioning),
            ("GET /b?lifecycle", GetBucketLifecycle),
            ("PUT /b?lifecycle", PutBucketLifecycle),
            ("DELETE /b?lifecycle", DeleteBucketLifecycle),
            ("GET /b", ListObjects),
            ("GET /b?prefix=versions&delimiter=/", ListObjects),
            ("GET /b?list-type=1", ListObjects),
            ("GET /b/?list-type=2&prefix=", ListObjectsV2),
            ("GET /b?versions&prefix=a", ListObjectVersions),
            ("GET /b?uploads", ListMultipartUploads),
            ("POST /b?delete", DeleteObjects),
            ("POST /b?delete&x-id=CreateMultipartUpload", DeleteObjects),
            ("PUT /b/k", PutObject),
            ("PUT /b/k?x-id=CopyObject", PutObject),
            ("PUT /b/uploads", PutObject),
            ("GET /b/k", GetObject),
            ("GET /b/k?partNumber=1&versionId=null", GetObject),
            ("GET /b/k?x-id=ListParts", GetObject),
            ("HEAD /b/k", HeadObject),
            ("DELETE /b/k", DeleteObject),
            ("DELETE /b/k?versionId=x", DeleteObject),
            ("GET /b/k?attributes", GetObjectAttributes),
            ("GET /b/k?tagging", GetObjectTagging),
            ("GET /b/k?tagging&versionId=null", GetObjectTagging),
            ("GET /b/k?acl", GetObjectAcl),
            ("PUT /b/k?acl&versionId=null", PutObjectAcl),
            ("PUT /b/k?tagging", PutObjectTagging),
            ("DELETE /b/k?tagging&versionId=null", DeleteObjectTagging),
            ("GET /b/k?legal-hold", GetObjectLegalHold),
            ("PUT /b/k?legal-hold", PutObjectLegalHold),
            ("GET /b/k?retention", GetObjectRetention),
            ("PUT /b/k?retention", PutObjectRetention),
            ("PUT /b?object-lock", PutObjectLockConfiguration),
            ("GET /b?object-lock", GetObjectLockConfiguration),
            ("GET /b?tagging", GetBucketTagging),
            ("PUT /b?tagging", PutBucketTagging),
            ("DELETE /b?tagging", DeleteBucketTagging),
            ("GET /b?policyStatus", Access(crate::policy::Access::GetPolicyStatus)),
            ("PUT /b?policy", Access(crate::policy::Access::PutPolicy)),
            ("DELETE /b?publicAccessBlock", Access(crate::policy::Access::DeletePublicAccessBlock)),
            ("GET /b?acl", GetBucketAcl),
            ("PUT /b?acl", PutBucketAcl),
            ("GET /b?cors", GetBucketCors),
            ("PUT /b?cors", PutBucketCors),
            ("DELETE /b?cors=", DeleteBucketCors),
            ("PUT /b?logging", PutBucketLogging),
            ("GET /b?notification", GetBucketNotification),
            ("GET /b?encryption", GetBucketEncryption),
            ("PUT /b?encryption", PutBucketEncryption),
            ("DELETE /b?encryption", DeleteBucketEncryption),
            ("DELETE /b?ownershipControls", Ownership(Controls::Delete)),
            ("GET /b/k?torrent", GetObjectTorrent),
            ("POST /b/k?uploads", CreateMultipartUpload),
            ("POST /b/k?uploads=&x-id=PutObject", CreateMultipartUpload),
            ("PUT /b/k?partNumber=1&uploadId=u", UploadPart),
            ("POST /b/k?uploadId=u", CompleteMultipartUpload),
            ("DELETE /b/k?uploadId=u", AbortMultipartUpload),
            ("GET /b/k?uploadId=u", ListParts),
        ] {
            assert_eq!(chosen(line, None), Ok(expected), "{line}");
        }
        let source = Some("x-amz-copy-source: /b/k");
        assert_eq!(chosen("PUT /b/k", source), Ok(CopyObject));
        assert_eq!(chosen("PUT /b/k?partNumber=1&uploadId=u", source), Ok(UploadPartCopy));
        assert_eq!(chosen("GET /b/k", source), Ok(GetObject));
        let form = Some("content-type: multipart/form-data; boundary=x");
        assert_eq!(chosen("POST /b", form), Ok(PostObject));
        assert_eq!(chosen("POST /b", Some("content-type: text/plain")), Err(DoorError::NotAForm));
        assert_eq!(chosen("POST /b?delete", form), Ok(DeleteObjects));
        assert_eq!(chosen("POST /b/k?uploads", form), Ok(CreateMultipartUpload));
    }

    #[test]
    fn whatever_chooses_an_operation_is_signed_in_every_version() {
        let more = ["attributes", "delete", "location", "partNumber", "torrent", "uploadId", "uploads", "versionId"];
        let more = more.into_iter().chain(["versioning", "versions"]);
        for name in BUCKET_ABSENT.iter().chain(OBJECT_ABSENT).copied().chain(more) {
            assert!(crate::auth::is_signed_parameter(name), "{name}");
        }
    }

    #[test]
    fn what_the_door_has_not_is_refused_and_what_it_reads_is_not_written() {
        let mut done = Vec::new();
        for method in ["GET", "PUT", "DELETE", "POST", "HEAD"] {
            for (path, names) in [("/b", BUCKET_ABSENT), ("/b/k", OBJECT_ABSENT)] {
                for name in names {
                    let line = format!("{method} {path}?{name}");
                    match chosen(&line, None) {
                        Ok(_) => done.push(line),
                        other => assert_eq!(other, Err(DoorError::NotImplemented { what: name }), "{line}"),
                    }
                }
            }
        }
        insta::assert_snapshot!(done.join("\n"));
        for line in ["GET /b?acl&website", "GET /b?tagging&cors", "PUT /b/k?acl&tagging", "GET /b/k?restore&tagging"] {
            assert!(matches!(chosen(line, None), Err(DoorError::NotImplemented { .. })), "{line}");
        }
    }

    #[test]
    fn what_s3_has_not_either() {
        for line in ["POST /", "PUT /", "DELETE /", "PATCH /b/k", "POST /b/k", "DELETE /b?delete", "PUT /b?versions"] {
            assert_eq!(chosen(line, None), Err(DoorError::MethodNotAllowed), "{line}");
        }
        for line in ["PUT /b/k?partNumber=1", "PUT /b/k?uploadId=u"] {
            assert!(matches!(chosen(line, None), Err(DoorError::InvalidArgument { .. })), "{line}");
        }
    }
}
