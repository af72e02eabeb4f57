use crate::kit::{ALT, Door, MAIN};

#[tokio::test]
async fn listings_call_owners_by_their_names_whoever_asks() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[], "x").await;
    let begun = door.ask(ALT, "POST /bucket/upload?uploads", &[], "").await;
    let upload = begun.element("UploadId").expect("an upload");
    let main = "<Owner><ID>mainuser</ID><DisplayName>Main User</DisplayName></Owner>";
    let alt = "<Initiator><ID>altuser</ID><DisplayName>Alt User</DisplayName></Initiator>";
    let lines = ["GET /bucket", "GET /bucket?list-type=2&fetch-owner=true", "GET /bucket?versions"];
    for line in lines
        .map(str::to_owned)
        .into_iter()
        .chain(["GET /bucket?uploads".to_owned(), format!("GET /bucket/upload?uploadId={upload}")])
    {
        for user in [MAIN, ALT] {
            let page = door.ask(user, &line, &[], "").await;
            assert!(page.body.contains(main), "{user} {line}: {page:?}");
            assert!(!line.contains("upload") || page.body.contains(alt), "{user} {line}: {page:?}");
        }
    }
    assert!(!door.done("GET /bucket?list-type=2", &[], "").await.body.contains("<Owner>"));
}
