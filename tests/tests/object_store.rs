//! A client that others wrote: the `object_store` crate, as Rust programs use it over S3.

use futures_util::{StreamExt, TryStreamExt};
use holdfast_tests::{Credentials, Server, incompressible};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};

#[test]
fn the_object_store_crate_works() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&directory.path().join("data")).expect("starts");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(object_store_round(&server)).expect("works");
}

async fn object_store_round(server: &Server) -> anyhow::Result<()> {
    let Credentials { access_key, secret } = server.credentials();
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", server.address))
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name("demo")
        .with_access_key_id(access_key)
        .with_secret_access_key(secret)
        .build()?;
    let path = Path::from("folder/with space/ключ.txt");
    store.put(&path, PutPayload::from_static(b"first")).await?;
    let found = store.get(&path).await?;
    let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
    assert_eq!(found.bytes().await?, "first");
    assert_eq!(store.get_range(&path, 1..3).await?, "ir");
    assert_eq!(store.get_ranges(&path, &[0..1, 4..5]).await?, ["f", "t"]);
    assert_eq!(store.head(&path).await?.size, 5);

    let again = store.put_opts(&path, PutPayload::from_static(b"second"), PutMode::Create.into()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    let update = PutMode::Update(version.clone());
    store.put_opts(&path, PutPayload::from_static(b"second"), update.into()).await?;
    let stale = store.put_opts(&path, PutPayload::from_static(b"third"), PutMode::Update(version).into()).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");

    let large = incompressible(3, 12 << 20);
    let mut upload = store.put_multipart(&Path::from("large")).await?;
    for part in large.chunks(5 << 20) {
        upload.put_part(part.to_vec().into()).await?;
    }
    upload.complete().await?;
    assert!(store.get(&Path::from("large")).await?.bytes().await? == large);
    let mut given_up = store.put_multipart(&Path::from("given-up")).await?;
    given_up.put_part(vec![1; 5 << 20].into()).await?;
    given_up.abort().await?;

    let copy = Path::from("folder/copy");
    store.copy(&path, &copy).await?;
    assert_eq!(store.get(&copy).await?.bytes().await?, "second");
    let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await?;
    assert_eq!(listed, ["folder/copy", path.as_ref(), "large"]);
    let grouped = store.list_with_delimiter(None).await?;
    assert_eq!(grouped.common_prefixes, [Path::from("folder")]);
    let after: Vec<_> = store.list_with_offset(None, &path).map_ok(|meta| meta.location).try_collect().await?;
    assert_eq!(after, [Path::from("large")]);
    let all = futures_util::stream::iter([Ok(copy.clone()), Ok(path), Ok(Path::from("large"))]);
    let deleted: Vec<_> = store.delete_stream(all.boxed()).try_collect().await?;
    assert_eq!(deleted.len(), 3);
    assert!(matches!(store.get(&copy).await, Err(Error::NotFound { .. })));
    Ok(())
}
