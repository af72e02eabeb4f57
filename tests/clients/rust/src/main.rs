//! The AWS SDK for Rust, with nothing set but endpoint, region and credentials (which the environment names).
//!
//! usage: holdfast-client-round BUCKET FILE. Ends with an error that says what differed at the first thing that is not as expected.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete,
    ObjectIdentifier, VersioningConfiguration,
};
use aws_sdk_s3::{Client, Config};

type Done = Result<(), Box<dyn Error>>;

fn client() -> Result<Client, Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name);
    let credentials =
        Credentials::new(variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?, None, None, "environment");
    let config = Config::builder()
        .endpoint_url(variable("AWS_ENDPOINT_URL")?)
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(credentials);
    Ok(Client::from_conf(config.build()))
}

/// Expects that a call is refused with this code.
fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(answer: Result<T, E>, code: &str) {
    let error = answer.expect_err("should be refused");
    assert_eq!(error.code(), Some(code), "{error:?}");
}

async fn bytes(client: &Client, bucket: &str, key: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(client.get_object().bucket(bucket).key(key).send().await?.body.collect().await?.to_vec())
}

async fn objects(client: &Client, bucket: &str, content: &[u8]) -> Done {
    let key = "a b/ü+%";
    let put = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from_static(b"hello"))
        .metadata("color", "blue")
        .send()
        .await?;
    let got = client.get_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled).send().await?;
    assert_eq!((got.e_tag(), got.checksum_crc32()), (put.e_tag(), put.checksum_crc32()));
    assert_eq!(got.metadata().and_then(|all| all.get("color")).map(String::as_str), Some("blue"));
    assert_eq!(got.body.collect().await?.to_vec(), b"hello");
    let again = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .if_none_match("*")
        .body(ByteStream::from_static(b"other"))
        .send()
        .await;
    refused(again, "PreconditionFailed");
    refused(client.get_object().bucket(bucket).key("none").send().await, "NoSuchKey");
    let source = format!("{bucket}/a%20b/%C3%BC%2B%25");
    client.copy_object().bucket(bucket).key("copy").copy_source(source).send().await?;
    assert_eq!(bytes(client, bucket, "copy").await?, b"hello");
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let body = ByteStream::from(content.to_vec());
        client
            .put_object()
            .bucket(bucket)
            .key(algorithm.as_str())
            .checksum_algorithm(algorithm.clone())
            .body(body)
            .send()
            .await?;
        let got = client
            .get_object()
            .bucket(bucket)
            .key(algorithm.as_str())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await?;
        let told = [
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_crc64_nvme(),
            got.checksum_sha1(),
            got.checksum_sha256(),
        ];
        assert_eq!(told.into_iter().flatten().count(), 1, "{algorithm:?}");
        assert!(got.body.collect().await?.to_vec() == content, "{algorithm:?}");
    }
    Ok(())
}

async fn from_a_file(client: &Client, bucket: &str, file: &str, content: &[u8]) -> Done {
    // A file goes out in chunks with its checksum after it.
    client.put_object().bucket(bucket).key("file").body(ByteStream::from_path(file).await?).send().await?;
    assert!(bytes(client, bucket, "file").await? == content);
    Ok(())
}

/// A completion names checksums only where the upload was begun with an algorithm: S3 refuses them otherwise.
async fn in_parts(client: &Client, bucket: &str, content: &[u8], algorithm: Option<ChecksumAlgorithm>) -> Done {
    let create = client.create_multipart_upload().bucket(bucket).key("parts");
    let created = create.set_checksum_algorithm(algorithm.clone()).send().await?;
    let upload = created.upload_id().ok_or("no upload id")?;
    let mut done = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(content.chunks(5 << 20)) {
        let body = ByteStream::from(part.to_vec());
        let sent = client.upload_part().bucket(bucket).key("parts").upload_id(upload).part_number(number).body(body);
        let sent = sent.send().await?;
        let checksum = algorithm.as_ref().and(sent.checksum_crc32);
        let named = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).set_checksum_crc32(checksum);
        done = done.parts(named.build());
    }
    let parts = client.list_parts().bucket(bucket).key("parts").upload_id(upload).send().await?;
    assert_eq!(parts.parts().len(), content.len().div_ceil(5 << 20));
    let complete = client.complete_multipart_upload().bucket(bucket).key("parts").upload_id(upload);
    complete.multipart_upload(done.build()).send().await?;
    assert!(bytes(client, bucket, "parts").await? == content);
    Ok(())
}

async fn listings(client: &Client, bucket: &str) -> Done {
    let keys: Vec<String> = (0..1_050).map(|index| format!("many/{index:04}")).collect();
    for key in &keys {
        client.put_object().bucket(bucket).key(key).send().await?;
    }
    let mut pages = client.list_objects_v2().bucket(bucket).prefix("many/").into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        listed.extend(page?.contents().iter().filter_map(|entry| entry.key().map(str::to_owned)));
    }
    assert_eq!(listed, keys);
    let named: Result<Vec<_>, _> =
        keys[..1_000].iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect();
    let deleted = client
        .delete_objects()
        .bucket(bucket)
        .delete(Delete::builder().set_objects(Some(named?)).build()?)
        .send()
        .await?;
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (1_000, 0));
    let left = client.list_objects_v2().bucket(bucket).prefix("many/").send().await?;
    assert_eq!(left.key_count(), Some(50));
    Ok(())
}

async fn versions(client: &Client, bucket: &str) -> Done {
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled).send().await?;
    let mut ids = Vec::new();
    for body in [b"one", b"two"] {
        let put = client.put_object().bucket(bucket).key("v").body(ByteStream::from_static(body)).send().await?;
        ids.insert(0, put.version_id.ok_or("no version")?);
    }
    let marker = client.delete_object().bucket(bucket).key("v").send().await?;
    assert_eq!(marker.delete_marker(), Some(true));
    let listed = client.list_object_versions().bucket(bucket).prefix("v").send().await?;
    let found: Vec<_> = listed.versions().iter().filter_map(|version| version.version_id()).collect();
    assert_eq!(found, ids);
    let old = client.get_object().bucket(bucket).key("v").version_id(&ids[1]).send().await?;
    assert_eq!(old.body.collect().await?.to_vec(), b"one");
    Ok(())
}

/// The addresses are tried by whoever started this: one to write to, one to read from.
async fn addresses(client: &Client, bucket: &str) -> Done {
    let minute = || PresigningConfig::expires_in(Duration::from_secs(60));
    println!("{}", client.put_object().bucket(bucket).key("by address").presigned(minute()?).await?.uri());
    println!("{}", client.get_object().bucket(bucket).key("by address").presigned(minute()?).await?.uri());
    Ok(())
}

#[tokio::main]
async fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, file] = arguments.as_slice() else { return Err("usage: holdfast-client-round BUCKET FILE".into()) };
    let (client, content) = (client()?, std::fs::read(file)?);
    client.create_bucket().bucket(bucket).send().await?;
    objects(&client, bucket, &content).await?;
    from_a_file(&client, bucket, file, &content).await?;
    in_parts(&client, bucket, &content, None).await?;
    in_parts(&client, bucket, &content, Some(ChecksumAlgorithm::Crc32)).await?;
    listings(&client, bucket).await?;
    versions(&client, bucket).await?;
    addresses(&client, bucket).await
}
