//! What a store is filled with, by the store in this process.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use schemas::UploadId;

use crate::grow::operation::Operation;
use crate::store::Client;

pub(crate) const BUCKET: &str = "grow";

/// Of an upload: S3 takes no more.
const PARTS: u64 = 10_000;

/// Lies inline in the log's batch, with its key, as small content does.
const BODY: &[u8] = b"sixteen bytes...";

/// What there is more and more of.
pub(crate) enum Kind {
    Objects,
    Versions,
    Buckets,
    Tenants,
    Parts {
        /// Those that were begun.
        uploads: Vec<UploadId>,
    },
}

pub(crate) fn object(number: u64) -> String {
    // As many folders at every size.
    format!("folder-{:03}/{number:09}", number % 1_000)
}

pub(crate) fn upload(number: u64) -> String {
    format!("uploads/{number:06}")
}

impl Kind {
    /// Each with how many of it there are: to see that it works, and unless `--keys` says otherwise.
    pub(crate) fn all() -> [(Self, u64, u64); 5] {
        [
            (Self::Objects, 20_000, 1_000_000),
            (Self::Versions, 20_000, 1_000_000),
            (Self::Buckets, 2_000, 100_000),
            (Self::Tenants, 200, 10_000),
            (Self::Parts { uploads: Vec::new() }, 20_000, 100_000),
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Versions => "versions",
            Self::Buckets => "buckets",
            Self::Tenants => "tenants",
            Self::Parts { .. } => "parts",
        }
    }

    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Objects => "Objects in one bucket",
            Self::Versions => "Versions of one key",
            Self::Buckets => "Buckets of one tenant",
            Self::Tenants => "Tenants",
            Self::Parts { .. } => "Parts of uploads, 10,000 each",
        }
    }

    pub(crate) fn operations(&self) -> &'static [Operation] {
        use Operation as Op;
        match self {
            Self::Objects => {
                &[Op::Put, Op::PutAgain, Op::Get, Op::Head, Op::Page, Op::PageThen, Op::Folders, Op::Versions]
            }
            Self::Versions => &[Op::PutVersion, Op::GetKey, Op::GetKeyThen, Op::List, Op::Versions],
            Self::Buckets => &[Op::CreateBucket, Op::HeadBucket, Op::ListBuckets, Op::PutIntoBucket],
            Self::Tenants => &[Op::Put, Op::ListBuckets],
            Self::Parts { .. } => &[Op::CreateUpload, Op::PutPart, Op::ListParts, Op::ListUploads, Op::Put],
        }
    }

    /// Adds those of a range.
    pub(crate) fn fill(&mut self, data: &Path, range: Range<u64>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = match range.start {
                0 => Client::open_as_first_user(data, BUCKET).await?,
                _ => Client::again(data, BUCKET).await?,
            };
            self.add(&client, range).await?;
            client.close().await
        })
    }

    async fn add(&mut self, client: &Client, range: Range<u64>) -> Result<()> {
        let body = Bytes::from_static(BODY);
        match self {
            Self::Objects => {
                let put = |client: Client, number| {
                    let body = body.clone();
                    async move { client.put(object(number), body).await }
                };
                client.each(range, put).await
            }
            Self::Versions => {
                if range.start == 0 {
                    client.version().await?;
                }
                let put = |client: Client, _| {
                    let body = body.clone();
                    async move { client.put("key".to_owned(), body).await }
                };
                client.each(range, put).await
            }
            Self::Buckets => {
                let create =
                    |client: Client, number| async move { client.create_bucket(&format!("b-{number:07}")).await };
                client.each(range, create).await
            }
            Self::Tenants => {
                let create =
                    |client: Client, number| async move { client.create_tenant(&format!("t-{number:07}")).await };
                client.each(range, create).await
            }
            Self::Parts { uploads } => {
                while (uploads.len() as u64) * PARTS < range.end {
                    uploads.push(client.create_upload(upload(uploads.len() as u64)).await?);
                }
                let uploads = &*uploads;
                let put = |client: Client, number: u64| {
                    let (key, part) = (number / PARTS, (number % PARTS + 1) as u16);
                    let (id, body) = (uploads[key as usize], body.clone());
                    async move { client.put_part(upload(key), id, part, body).await }
                };
                client.each(range, put).await
            }
        }
    }
}
