//! The OpenAPI document: served as it is committed, and true.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::kit::{House, status};

/// What the contract names (section 9), and what is ours beside it.
const OPERATIONS: &str = "
    GET /healthz getHealth system
    GET /openapi.json getOpenApiDocument system
    POST /auth/token createToken auth
    POST /sign-url signURL auth
    GET /signed/{bucket}/{key} getSigned signed
    PUT /signed/{bucket}/{key} putSigned signed
    GET /buckets listBuckets buckets
    POST /buckets createBucket buckets
    GET /buckets/{bucket} getBucket buckets
    DELETE /buckets/{bucket} deleteBucket buckets
    GET /buckets/{bucket}/versioning getBucketVersioning buckets
    PUT /buckets/{bucket}/versioning setBucketVersioning buckets
    GET /buckets/{bucket}/notifications getBucketNotifications notifications
    PUT /buckets/{bucket}/notifications setBucketNotifications notifications
    DELETE /buckets/{bucket}/notifications deleteBucketNotifications notifications
    GET /buckets/{bucket}/objects listObjects objects
    POST /buckets/{bucket}/objects:batchDelete batchDeleteObjects objects
    GET /buckets/{bucket}/versions listVersions versions
    POST /buckets/{bucket}/object-copy/{key} copyObject objects
    GET /buckets/{bucket}/objects/{key} getObject objects
    PUT /buckets/{bucket}/objects/{key} putObject objects
    DELETE /buckets/{bucket}/objects/{key} deleteObject objects
    HEAD /buckets/{bucket}/objects/{key} headObject objects
    GET /buckets/{bucket}/object-tags/{key} getObjectTags tags
    PUT /buckets/{bucket}/object-tags/{key} setObjectTags tags
    DELETE /buckets/{bucket}/object-tags/{key} deleteObjectTags tags
    GET /buckets/{bucket}/object-retention/{key} getObjectRetention retention
    PUT /buckets/{bucket}/object-retention/{key} setObjectRetention retention
    GET /buckets/{bucket}/object-legal-hold/{key} getObjectLegalHold retention
    PUT /buckets/{bucket}/object-legal-hold/{key} setObjectLegalHold retention
    GET /buckets/{bucket}/multipart listMultipartUploads multipart
    POST /buckets/{bucket}/multipart/{key} createMultipartUpload multipart
    PUT /buckets/{bucket}/multipart/{uploadId}/parts/{partNumber}/{key} uploadPart multipart
    GET /buckets/{bucket}/multipart/{uploadId}/parts/{key} listParts multipart
    POST /buckets/{bucket}/multipart/{uploadId}/complete/{key} completeMultipartUpload multipart
    DELETE /buckets/{bucket}/multipart/{uploadId}/{key} abortMultipartUpload multipart
