//! Who may publish, and over what.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair as Nkey;
use notifier::nats::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use super::*;

const LOGIN: &str = "authorization { user: \"holdfast\", password: \"p@ss/word\" }";

fn at(server: &Server, scheme: &str, login: &str) -> Options {
    Options { urls: vec![format!("{scheme}://{login}127.0.0.1:{}", server.port)], ..Options::default() }
}

/// Starts with these options on a log with three events, and expects them all in the stream.
async fn publishes(options: Options) {
    let log = Log::new();
    log.puts(ACME, 3);
    let nats = start(options, &log);
    caught_up(&nats, &log, ACME).await;
    nats.stop().await;
}

/// Starts with these options, and expects a reason why not. Returns it.
async fn is_refused(options: Options, about: &str) -> String {
    let log = Log::new();
    log.puts(ACME, 3);
    let nats = start(options, &log);
    complains(&nats, ACME, about).await;
    lag(&nats, ACME).and_then(|lag| lag.last_error).expect("it says why")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_password_stand_in_the_address() {
    let server = Server::start(LOGIN).await;
    publishes(at(&server, "nats", "holdfast:p%40ss%2Fword@")).await;
    let said = is_refused(at(&server, "nats", "holdfast:wrong-secret@"), "authorization violation").await;
    assert!(!said.contains("secret"), "{said}");
    is_refused(at(&server, "nats", ""), "authorization violation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stands_in_the_address() {
    let server = Server::start("authorization { token: \"t0ken\" }").await;
    publishes(at(&server, "nats", "t0ken@")).await;
    is_refused(at(&server, "nats", "another@"), "authorization violation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credentials_file_that_is_missing_is_said() {
    let server = Server::start("").await;
    let options = Options { credentials_file: Some("nowhere/holdfast.creds".into()), ..options(&server) };
    is_refused(options, "nowhere/holdfast.creds").await;
}

/// A token in the form of NATS: what `issuer` says about `subject`.
fn says(issuer: &Nkey, subject: &Nkey, name: &str, about: Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let (iss, sub) = (issuer.public_key(), subject.public_key());
    let claims = part(json!({"jti": name, "iat": 1_700_000_000, "iss": iss, "sub": sub, "name": name, "nats": about}));
    let signature = issuer.sign(format!("{header}.{claims}").as_bytes()).expect("it is signed");
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn credentials(user: &Nkey, token: &str) -> String {
    let seed = user.seed().expect("a seed");
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credentials_file_is_read_again_when_it_was_replaced() {
    let (operator, account, system) = (Nkey::new_operator(), Nkey::new_account(), Nkey::new_account());
    let limits = |disk: i64| {
        json!({"type": "account", "version": 2, "default_permissions": {"pub": {}, "sub": {}}, "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": disk, "disk_storage": disk, "streams": disk, "consumer": disk}})
    };
    let server = Server::start(&format!(
        "operator: {}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload {{ {system}: {}, {account}: {} }}",
        says(&operator, &operator, "operator", json!({"type": "operator", "version": 2})),
        says(&operator, &system, "system", limits(0)),
        says(&operator, &account, "account", limits(-1)),
        system = system.public_key(),
        account = account.public_key(),
    ))
    .await;
    let file = server.folder.path().join("holdfast.creds");
    let about = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
    let user = Nkey::new_user();
    let stranger = says(&Nkey::new_account(), &user, "user", about.clone());
    std::fs::write(&file, credentials(&user, &stranger)).expect("written");

    let log = Log::new();
    log.puts(ACME, 3);
    let nats = start(Options { credentials_file: Some(file.clone()), ..options(&server) }, &log);
    complains(&nats, ACME, "authorization violation").await;
    std::fs::write(&file, credentials(&user, &says(&account, &user, "user", about))).expect("written");
    caught_up(&nats, &log, ACME).await;
}

/// Whom a server or a client belongs to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes a certificate of ours for this machine, and its key.
    fn issue(&self, server: &Server, name: &str) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        let file = |kind: &str| server.folder.path().join(format!("{name}.{kind}"));
        std::fs::write(file("pem"), certificate).expect("written");
        std::fs::write(file("key"), key.serialize_pem()).expect("written");
        (file("pem"), file("key"))
    }

    fn file(&self, server: &Server, name: &str) -> PathBuf {
        let file = server.folder.path().join(name);
        std::fs::write(&file, &self.certificate).expect("written");
        file
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_is_trusted_by_its_authority_alone() {
    let authority = Authority::new("ours");
    let mut server = Server::stopped("tls { cert_file: \"DIR/server.pem\", key_file: \"DIR/server.key\" }");
    authority.issue(&server, "server");
    server.restart().await;
    let (right, wrong) = (authority.file(&server, "ca.pem"), Authority::new("theirs").file(&server, "wrong.pem"));
    let with = |ca_file: Option<PathBuf>, scheme: &str, required| {
        let tls = Tls { ca_file, required, ..Tls::default() };
        Options { tls, ..at(&server, scheme, "") }
    };
    publishes(with(Some(right.clone()), "nats", true)).await;
    publishes(with(Some(right.clone()), "tls", false)).await;
    publishes(with(Some(right), "nats", false)).await;
    is_refused(with(Some(wrong), "nats", true), "UnknownIssuer").await;
    is_refused(with(None, "tls", true), "UnknownIssuer").await;
    is_refused(with(Some("nowhere/ca.pem".into()), "tls", true), "nowhere/ca.pem: No such file").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_for_our_certificate() {
    let authority = Authority::new("ours");
    let mut server = Server::stopped(
        "tls { cert_file: \"DIR/server.pem\", key_file: \"DIR/server.key\", ca_file: \"DIR/ca.pem\", verify: true }",
    );
    authority.issue(&server, "server");
    let ca_file = Some(authority.file(&server, "ca.pem"));
    let (cert, key) = authority.issue(&server, "client");
    server.restart().await;
    let tls = Tls { ca_file, cert_file: Some(cert), key_file: Some(key), required: true };
    publishes(Options { tls: tls.clone(), ..at(&server, "tls", "") }).await;
    is_refused(
        Options { tls: Tls { cert_file: None, key_file: None, ..tls }, ..at(&server, "tls", "") },
        "CertificateRequired",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let server = Server::start("").await;
    let tls = Tls { required: true, ..Tls::default() };
    is_refused(Options { tls, ..options(&server) }, "InvalidContentType").await;
    assert!(ids(&server.client().await, STREAM).await.is_empty());
}
