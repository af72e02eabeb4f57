//! `/buckets/{bucket}/cors`.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::Configuration;
use schemas::action::Action;
use schemas::event::{CorsMethod, Event, Setting};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, App, Ask, Entry, answer, changing, entry, not_set, of_bucket};
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/cors";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketCors", "Get the CORS rules")
        .about("404 if the bucket has none.")
        .answers::<CorsConfiguration>(200, "The rules.");
    let put = changing(Method::PUT, PATH, "setBucketCors", "Set the CORS rules")
        .about("Replaces those there are. The first rule that matches a request holds, here and for S3.")
        .takes::<CorsConfiguration>()
        .answers::<CorsConfiguration>(200, "The rules as they were set.")
        .with_headers(&[answer::POSITION_TEXT]);
    let delete = of_bucket(Method::DELETE, PATH, "deleteBucketCors", "Remove the CORS rules")
        .answers_empty(204, "Removed.")
        .with_headers(&[answer::POSITION_TEXT]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete)]
}

/// Which origins browsers may come from.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CorsConfiguration {
    /// 1 to 100 rules.
    rules: Vec<CorsRule>,
}

/// What a page of some origins may do.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CorsRule {
    /// What its author calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Origins, each with at most one `*` for any characters.
    allowed_origins: Vec<String>,
    /// `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    allowed_methods: Vec<String>,
    /// Headers that a request may have, each with at most one `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed_headers: Vec<String>,
    /// Headers of the answer that the page may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expose_headers: Vec<String>,
    /// Seconds that the browser may remember a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age_seconds: Option<u32>,
}

impl CorsConfiguration {
    fn of(rules: &[schemas::event::CorsRule]) -> Self {
        let shown = |rule: &schemas::event::CorsRule| CorsRule {
            id: rule.id.clone(),
            allowed_origins: rule.origins.clone(),
            allowed_methods: rule.methods.iter().map(|method| method.as_str().to_owned()).collect(),
            allowed_headers: rule.headers.clone(),
            expose_headers: rule.exposed.clone(),
            max_age_seconds: rule.max_age_s,
        };
        Self { rules: rules.iter().map(shown).collect() }
    }

    /// # Errors
    /// A method that no rule can allow.
    pub(super) fn asked(self) -> Result<Vec<schemas::event::CorsRule>, Problem> {
        let bad = || Problem::invalid("`allowedMethods` may have GET, PUT, POST, DELETE and HEAD");
        let rule = |rule: CorsRule| {
            let methods = rule.allowed_methods.iter().map(|method| CorsMethod::parse(method).ok_or_else(bad));
            Ok(schemas::event::CorsRule {
                methods: methods.collect::<Result<_, Problem>>()?,
                id: rule.id,
                origins: rule.allowed_origins,
                headers: rule.allowed_headers,
                exposed: rule.expose_headers,
                max_age_s: rule.max_age_seconds,
            })
        };
        self.rules.into_iter().map(rule).collect()
    }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetBucketCors, Setting::Cors);
    let found = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    let rules = match found.as_deref() {
        Some(Event::BucketCorsSet(set)) => set.rules.as_deref(),
        _ => None,
    };
    let rules = rules.ok_or_else(|| not_set("the bucket has no CORS rules"))?;
    Ok(answer::json(StatusCode::OK, &CorsConfiguration::of(rules)))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let rules = ask.json::<CorsConfiguration>().await?.asked()?;
    let shown = CorsConfiguration::of(&rules);
    let configuration = Configuration::Cors(Some(rules));
    let at = app.store.configure_bucket(ask.caller()?, &bucket, Action::PutBucketCors, configuration).await?;
    Ok(super::set(&shown, at))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    super::remove(&app, ask, Action::PutBucketCors, Configuration::Cors(None)).await
}
