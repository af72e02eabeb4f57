//! `/api/v1`: the native JSON API.
//!
//! Owns: the way of a request through the door, and the list of what can be asked.
//! Does not own: any decision: each operation is one call of the store, with a caller.
//! Invariants: the tenant comes from the credential and from nothing else; no byte of a body is read before its sender is
//! known, but of `/auth/token`, whose body says who it is.

mod account;
mod answer;
mod ask;
mod batch;
mod buckets;
mod copy;
mod cors;
mod erase;
mod events;
mod gate;
mod history;
mod idempotency;
mod keys;
mod limits;
mod lists;
mod locks;
mod log;
mod move_object;
mod multipart;
mod multipart_presign;
mod notifications;
mod object_acl;
mod objects;
mod page;
mod past;
mod prefix_stats;
mod presign;
mod receipt;
mod rewind;
mod said;
mod settings;
mod signed;
mod signed_path;
mod signed_urls;
mod stored;
mod system;
mod tags;
mod tasks;
mod token;
mod webhooks;
mod zip;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, Request};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Uri};
use pipeline::Store;
use pipeline::audit::{Surface, Trace};
use schemas::{RequestId, TenantId};
use tracing::{Instrument, field};

use crate::audited::{audited, begun};
use crate::docs;
use crate::openapi::{self, About};
use crate::operation::{Access, Found, Operation, Routes};
use crate::problem::Problem;
use crate::query::Query;
use crate::request::{Options, X_REQUEST_ID};
pub(crate) use ask::BodyTooLarge;
use ask::{Ask, Visit, Words};

/// What a handler makes of a request.
type Answer = Result<Response, Problem>;
type Future = Pin<Box<dyn std::future::Future<Output = Answer> + Send>>;
type Handler = Box<dyn Fn(Arc<App>, Ask) -> Future + Send + Sync>;
/// An operation and what does it.
type Entry = (Operation, Handler);

/// What every operation needs of the server.
struct App {
    store: Store,
    options: Options,
    routes: Routes<Handler>,
    document: Bytes,
}

/// The native API. To be nested at `/api/v1` as a service, so that it gets `/api/v1/` too.
pub fn native_router(store: Store, options: Options) -> Router {
    let routes = routes();
    let document = openapi::text(&ABOUT, routes.operations());
    let app = Arc::new(App { store: store.clone(), options: options.clone(), routes, document });
    let router = docs::router("openapi.json").fallback(move |request: Request| serve(Arc::clone(&app), request));
    audited(router, &store, &options, Surface::Native)
}

/// Everything that can be asked, in the order of the contract.
fn routes() -> Routes<Handler> {
    let all = [
        system::operations(),
        token::operations(),
        signed::operations(),
        buckets::operations(),
        notifications::operations(),
        lists::operations(),
        batch::operations(),
        copy::operations(),
        objects::operations(),
        tags::operations(),
        locks::operations(),
        multipart::operations(),
    ];
    let all = all.into_iter().chain(beside()).flatten();
    Routes::new(all.map(|(operation, handler)| (past::described(operation), handler)).collect())
}

/// What there is beside the contract.
fn beside() -> [Vec<Entry>; 17] {
    [
        keys::operations(),
        signed_urls::operations(),
        account::operations(),
        settings::operations(),
        object_acl::operations(),
        prefix_stats::operations(),
        presign::operations(),
        multipart_presign::operations(),
        move_object::operations(),
        tasks::operations(),
        erase::operations(),
        zip::operations(),
        webhooks::operations(),
        events::operations(),
        history::operations(),
        log::operations(),
        rewind::operations(),
    ]
}

fn entry<F, Done>(operation: Operation, run: F) -> Entry
where
    F: Fn(Arc<App>, Ask) -> Done + Send + Sync + 'static,
    Done: std::future::Future<Output = Answer> + Send + 'static,
{
    (idempotency::described(operation), Box::new(move |app, ask| Box::pin(run(app, ask))))
}