";
const OURS: &str = "
    HEAD /signed/{bucket}/{key} headSigned signed
    GET /buckets/{bucket}/object-metadata/{key} getObjectMetadata objects
    DELETE /buckets/{bucket}/cors deleteBucketCors settings
    DELETE /buckets/{bucket}/lifecycle deleteBucketLifecycle settings
    DELETE /buckets/{bucket}/policy deleteBucketPolicy settings
    DELETE /buckets/{bucket}/quota deleteBucketQuota settings
    DELETE /buckets/{bucket}/tags deleteBucketTags settings
    DELETE /keys/{keyId} revokeKey keys
    DELETE /signed-urls/{id} revokeSignedUrl signed
    DELETE /tasks/{id} cancelTask tasks
    GET /account getAccount account
    GET /buckets/{bucket}/cors getBucketCors settings
    GET /buckets/{bucket}/lifecycle getBucketLifecycle settings
    GET /buckets/{bucket}/object-acl/{key} getObjectAcl objects
    GET /buckets/{bucket}/object-lock getBucketObjectLock settings
    GET /buckets/{bucket}/objects:stats getObjectStats objects
    GET /buckets/{bucket}/policy getBucketPolicy settings
    GET /buckets/{bucket}/quota getBucketQuota settings
    GET /buckets/{bucket}/stats getBucketStats settings
    GET /buckets/{bucket}/tags getBucketTags settings
    GET /keys listKeys keys
    GET /keys/{keyId} getKey keys
    GET /signed-urls listSignedUrls signed
    GET /tasks listTasks tasks
    GET /tasks/{id} getTask tasks
    PATCH /buckets/{bucket} updateBucket settings
    POST /buckets/{bucket}/multipart-presign/{key} presignMultipart multipart
    POST /buckets/{bucket}/objects:deletePrefix deletePrefix objects
    POST /buckets/{bucket}/objects:move moveObject objects
    POST /buckets/{bucket}/objects:presign presignObjects signed
    POST /buckets/{bucket}/objects:zip zipObjects objects
    POST /keys createKey keys
    POST /keys/{keyId}/rotate rotateKey keys
    PUT /buckets/{bucket}/cors setBucketCors settings
    PUT /buckets/{bucket}/lifecycle setBucketLifecycle settings
    PUT /buckets/{bucket}/object-acl/{key} setObjectAcl objects
    PUT /buckets/{bucket}/object-lock setBucketObjectLock settings
    PUT /buckets/{bucket}/policy setBucketPolicy settings
    PUT /buckets/{bucket}/quota setBucketQuota settings
    PUT /buckets/{bucket}/tags setBucketTags settings
    POST /buckets/{bucket}/notifications/{id}/rotate-secret rotateNotificationSecret notifications
    GET /webhooks listWebhooks webhooks
    POST /webhooks createWebhook webhooks
    GET /webhooks/{id} getWebhook webhooks
    PATCH /webhooks/{id} updateWebhook webhooks
    DELETE /webhooks/{id} deleteWebhook webhooks
    POST /webhooks/{id}/rotate-secret rotateWebhookSecret webhooks
    POST /webhooks/{id}/test testWebhook webhooks
    GET /webhooks/{id}/deliveries listDeliveries webhooks
    GET /webhooks/{id}/parked listParkedEvents webhooks
    POST /webhooks/{id}/parked/{position}/replay replayParkedEvent webhooks
    DELETE /webhooks/{id}/parked/{position} discardParkedEvent webhooks
    POST /webhooks/{id}/replay replayWebhook webhooks
    GET /webhooks/{id}/replays listReplays webhooks
    DELETE /webhooks/{id}/replays/{replayId} cancelReplay webhooks
    POST /webhooks/{id}/dry-run dryRunWebhook webhooks
    POST /webhooks/dry-run dryRun webhooks
    GET /events listEvents events
    GET /log/checkpoint getCheckpoint log
    GET /log/key getCheckpointKey log
    GET /log/proof getInclusionProof log
    GET /log/consistency getConsistencyProof log
    POST /buckets/{bucket}/erase eraseBucket buckets
    GET /buckets/{bucket}/diff getBucketDiff history
    GET /buckets/{bucket}/history getBucketHistory history
    PUT /buckets/{bucket}/history setBucketHistory history
    DELETE /buckets/{bucket}/history resetBucketHistory history
    GET /buckets/{bucket}/object-history/{key} getObjectHistory history
    GET /buckets/{bucket}/snapshots listSnapshots history
    GET /buckets/{bucket}/snapshots/{name} getSnapshot history
    PUT /buckets/{bucket}/snapshots/{name} putSnapshot history
    DELETE /buckets/{bucket}/snapshots/{name} deleteSnapshot history
    POST /buckets/{bucket}/restore restoreBucket history
    POST /buckets/{bucket}/undo undoInBucket history
";

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi/native.json")
}

/// Every operation of a document: method, path, what it says.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// `HOLDFAST_GOLDEN=write` writes the file anew. Review it as a diff: an API is a promise.
#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let house = House::new().await;
    let served = house.ask("GET", "/openapi.json").send().await.is(200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    if std::env::var("HOLDFAST_GOLDEN").as_deref() == Ok("write") {
        std::fs::create_dir_all(committed().parent().expect("a folder")).expect("a folder");
        std::fs::write(committed(), &served.body).expect("written");
    }
    let committed = std::fs::read(committed()).expect("the committed document");
    assert!(served.body == committed, "the document has changed: HOLDFAST_GOLDEN=write cargo test -p door-http");
}

