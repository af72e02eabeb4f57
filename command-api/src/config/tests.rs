use std::io::Write;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads a file of this text; its path is shown as `FILE`.
fn from_file(text: &str) -> Result<Loaded, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("writes");
    let inputs = Inputs { file: Some(file.path().to_owned()), ..Inputs::default() };
    load(&inputs).map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

fn refused(text: &str, sentence: &str) {
    assert_eq!(from_file(text).expect_err(text), sentence);
}

fn refused_variable(name: &str, value: &str, sentence: &str) {
    let inputs = Inputs { environment: environment(&[(name, value)]), ..Inputs::default() };
    assert_eq!(load(&inputs).expect_err(name).to_string(), sentence);
}

#[test]
fn without_anything_the_defaults_are_in_force() {
    let loaded = load(&Inputs::default()).expect("loads");
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.source("server.region"), "default");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let text = "[server]\nregion = 'file'\nlisten_addr = '127.0.0.1:1'\nweb_addr = '127.0.0.1:2'\n";
    file.write_all(text.as_bytes()).expect("writes");
    let inputs = Inputs {
        file: Some(file.path().to_owned()),
        environment: environment(&[
            ("HOLDFAST__SERVER__LISTEN_ADDR", "127.0.0.1:3"),
            ("HOLDFAST__SERVER__WEB_ADDR", "127.0.0.1:4"),
            ("HOLDFAST_ROOT_SECRET_KEY", "not configuration"),
        ]),
        admin_listen: Some("127.0.0.1:5".parse().expect("an address")),
        ..Inputs::default()
    };
    let loaded = load(&inputs).expect("loads");
    let Server { region, listen_addr, web_addr, .. } = &loaded.settings.server;
    assert_eq!((region.as_str(), listen_addr.port(), web_addr.port()), ("file", 3, 5));
    assert_eq!(loaded.source("server.region"), file.path().display().to_string());
    assert_eq!(loaded.source("server.listen_addr"), "HOLDFAST__SERVER__LISTEN_ADDR");
    assert_eq!(loaded.source("server.web_addr"), "--admin-listen");
    assert_eq!(loaded.source("storage.data"), "default");
}

