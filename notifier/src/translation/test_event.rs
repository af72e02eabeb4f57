//! The event that somebody asks for to see whether a subscription works. It stands in no log.

use bytes::Bytes;
use schemas::subscription::PayloadFormat;
use schemas::{BucketName, RequestId, SubscriptionId, TenantId, TenantName, Time};
use serde::Serialize;

use super::shape::shapes;
use super::text::{Moment, SubscriptionText, Text, time_text};
use super::{cloudevents, json, named};

/// A test event.
#[derive(Debug, Clone)]
pub(crate) struct TestEvent {
    /// Whose subscription.
    pub tenant: TenantId,
    /// What the tenant is called, if it is known.
    pub tenant_name: Option<TenantName>,
    /// The bucket whose configuration has the subscription; none of a webhook of the tenant.
    pub bucket_name: Option<BucketName>,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// When it was asked for.
    pub time: Time,
    /// What the request that asked is called.
    pub request: RequestId,
    /// What tells it from other test events: hex digits.
    pub nonce: String,
}

shapes! {
    /// What a test event says.
    struct TestDetail {
        /// The subscription that is tested.
        subscription: Text<SubscriptionText>,
    }

    /// A test event in our own shape.
    struct NativeTest<'a> {
        /// Unique for ever.
        id: String,
        /// `holdfast:Test`.
        r#type: &'static str,
        /// The tenant, by name.
        tenant: Option<Text<&'a TenantName>>,
        /// When it was asked for.
        time: Moment,
        /// The bucket, if its configuration has the subscription.
        bucket: Option<Text<&'a BucketName>>,
        /// What the request that asked is called.
        request_id: &'a str,
        /// What it says.
        detail: TestDetail,
    }

    /// A test event as a CloudEvent.
    struct CloudTest {
        /// Version of the CloudEvents specification: `1.0`.
        specversion: &'static str,
        /// `io.holdfast.test.v1`.
        r#type: &'static str,
        /// Where the subscription is.
        source: String,
        /// Unique for ever.
        id: String,
        /// When it was asked for.
        time: Moment,
        /// What `data` is: `application/json`.
        datacontenttype: &'static str,
        /// What it says.
        data: TestDetail,
    }
}

/// As AWS sends it when a configuration is set.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct S3Test<'a> {
    service: &'static str,
    event: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<Text<&'a BucketName>>,
    request_id: &'a str,
    host_id: &'static str,
}

impl CloudTest {
    pub(crate) const TYPE: &str = "io.holdfast.test.v1";
}

impl TestEvent {
    /// Its type.
    pub(crate) const TYPE: &str = "holdfast:Test";

    /// `evt_<tenant>_test_<nonce>`.
    pub(crate) fn webhook_id(&self) -> String {
        format!("evt_{}_test_{}", self.tenant, self.nonce)
    }

    /// What is sent.
    pub(crate) fn body(&self, format: PayloadFormat) -> Bytes {
        let detail = TestDetail { subscription: Text(SubscriptionText(self.subscription)) };
        match format {
            PayloadFormat::S3 => json(&S3Test {
                service: "Amazon S3",
                event: "s3:TestEvent",
                time: time_text(self.time, 3),
                bucket: self.bucket_name.as_ref().map(Text),
                request_id: &self.request.0,
                host_id: "holdfast",
            }),
            PayloadFormat::CloudEvents => {
                let bucket = self.bucket_name.as_ref().map(BucketName::as_str);
                json(&CloudTest {
                    specversion: "1.0",
                    r#type: CloudTest::TYPE,
                    source: cloudevents::source(&named(self.tenant_name.as_ref(), self.tenant), bucket),
                    id: self.webhook_id(),
                    time: Moment(self.time),
                    datacontenttype: "application/json",
                    data: detail,
                })
            }
            PayloadFormat::Native => json(&NativeTest {
                id: self.webhook_id(),
                r#type: Self::TYPE,
                tenant: self.tenant_name.as_ref().map(Text),
                time: Moment(self.time),
                bucket: self.bucket_name.as_ref().map(Text),
                request_id: &self.request.0,
                detail,
            }),
        }
    }
}