#[tokio::test]
async fn it_has_the_operations_of_the_contract_and_ours_and_no_others() {
    let house = House::new().await;
    let document = house.ask("GET", "/openapi.json").send().await.is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected: BTreeSet<_> =
        OPERATIONS.lines().chain(OURS.lines()).map(line).filter(|text| !text.is_empty()).collect();
    assert_eq!(OPERATIONS.lines().filter(|text| !text.trim().is_empty()).count(), 36);
    let all = operations(&document);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: BTreeSet<_> = all
        .iter()
        .map(|(method, path, of)| format!("{method} {path} {} {}", text(&of["operationId"]), text(&of["tags"][0])))
        .collect();
    assert_eq!(found, expected);
    let ids: BTreeSet<_> = all.iter().map(|(.., of)| text(&of["operationId"])).collect();
    assert_eq!(ids.len(), all.len(), "an operation id is there twice");
    assert_eq!(document["components"]["securitySchemes"]["nativeToken"]["scheme"], "bearer");
}

#[tokio::test]
async fn every_operation_is_there_and_says_what_it_answers() {
    let house = House::new().await;
    let document = house.ask("GET", "/openapi.json").send().await.is(200).json();
    let references = document.to_string();
    for reference in references.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not there");
    }
    for (method, path, operation) in operations(&document) {
        let raw = path.replace("{uploadId}", &format!("mpu_{}", "0".repeat(32)));
        let raw = raw.replace("{bucket}", "data").replace("{partNumber}", "1").replace("{key}", "a/b");
        let answer = house.ask(&method, &raw).send().await;
        assert!(![404, 405].contains(&answer.status), "{method} {raw}: {}", answer.status);
        let responses = operation["responses"].as_object().expect("responses");
        let is_open = operation["security"] == serde_json::json!([]);
        assert_eq!(!is_open, answer.status == 401 && operation.get("security").is_none(), "{method} {path}");
        assert!(responses.contains_key(&answer.status.to_string()), "{method} {path} does not say {}", answer.status);
        assert!(responses.keys().any(|code| code.starts_with('2')), "{method} {path}");
        for (code, response) in responses {
            // What many operations answer stands in one place.
            let response = match response["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("it is there"),
                None => response,
            };
            let code: u16 = code.parse().expect("a status");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()));
            assert_ne!(response["description"], "A problem.", "{method} {path} {code}");
            let is_problem = !status(code).is_success() && code != 304 && method != "HEAD";
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(is_problem, *schema == "#/components/schemas/Problem", "{method} {path} {code}");
        }
        let named = |place: &str| {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            parameters
                .into_iter()
                .filter(|it| it["in"] == place)
                .filter_map(|it| Some(it["name"].as_str()?.to_owned()))
                .collect::<BTreeSet<_>>()
        };
        let in_path: BTreeSet<_> =
            path.split('{').skip(1).filter_map(|piece| Some(piece.split_once('}')?.0.to_owned())).collect();
        assert_eq!(named("path"), in_path, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let house = House::new().await;
    let client = house.client().await;
    for path in ["/", "/nowhere", "/buckets/data/nowhere", "/buckets/", "/Buckets", "//buckets", "/healthz/"] {
        client.get(path).await.fails(404, "not_found");
    }
    let wrong = client.ask("PATCH", "/buckets").send().await.fails(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("GET, POST"));
    let head = client.ask("HEAD", "/nowhere").send().await.is(404);
    assert_eq!((head.body.len(), head.header("x-lockwell-error-code")), (0, Some("not_found")));
    let health = house.ask("GET", "/healthz").send().await.is(200);
    assert_eq!(health.json(), serde_json::json!({ "status": "ok" }));
    assert!(health.header("x-request-id").is_some());
}
