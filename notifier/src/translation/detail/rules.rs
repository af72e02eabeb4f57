//! What events say that set rules of a bucket: CORS and lifecycle.

use std::collections::BTreeMap;

use schemas::event::{self, CorsMethod};
use schemas::lifecycle::{Conditions, Expiration, Rule, Scope};

use crate::translation::shape::shapes;
use crate::translation::text::Moment;

shapes! {
    /// A bucket's CORS rules.
    struct CorsSet<'a> {
        /// All of them from now on; absent when they were removed.
        rules: Option<Vec<CorsRule<'a>>>,
    }

    /// What a page of some origins may do.
    struct CorsRule<'a> {
        /// What its author calls it.
        id: Option<&'a str>,
        /// Origins.
        allowed_origins: &'a [String],
        /// Methods.
        allowed_methods: Vec<&'static str>,
        /// Headers that a request may have.
        allowed_headers: &'a [String],
        /// Headers of the answer that the page may read.
        expose_headers: &'a [String],
        /// Seconds that the browser may remember a preflight.
        max_age_seconds: Option<u32>,
    }

    /// A bucket's lifecycle rules.
    struct LifecycleSet<'a> {
        /// All of them from now on; absent when they were removed.
        rules: Option<Vec<LifecycleRule<'a>>>,
    }

    /// What of a bucket goes by itself, and when.
    struct LifecycleRule<'a> {
        /// Unique in its bucket.
        id: &'a str,
        /// `Enabled` or `Disabled`.
        status: &'static str,
        /// Keys that begin with it: the older form, without a filter.
        prefix: Option<&'a str>,
        /// What it is for: everything in it must hold.
        filter: Option<LifecycleFilter<'a>>,
        /// Days after which a current object expires.
        expiration_days: Option<u32>,
        /// The midnight from which on current objects expire.
        expiration_date: Option<Moment>,
        /// Whether delete markers go that are all that is left of their key.
        expired_object_delete_marker: Option<bool>,
        /// Days after which a noncurrent version goes.
        noncurrent_days: Option<u32>,
        /// How many of the newest noncurrent versions stay.
        newer_noncurrent_versions: Option<u32>,
        /// Days after which an upload in progress is given up.
        abort_incomplete_multipart_upload_days: Option<u32>,
    }

    /// What a rule is for.
    struct LifecycleFilter<'a> {
        /// Keys that begin with it.
        prefix: Option<&'a str>,
        /// Objects with all of these tags.
        tags: BTreeMap<String, String>,
        /// Objects with more bytes.
        object_size_greater_than: Option<u64>,
        /// Objects with fewer bytes.
        object_size_less_than: Option<u64>,
    }
}

impl<'a> CorsSet<'a> {
    pub(super) fn of(set: &'a event::BucketCorsSet) -> Self {
        let shown = |rule: &'a event::CorsRule| CorsRule {
            id: rule.id.as_deref(),
            allowed_origins: &rule.origins,
            allowed_methods: rule.methods.iter().copied().map(CorsMethod::as_str).collect(),
            allowed_headers: &rule.headers,
            expose_headers: &rule.exposed,
            max_age_seconds: rule.max_age_s,
        };
        Self { rules: set.rules.as_ref().map(|rules| rules.iter().map(shown).collect()) }
    }
}

impl<'a> LifecycleSet<'a> {
    pub(super) fn of(set: &'a event::BucketLifecycleSet) -> Self {
        Self { rules: set.rules.as_ref().map(|rules| rules.iter().map(LifecycleRule::of).collect()) }
    }
}

impl<'a> LifecycleRule<'a> {
    fn of(rule: &'a Rule) -> Self {
        let (prefix, filter) = match &rule.scope {
            Scope::Prefix(prefix) => (Some(prefix.as_str()), None),
            Scope::Filter { direct, and } => (None, Some(LifecycleFilter::of(direct, and))),
        };
        let (expiration_days, expiration_date, expired_object_delete_marker) = match rule.expiration {
            Some(Expiration::Days(days)) => (Some(days), None, None),
            Some(Expiration::Date(date)) => (None, Some(Moment(date)), None),
            Some(Expiration::DeleteMarker) => (None, None, Some(true)),
            None => (None, None, None),
        };
        Self {
            id: &rule.id,
            status: if rule.disabled { "Disabled" } else { "Enabled" },
            prefix,
            filter,
            expiration_days,
            expiration_date,
            expired_object_delete_marker,
            noncurrent_days: rule.noncurrent.map(|noncurrent| noncurrent.days),
            newer_noncurrent_versions: rule.noncurrent.and_then(|noncurrent| noncurrent.newer_versions),
            abort_incomplete_multipart_upload_days: rule.abort_incomplete_days,
        }
    }
}

impl<'a> LifecycleFilter<'a> {
    /// A rule has its conditions in one of two places, or none: which of them says nothing to who only wants to know what it
    /// is for.
    fn of(direct: &'a Conditions, and: &'a Conditions) -> Self {
        let tags = direct.tags.iter().chain(&and.tags);
        Self {
            prefix: and.prefix.as_deref().or(direct.prefix.as_deref()),
            tags: tags.map(|(name, value)| (name.clone(), value.clone())).collect(),
            object_size_greater_than: and.size_greater_than.or(direct.size_greater_than),
            object_size_less_than: and.size_less_than.or(direct.size_less_than),
        }
    }
}