const ABOUT: About = About {
    title: "Holdfast native API",
    description: "JSON in, JSON out, over the same store as S3: the same encryption, versions, locks, policies and quotas. \
                  Exchange an access key for a token at `/auth/token` and send it as `Authorization: Bearer`.",
    server: "/api/v1",
    scheme: (
        "nativeToken",
        "A token (`lwtk_...`) from `POST /auth/token`. It works for an hour unless configured otherwise, and no longer than its \
         access key.",
    ),
    tags: &[
        ("system", "The server itself."),
        ("auth", "Tokens and signed URLs."),
        ("signed", "What a signed URL is good for, without a token."),
        ("buckets", "Buckets and their versioning."),
        ("notifications", "Who hears of what happens in a bucket."),
        ("objects", "Objects and lists of them."),
        ("versions", "Versions and delete markers."),
        ("tags", "Tags of objects."),
        ("retention", "Retention and legal hold."),
        ("multipart", "Uploads in parts."),
        ("settings", "What buckets are set to, and what they hold."),
        ("keys", "Your own keys."),
        ("account", "Your account."),
        ("tasks", "Work that goes on behind its request."),
        ("webhooks", "Who is told of what happens in the tenant."),
        ("events", "What happened in the tenant, in order."),
        ("history", "What buckets were, and how much of it is kept."),
        ("log", "Proofs that what happened is kept as it happened."),
    ],
    answer_headers: &[("X-Request-Id", "What the request is called in logs and errors.")],
};

/// Where this API is nested.
const PREFIX: &str = "/api/v1";

/// The path under the prefix as it came: whoever nests this takes slashes away.
fn raw_path(parts: &Parts) -> &str {
    let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |original| original.path());
    path.strip_prefix(PREFIX).unwrap_or(path)
}

async fn serve(app: Arc<App>, request: Request) -> Response {
    let (id, trace) = begun(&request, &app.options);
    // The operation's name and not the path: names of buckets and objects stay out of the log.
    let span = tracing::info_span!("native", request_id = %id, tenant = field::Empty, operation = field::Empty);
    let method = request.method().clone();
    let shown = format!("req_{id}");
    let (parts, body) = request.into_parts();
    let page = cors::Page::of(&app, &parts);
    let sender = OnceLock::new();
    let done = match &page {
        Some(page) if cors::Page::is_preflight(&parts) => page.preflight(&app),
        _ => run(&app, id, trace, parts, body, &sender).instrument(span.clone()).await,
    };
    let mut response = done.unwrap_or_else(|problem| problem.render_for(&method, &shown));
    let _entered = span.entered();
    if let Some(page) = page.filter(|_| method != Method::OPTIONS) {
        // What was done is done: only the page does not get to know.
        if let Err(problem) = page.decorate(&app, sender.get().copied(), response.headers_mut()) {
            tracing::warn!(code = problem.code, "the CORS rules of a bucket could not be read");
        }
    }
    tracing::debug!(status = response.status().as_u16(), "answered");
    if let Ok(value) = HeaderValue::from_str(&shown) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// `sender` gets to hold the tenant of whoever sent it, once that is known.
async fn run(
    app: &Arc<App>,
    id: RequestId,
    trace: Trace,
    parts: Parts,
    body: Body,
    sender: &OnceLock<TenantId>,
) -> Answer {
    let found = app.routes.find(&parts.method, raw_path(&parts))?;
    trace.action(found.operation.id);
    tracing::Span::current().record("operation", found.operation.id);
    let query = Query::parse(parts.uri.query())?;
    trace.resource(found.values.find("bucket"), found.values.find("key"), query.first("versionId"));
    let visit = Visit::of(&parts, &app.options, id, trace);
    let framed = ask::is_framed(&parts);
    let heard = found.operation.parameters.iter().map(|parameter| parameter.name).collect();
    let words = Arc::new(Words { headers: parts.headers, query, heard });
    let caller = match found.operation.access {
        Access::Bearer => Some(gate::bearer(&app.store, &visit, &words)?),
        Access::Open => None,
    };
    if let Some(caller) = &caller {
        tracing::Span::current().record("tenant", field::display(caller.tenant));
        sender.get_or_init(|| caller.tenant);
    }
    let with_receipt = receipt::is_asked(&words)?;
    let past = past::asked(found.operation, &words)?;
    let caller = caller.map(|mut caller| {
        caller.circumstances.past.clone_from(&past);
        caller
    });
    let writer = caller.clone().filter(|_| with_receipt);
    let ask = Ask::new(caller, visit, found.values.clone(), words, body, framed);
    let mut answered = answered(app, &found, &parts.uri, ask).await?;
    past::say(answered.headers_mut(), past.as_ref());
    match writer {
        Some(writer) => Ok(receipt::add(&app.store, &writer, answered).await),
        None => Ok(answered),
    }
}

async fn answered(app: &Arc<App>, found: &Found<'_, Handler>, uri: &Uri, ask: Ask) -> Answer {
    if idempotency::applies(found.operation)
        && let Some(key) = idempotency::key(&ask)?
    {
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        return idempotency::once(app, found.operation, found.handler, ask, key, target).await;
    }
    (found.handler)(Arc::clone(app), ask).await
}
