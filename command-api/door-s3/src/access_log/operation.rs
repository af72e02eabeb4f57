//! Names of operations, as S3's access logs have them: `REST.GET.OBJECT`.

use http::Method;

use crate::route::Query;

/// Subresources of a bucket.
const OF_BUCKET: &[(&str, &str)] = &[
    ("accelerate", "ACCELERATE"),
    ("acl", "ACL"),
    ("analytics", "ANALYTICS"),
    ("cors", "CORS"),
    ("delete", "MULTI_OBJECT_DELETE"),
    ("encryption", "ENCRYPTION"),
    ("inventory", "INVENTORY"),
    ("lifecycle", "LIFECYCLE"),
    ("location", "LOCATION"),
    ("logging", "LOGGING_STATUS"),
    ("metrics", "METRICS"),
    ("notification", "NOTIFICATION"),
    ("object-lock", "OBJECT_LOCK_CONFIGURATION"),
    ("ownershipControls", "OWNERSHIP_CONTROLS"),
    ("policy", "BUCKETPOLICY"),
    ("policyStatus", "BUCKETPOLICYSTATUS"),
    ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK"),
    ("replication", "REPLICATION"),
    ("requestPayment", "REQUEST_PAYMENT"),
    ("tagging", "TAGGING"),
    ("uploads", "UPLOADS"),
    ("versioning", "VERSIONING"),
    ("versions", "BUCKETVERSIONS"),
    ("website", "WEBSITE"),
];

/// Subresources of an object.
const OF_OBJECT: &[(&str, &str)] = &[
    ("acl", "ACL"),
    ("attributes", "OBJECT_ATTRIBUTES"),
    ("legal-hold", "OBJECT_LOCK_LEGALHOLD"),
    ("restore", "RESTORE"),
    ("retention", "OBJECT_LOCK_RETENTION"),
    ("tagging", "OBJECT_TAGGING"),
    ("torrent", "OBJECTTORRENT"),
    ("uploads", "UPLOADS"),
];

/// What a request asks for, by its address alone: refused ones have a name too.
pub(super) fn name(method: &Method, has_key: bool, query: &Query, is_copy: bool) -> String {
    if method == Method::OPTIONS {
        return "REST.OPTIONS.PREFLIGHT".to_owned();
    }
    let table = if has_key { OF_OBJECT } else { OF_BUCKET };
    let named = table.iter().find(|(name, _)| query.has(name)).map(|(_, resource)| *resource);
    let of_part = has_key && query.has("uploadId") && method == Method::PUT;
    let resource = match named {
        Some(resource) => resource,
        None if of_part => "PART",
        None if has_key && query.has("uploadId") => "UPLOAD",
        // A form makes an object of whatever key it says.
        None if has_key || method == Method::POST => "OBJECT",
        None => "BUCKET",
    };
    let verb = if is_copy && method == Method::PUT && has_key { "COPY" } else { method.as_str() };
    format!("REST.{verb}.{resource}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_the_names_of_s3() {
        for (line, expected) in [
            ("GET /b", "REST.GET.BUCKET"),
            ("GET /b?list-type=2", "REST.GET.BUCKET"),
            ("PUT /b?logging", "REST.PUT.LOGGING_STATUS"),
            ("GET /b?versions", "REST.GET.BUCKETVERSIONS"),
            ("POST /b?delete", "REST.POST.MULTI_OBJECT_DELETE"),
            ("POST /b", "REST.POST.OBJECT"),
            ("HEAD /b", "REST.HEAD.BUCKET"),
            ("GET /b/k", "REST.GET.OBJECT"),
            ("PUT /b/k?tagging", "REST.PUT.OBJECT_TAGGING"),
            ("POST /b/k?uploads", "REST.POST.UPLOADS"),
            ("PUT /b/k?uploadId=u&partNumber=1", "REST.PUT.PART"),
            ("POST /b/k?uploadId=u", "REST.POST.UPLOAD"),
            ("DELETE /b/k?uploadId=u", "REST.DELETE.UPLOAD"),
            ("OPTIONS /b/k", "REST.OPTIONS.PREFLIGHT"),
        ] {
            let (method, address) = line.split_once(' ').expect("a method and an address");
            let (path, query) = address.split_once('?').unwrap_or((address, ""));
            let method = method.parse().expect("a method");
            let query = Query::parse(Some(query)).expect("a query");
            assert_eq!(name(&method, path.len() > 2, &query, false), expected, "{line}");
        }
        let query = |text| Query::parse(Some(text)).expect("a query");
        assert_eq!(name(&Method::PUT, true, &query(""), true), "REST.COPY.OBJECT");
        assert_eq!(name(&Method::PUT, true, &query("uploadId=u&partNumber=1"), true), "REST.COPY.PART");
        assert_eq!(name(&Method::GET, true, &query(""), true), "REST.GET.OBJECT");
    }
}