#[test]
fn the_environment_has_text_of_every_kind() {
    let inputs = Inputs {
        environment: environment(&[
            ("HOLDFAST__SERVER__HOSTS", "a.example, b.example"),
            ("HOLDFAST__SERVER__REGION", "1"),
            ("HOLDFAST__STORAGE__COMPRESSION", "false"),
            ("HOLDFAST__STORAGE__CACHE_MIB", "64"),
            ("HOLDFAST__HISTORY__WINDOW", "0"),
            ("HOLDFAST__SECURITY__NATIVE_API_TOKEN_TTL", "30m"),
            ("HOLDFAST__S3__DEFAULT_OBJECT_OWNERSHIP", "ObjectWriter"),
            ("HOLDFAST__SECURITY__ROOT_KEY_ENV", "MY_KEY"),
            ("HOLDFAST__SERVER__TENANT_HOSTS", "s3.acme.example=acme, s3.other.example = other"),
        ]),
        ..Inputs::default()
    };
    let settings = load(&inputs).expect("loads").settings;
    assert_eq!(settings.server.hosts, ["a.example", "b.example"]);
    assert_eq!(settings.server.region, "1");
    let hosts: Vec<_> = settings.server.tenant_hosts.iter().map(|(host, name)| format!("{host} {name}")).collect();
    assert_eq!(hosts, ["s3.acme.example acme", "s3.other.example other"]);
    assert_eq!((settings.storage.compression, settings.storage.cache_mib), (false, 64));
    assert_eq!(settings.history.window, Window::Seconds(0));
    assert_eq!(
        (settings.security.native_api_token_ttl.seconds, settings.security.max_presign_ttl.seconds),
        (1800, 900)
    );
    assert_eq!(settings.s3.default_object_ownership, ObjectOwnership::ObjectWriter);
    assert_eq!(settings.security.root_key_env.as_deref(), Some("MY_KEY"));
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion_and_its_source() {
    refused(
        "[server]\nlisten_adr = '127.0.0.1:1'\n",
        "unknown key `server.listen_adr` (from FILE); did you mean `server.listen_addr`?",
    );
    refused("[s3]\nregion = 'x'\n", "unknown key `s3.region` (from FILE); did you mean `server.region`?");
    refused("[sevrer]\nregion = 'x'\n", "unknown key `sevrer.region` (from FILE); did you mean `server.region`?");
    refused("zzz = 1\n", "unknown key `zzz` (from FILE); `--check-config` lists all keys");
    refused("[server.region]\nx = 1\n", "`server.region` is {\"x\":1} (from FILE): expected a string");
    refused("server = 1\n", "`server` (from FILE) is a section and has no value of its own");
    refused_variable(
        "HOLDFAST__STORAGE__CACHE_MB",
        "1",
        "unknown key `storage.cache_mb` (from HOLDFAST__STORAGE__CACHE_MB); did you mean `storage.cache_mib`?",
    );
    refused_variable("HOLDFAST__DATA", "x", "unknown key `data` (from HOLDFAST__DATA); did you mean `storage.data`?");
}

#[test]
fn a_wrong_value_is_named_with_key_and_source() {
    refused("[storage]\ncache_mib = 'much'\n", "`storage.cache_mib` is \"much\" (from FILE): expected u64");
    refused(
        "[history]\nwindow = 7\n",
        "`history.window` is 7 (from FILE): expected a duration such as \"7d\" or \"12h\", or \"0\", or \"forever\"",
    );
    refused("[log]\nformat = 'xml'\n", "`log.format` is \"xml\" (from FILE): expected one of auto, json, pretty");
    refused(
        "[history]\ncheckpoint_event_s = 0\n",
        "`history.checkpoint_event_s` is 0 (from FILE): expected 1 to 86400",
    );
    refused("[lifecycle]\nday_seconds = 0\n", "`lifecycle.day_seconds` is 0 (from FILE): expected 1 to 86400");
    for (value, sentence) in [
        ("'0'", "`security.max_presign_ttl` is \"0\" (from FILE): expected 1s to 7d"),
        ("'8d'", "`security.max_presign_ttl` is \"8d\" (from FILE): expected 1s to 7d"),
        (
            "'forever'",
            "`security.max_presign_ttl` is \"forever\" (from FILE): expected a duration such as \"1h\" or \"15m\"",
        ),
    ] {
        refused(&format!("[security]\nmax_presign_ttl = {value}\n"), sentence);
    }
    refused(
        "[security]\nnative_api_token_ttl = '0s'\n",
        "`security.native_api_token_ttl` is \"0s\" (from FILE): expected 1s to 7d",
    );
    refused("[storage]\nsegment_mib = 1\n", "`storage.segment_mib` is 1 (from FILE): expected 16 to 4096");
    refused(
        "[server]\nlisten_addr = 'localhost'\n",
        "`server.listen_addr` is \"localhost\" (from FILE): invalid socket address syntax",
    );
    refused(
        "[server.tenant_hosts]\n'a.example:80' = 'acme'\n",
        "`server.tenant_hosts` is {\"a.example:80\":\"acme\"} (from FILE): expected tenants by domain name, without a port, \
         such as s3.example.com=acme",
    );
    refused_variable(
        "HOLDFAST__SERVER__TENANT_HOSTS",
        "acme",
        "`server.tenant_hosts` is \"acme\" (from HOLDFAST__SERVER__TENANT_HOSTS): expected a map",
    );
    refused_variable(
        "HOLDFAST__STORAGE__COMPRESSION",
        "maybe",
        "`storage.compression` is \"maybe\" (from HOLDFAST__STORAGE__COMPRESSION): expected a boolean",
    );
    refused_variable(
        "HOLDFAST__SERVER__PUBLIC_URL",
        "s3.example.com",
        "`server.public_url` is \"s3.example.com\" (from HOLDFAST__SERVER__PUBLIC_URL): expected a URL such as \
         https://s3.example.com",
    );
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_one_sentence() {
    let missing = Inputs { file: Some("/nonexistent/holdfast.toml".into()), ..Inputs::default() };
    let error = load(&missing).expect_err("is missing").to_string();
    assert!(error.starts_with("configuration file /nonexistent/holdfast.toml cannot be read: "), "{error}");
    let error = from_file("[server\n").expect_err("is no TOML");
    assert!(error.starts_with("configuration file FILE: TOML parse error at line 1"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn the_table_shows_each_key_its_value_and_its_source() {
    let inputs = Inputs {
        environment: environment(&[
            ("HOLDFAST__HISTORY__WINDOW", "forever"),
            ("HOLDFAST__SERVER__HOSTS", "s3.example"),
        ]),
        data: Some("/srv/holdfast".into()),
        ..Inputs::default()
    };
    insta::assert_snapshot!(load(&inputs).expect("loads").table());
}
