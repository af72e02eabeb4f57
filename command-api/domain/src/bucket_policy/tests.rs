//! Policies as tables: what is refused, what each part of a statement reaches, what is public.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::scope::Scopes;
use schemas::{BucketName, EventId, ObjectKey, TenantId, TenantName, Time, UserId, VersionId};

use super::*;

/// Headers begin with nothing, parameters of the query with `?`.
#[derive(Debug, Default)]
struct Spoken(Vec<(&'static str, &'static str)>);

impl Said for Spoken {
    fn header(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    }

    fn query(&self, name: &str) -> Option<String> {
        self.header(&format!("?{name}"))
    }
}

/// A question, by default Ann's for `data/in/x`, with nothing said.
struct Question {
    tenant: TenantName,
    bucket: BucketName,
    key: ObjectKey,
    user: Option<UserId>,
    service: Option<&'static str>,
    on_bucket: bool,
    prefix: Option<&'static str>,
    action: Action,
    spoken: Spoken,
    source: Option<&'static str>,
    secure: bool,
    tags: Option<BTreeMap<String, String>>,
    existing: Option<BTreeMap<String, String>>,
    lock: Lock,
    copied: Option<(BucketName, ObjectKey)>,
    version: Option<VersionId>,
}

fn question(action: Action) -> Question {
    Question {
        tenant: TenantName::parse("acme").unwrap(),
        bucket: BucketName::parse("data").unwrap(),
        key: ObjectKey::parse("in/x").unwrap(),
        user: Some(UserId::parse("ann").unwrap()),
        service: None,
        on_bucket: action.as_str().contains("Bucket"),
        prefix: None,
        action,
        spoken: Spoken::default(),
        source: None,
        secure: false,
        tags: None,
        existing: None,
        lock: Lock::default(),
        copied: None,
        version: None,
    }
}

/// Noon on the last of January 2026.
const NOW: Time = Time(1_769_860_800_000_000);

impl Question {
    fn said(mut self, spoken: &[(&'static str, &'static str)]) -> Self {
        self.spoken.0.extend(spoken);
        self
    }

    fn anonymous(self) -> Self {
        Self { user: None, ..self }
    }

    fn tagged(self, tags: &[(&str, &str)]) -> Self {
        Self { tags: Some(map(tags)), ..self }
    }

    fn of(&self, policy: &Policy) -> Verdict {
        let scopes = Scopes::full();
        let requester = match (&self.user, self.service) {
            (_, Some(name)) => {
                Requester::Service { name, source: &self.bucket, source_owner: self.user.as_ref().unwrap() }
            }
            (Some(user), None) => Requester::User { user, scopes: &scopes },
            (None, None) => Requester::Anonymous,
        };
        let resource = match (self.on_bucket, self.prefix) {
            (_, Some(prefix)) => Resource::Prefix(&self.bucket, prefix),
            (true, None) => Resource::Bucket(&self.bucket),
            (false, None) => Resource::Object(&self.bucket, &self.key),
        };
        let asked = Asked {
            version: self.version,
            tags: self.tags.as_ref(),
            lock: self.lock,
            copy_source: self.copied.as_ref().map(|(bucket, key)| (bucket, key)),
            ..Asked::new(self.action, resource)
        };
        let signature = self.user.as_ref().map(|_| Signature {
            version: SignatureVersion::V4,
            place: SignaturePlace::Header,
            made: Some(Time(NOW.0 - 5_000_000)),
        });
        policy.evaluate(&Request {
            requester,
            tenant: Tenant { id: TenantId(77), name: &self.tenant },
            asked,
            existing_tags: self.existing.as_ref(),
            circumstances: Circumstances {
                now: NOW,
                source: self.source.map(|source| source.parse().unwrap()),
                secure: self.secure,
                tls_version: self.secure.then_some("1.3"),
                signature,
                said: &self.spoken,
            },
        })
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn parse(text: &str) -> Result<Policy, Malformed> {
    Policy::parse(text, &BucketName::parse("data").unwrap())
}

/// A policy of one statement, `fields` in place of or beside the usual ones.
fn statement(fields: &str) -> String {
    let given = |name: &str| fields.contains(&format!("\"{name}\":")) || fields.contains(&format!("\"Not{name}\":"));
    let usual = [
        ("Effect", r#""Allow""#),
        ("Principal", r#""*""#),
        ("Action", r#""s3:*""#),
        ("Resource", r#"["arn:aws:s3:::data","arn:aws:s3:::data/*"]"#),
    ];
    let mut all = vec![fields.to_owned()];
    all.retain(|fields| !fields.is_empty());
    all.extend(usual.iter().filter(|(name, _)| !given(name)).map(|(name, value)| format!("\"{name}\":{value}")));
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{}}}]}}"#, all.join(","))
}

fn check(fields: &str, question: Question, expected: Verdict) {
    let policy = parse(&statement(fields)).unwrap_or_else(|error| panic!("{fields}: {error}"));
    assert_eq!(question.of(&policy), expected, "{fields}");
}

/// Whether a condition lets a question through.
fn holds(condition: &str, question: Question, expected: bool) {
    let expected = if expected { Verdict::Allow } else { Verdict::Silent };
    check(&format!(r#""Condition":{{{condition}}}"#), question, expected);
}

#[test]
fn what_is_no_policy_is_refused_with_a_reason() {
    let whole = |text: &str, reason: &str| {
        let error = parse(text).expect_err(text);
        assert!(error.reason.contains(reason), "{text}: {error}");
    };
    whole("", "valid JSON");
    whole("[]", "JSON object");
    whole(r#"{"Statement":[]}"#, "Statement is empty");
    whole("{}", "Missing required field Statement");
    whole(r#"{"Version":"2013-01-01","Statement":{}}"#, "version");
    whole(r#"{"Statement":{},"Extra":1}"#, "Extra");
    whole(&format!(r#"{{"Id":"{}"}}"#, "x".repeat(TEXT_BYTES_MAX)), "20480 bytes");
    whole(&statement("").replace(r#""Effect":"Allow","#, ""), "Missing required field Effect");
    for (fields, reason) in [
        (r#""Effect":"allow""#, "effect"),
        (r#""Sid":1"#, "Sid"),
        (r#""Principals":"*""#, "Principals"),
        (r#""Effect":"Deny","Effect":"Allow""#, "twice"),
        (r#""Principal":"*","NotPrincipal":"*""#, "exclude each other"),
        (r#""Action":"s3:*","NotAction":"s3:*""#, "exclude each other"),
        (r#""NotPrincipal":{"AWS":"ann"}"#, "Allow with NotPrincipal"),
        (r#""Principal":"ann""#, "Invalid principal"),
        (r#""Principal":{}"#, "Invalid principal"),
        (r#""Principal":{"AWS":[]}"#, "Invalid principal"),
        (r#""Principal":{"AWS":"arn:aws:iam::acme:user/*"}"#, "Invalid principal"),
        (r#""Principal":{"AWS":"arn:aws:iam::acme:role/admin"}"#, "Invalid principal"),
        (r#""Principal":{"Federated":"cognito-identity.amazonaws.com"}"#, "Invalid principal"),
        (r#""Principal":{"Service":"*"}"#, "Invalid principal"),
        (r#""Action":[]"#, "Action is empty"),
        (r#""Action":"s3:GetObjects""#, "invalid action"),
        (r#""Action":["s3:GetObject","ec2:*"]"#, "invalid action"),
        (r#""Action":"GetObject""#, "invalid action"),
        (r#""Resource":"arn:aws:s3:::other""#, "invalid resource"),
        (r#""Resource":"arn:aws:s3:::other/*""#, "invalid resource"),
        (r#""Resource":"data""#, "invalid resource"),
        (r#""Resource":"arn:aws:s3:us-east-1::data""#, "invalid resource"),
        (r#""NotResource":"arn:aws:s3:::other/*""#, "invalid resource"),
        (r#""Resource":"arn:aws:s3:::data/${aws:nobody}""#, "condition key"),
        (r#""Condition":[]"#, "JSON object"),
        (r#""Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#, "condition key"),
        (r#""Condition":{"StringSounds":{"aws:Referer":"a"}}"#, "Condition type"),
        (r#""Condition":{"StringEquals":{"aws:Referer":[]}}"#, "no values"),
        (r#""Condition":{"StringEquals":{"aws:Referer":{}}}"#, "Invalid value"),
        (r#""Condition":{"StringEquals":{"aws:Referer":"a"},"StringEquals":{"aws:Referer":"b"}}"#, "twice"),
    ] {
        let error = parse(&statement(fields)).expect_err(fields);
        assert!(error.reason.contains(reason), "{fields}: {error}");
    }
}

#[test]
fn what_clients_write_is_read() {
    for fields in [
        "",
        r#""Sid":"Allow Public Access to All Objects""#,
        r#""Principal":{"AWS":["*","arn:aws:iam::123456789012:root"]}"#,
        r#""Principal":{"AWS":"arn:aws:iam:::user/ann"}"#,
        r#""Principal":{"CanonicalUser":"ann"}"#,
        r#""Principal":{"Service":"logging.s3.amazonaws.com"}"#,
        r#""Action":"*""#,
        r#""Action":["S3:getobject","s3:List*"]"#,
        r#""Resource":"*""#,
        r#""Resource":["arn:aws:s3:::*","arn:aws:s3:::*/*"]"#,
        r#""Resource":"arn:aws:s3:::da?a/home/${aws:username}/*""#,
        r#""Condition":{"Bool":{"aws:SecureTransport":false},"NumericLessThan":{"s3:max-keys":10}}"#,
    ] {
        assert!(parse(&statement(fields)).is_ok(), "{fields}: {:?}", parse(&statement(fields)));
    }
    let one = r#"{"Id":"x","Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"ann"},"NotAction":"s3:GetObject","NotResource":"arn:aws:s3:::data/*"}}"#;
    assert!(parse(one).is_ok());
}

#[test]
fn a_statement_reaches_the_principals_it_names() {
    let ann = || question(Action::GetObject);
    let bob = || Question { user: Some(UserId::parse("bob").unwrap()), ..ann() };
    let logging = || Question { service: Some(LOGGING), ..question(Action::PutObject) };
    for (principal, by_ann, by_bob, by_nobody, by_logging) in [
        (r#""*""#, true, true, true, false),
        (r#"{"AWS":"*"}"#, true, true, true, false),
        (r#"{"AWS":"arn:aws:iam::acme:user/ann"}"#, true, false, false, false),
        (r#"{"AWS":"arn:aws:iam::77:user/ann"}"#, true, false, false, false),
        (r#"{"AWS":"arn:aws:iam:::user/ann"}"#, true, false, false, false),
        (r#"{"AWS":"arn:aws:iam::other:user/ann"}"#, false, false, false, false),
        (r#"{"AWS":"arn:aws:iam::acme:root"}"#, true, true, false, false),
        (r#"{"AWS":"77"}"#, true, true, false, false),
        (r#"{"AWS":"arn:aws:iam::other:root"}"#, false, false, false, false),
        (r#"{"AWS":["ann","bob"]}"#, true, true, false, false),
        (r#"{"CanonicalUser":"bob"}"#, false, true, false, false),
        (r#"{"Service":"logging.s3.amazonaws.com"}"#, false, false, false, true),
        (r#"{"Service":"backup.amazonaws.com"}"#, false, false, false, false),
    ] {
        let fields = format!(r#""Principal":{principal}"#);
        let verdict = |reached| if reached { Verdict::Allow } else { Verdict::Silent };
        check(&fields, ann(), verdict(by_ann));
        check(&fields, bob(), verdict(by_bob));
        check(&fields, ann().anonymous(), verdict(by_nobody));
        check(&fields, logging(), verdict(by_logging));
    }
    let but_ann = r#""Effect":"Deny","NotPrincipal":{"AWS":"ann"}"#;
    check(but_ann, ann(), Verdict::Silent);
    check(but_ann, bob(), Verdict::ExplicitDeny);
    check(but_ann, ann().anonymous(), Verdict::ExplicitDeny);
}

#[test]
fn a_statement_reaches_the_actions_it_names() {
    for (action, reached, not_reached) in [
        (r#""Action":"s3:GetObject""#, Action::GetObject, Action::GetObjectVersion),
        (r#""Action":"s3:GETOBJECT*""#, Action::GetObjectVersion, Action::PutObject),
        (r#""Action":"s3:?etObject""#, Action::GetObject, Action::GetObjectAcl),
        (r#""Action":["s3:PutObject","s3:DeleteObject"]"#, Action::DeleteObject, Action::GetObject),
        (r#""NotAction":"s3:Get*""#, Action::PutObject, Action::GetObject),
        (r#""Action":"s3:*""#, Action::PutObject, Action::ReadHistory),
    ] {
        check(action, question(reached), Verdict::Allow);
        check(action, question(not_reached), Verdict::Silent);
    }
}

#[test]
fn a_statement_reaches_the_resources_it_names() {
    for (resource, of_bucket, of_object) in [
        (r#""Resource":"arn:aws:s3:::data""#, true, false),
        (r#""Resource":"arn:aws:s3:::data/*""#, false, true),
        (r#""Resource":"arn:aws:s3:::data*""#, true, true),
        (r#""Resource":"arn:aws:s3:::data/in/?""#, false, true),
        (r#""Resource":"arn:aws:s3:::data/out/*""#, false, false),
        (r#""Resource":"arn:aws:s3:::data/${aws:username}/*""#, false, false),
        (r#""Resource":"*""#, true, true),
        (r#""NotResource":"arn:aws:s3:::data/in/*""#, true, false),
    ] {
        let verdict = |reached| if reached { Verdict::Allow } else { Verdict::Silent };
        check(resource, question(Action::GetBucketLocation), verdict(of_bucket));
        check(resource, question(Action::GetObject), verdict(of_object));
    }
    let own = r#""Resource":"arn:aws:s3:::data/${aws:username}/*""#;
    let at_home = || Question { key: ObjectKey::parse("ann/x").unwrap(), ..question(Action::GetObject) };
    check(own, at_home(), Verdict::Allow);
    check(own, at_home().anonymous(), Verdict::Silent);
    // Before 2012 there were no variables.
    let old = statement(own).replace("2012-10-17", "2008-10-17");
    assert_eq!(at_home().of(&parse(&old).unwrap()), Verdict::Silent);
}

#[test]
fn a_deny_wins_over_an_allow_in_any_order() {
    let allow = r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::data/*"}"#;
    let deny = r#"{"Effect":"Deny","Principal":{"AWS":"ann"},"Action":"s3:Get*","Resource":"arn:aws:s3:::data/in/*"}"#;
    for statements in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        let policy = parse(&format!(r#"{{"Statement":[{statements}]}}"#)).unwrap();
        assert_eq!(question(Action::GetObject).of(&policy), Verdict::ExplicitDeny);
        assert_eq!(question(Action::PutObject).of(&policy), Verdict::Allow);
        assert_eq!(question(Action::GetObject).anonymous().of(&policy), Verdict::Allow);
        assert_eq!(question(Action::ListBucket).of(&policy), Verdict::Silent);
    }
}

#[test]
fn texts_are_compared() {
    let from = |referer| question(Action::GetObject).said(&[("referer", referer)]);
    for (operator, value, referer, expected) in [
        ("StringEquals", "a*", "a*", true),
        ("StringEquals", "a*", "ab", false),
        ("StringEquals", "a", "A", false),
        ("StringNotEquals", "a", "b", true),
        ("StringNotEquals", "a", "a", false),
        ("StringEqualsIgnoreCase", "a", "A", true),
        ("StringNotEqualsIgnoreCase", "a", "A", false),
        ("StringLike", "http://*.example.com/*", "http://www.example.com/x", true),
        ("StringLike", "http://*.example.com/*", "http://example.com/x", false),
        ("StringNotLike", "a*", "b", true),
        ("StringNotLike", "a*", "ab", false),
        ("StringEquals", "${aws:username}", "ann", true),
    ] {
        holds(&format!(r#""{operator}":{{"aws:Referer":"{value}"}}"#), from(referer), expected);
    }
    // Of several values any; none for a negation.
    holds(r#""StringEquals":{"aws:Referer":["a","b"]}"#, from("b"), true);
    holds(r#""StringNotEquals":{"aws:Referer":["a","b"]}"#, from("b"), false);
    holds(r#""StringNotEquals":{"aws:Referer":["a","b"]}"#, from("c"), true);
    // All keys and all operators.
    holds(r#""StringEquals":{"aws:Referer":"a","aws:UserAgent":"b"}"#, from("a"), false);
    holds(r#""StringEquals":{"aws:Referer":"a","aws:UserAgent":"b"}"#, from("a").said(&[("user-agent", "b")]), true);
    holds(r#""StringEquals":{"aws:Referer":"a"},"StringLike":{"aws:Referer":"b"}"#, from("a"), false);
}

#[test]
fn what_a_request_does_not_have_is_unequal_to_everything() {
    for (operator, without) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        holds(&format!(r#""{operator}":{{"aws:Referer":"a"}}"#), question(Action::GetObject), without);
    }
    holds(r#""Null":{"aws:Referer":"true"}"#, question(Action::GetObject), true);
    holds(r#""Null":{"aws:Referer":false}"#, question(Action::GetObject), false);
    holds(r#""Null":{"aws:Referer":"true"}"#, question(Action::GetObject).said(&[("referer", "a")]), false);
    holds(r#""StringLikeIfExists":{"aws:Referer":"a*"}"#, question(Action::GetObject).said(&[("referer", "b")]), false);
}

#[test]
fn several_values_in_a_request_are_compared_one_by_one() {
    let tagged = |tags| question(Action::PutObject).tagged(tags);
    for (operator, both, one_of_two, neither) in [
        ("ForAllValues:StringEquals", true, false, false),
        ("ForAnyValue:StringEquals", true, true, false),
        ("ForAllValues:StringNotEquals", false, false, true),
        ("ForAnyValue:StringNotEquals", false, true, true),
    ] {
        let condition = format!(r#""{operator}":{{"s3:RequestObjectTagKeys":["a","b"]}}"#);
        holds(&condition, tagged(&[("a", ""), ("b", "")]), both);
        holds(&condition, tagged(&[("a", ""), ("c", "")]), one_of_two);
        holds(&condition, tagged(&[("c", ""), ("d", "")]), neither);
    }
}

#[test]
fn numbers_dates_truths_addresses_and_arns_are_compared() {
    let list = |max_keys| question(Action::ListBucket).said(&[("?max-keys", max_keys)]);
    for (operator, value, max_keys, expected) in [
        ("NumericEquals", "10", "10.0", true),
        ("NumericNotEquals", "10", "11", true),
        ("NumericLessThan", "10", "9", true),
        ("NumericLessThan", "10", "10", false),
        ("NumericLessThanEquals", "10", "10", true),
        ("NumericGreaterThan", "10", "10", false),
        ("NumericGreaterThanEquals", "10", "10", true),
        ("NumericLessThanEquals", "10", "many", false),
    ] {
        holds(&format!(r#""{operator}":{{"s3:max-keys":"{value}"}}"#), list(max_keys), expected);
    }
    for (operator, value, expected) in [
        ("DateEquals", "2026-01-31T12:00:00Z", true),
        ("DateNotEquals", "2026-01-31T12:00:00Z", false),
        ("DateLessThan", "2026-02-01", true),
        ("DateLessThanEquals", "2026-01-31T12:00:00Z", true),
        ("DateGreaterThan", "2026-01-31T13:00:00+01:00", false),
        ("DateGreaterThanEquals", "1769860800", true),
    ] {
        for key in ["aws:CurrentTime", "aws:EpochTime"] {
            holds(&format!(r#""{operator}":{{"{key}":"{value}"}}"#), question(Action::GetObject), expected);
        }
    }
    holds(r#""StringEquals":{"aws:CurrentTime":"2026-01-31T12:00:00Z"}"#, question(Action::GetObject), true);
    holds(r#""Bool":{"aws:SecureTransport":"false"}"#, question(Action::GetObject), true);
    let secure = || Question { secure: true, ..question(Action::GetObject) };
    holds(r#""Bool":{"aws:SecureTransport":"false"}"#, secure(), false);
    holds(r#""NumericLessThan":{"s3:TlsVersion":1.2}"#, secure(), false);
    let from = |source| Question { source: Some(source), ..question(Action::GetObject) };
    holds(r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}"#, from("10.1.1.1"), true);
    holds(r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}"#, from("2001:db8::1"), true);
    holds(r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, from("::ffff:10.1.1.1"), true);
    holds(r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, from("10.1.1.1"), false);
    holds(r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, from("11.1.1.1"), true);
    for (operator, value, expected) in [
        ("ArnEquals", "arn:aws:iam::acme:user/ann", true),
        ("ArnLike", "arn:aws:iam::77:user/*", true),
        ("ArnLike", "arn:*:user/ann", false),
        ("ArnNotLike", "arn:aws:iam::acme:user/*", false),
        ("ArnNotEquals", "arn:aws:iam::acme:user/bob", true),
    ] {
        let parsed = parse(&statement(&format!(r#""Condition":{{"{operator}":{{"aws:PrincipalArn":"{value}"}}}}"#)));
        assert_eq!(
            parsed.is_ok_and(|policy| question(Action::GetObject).of(&policy) == Verdict::Allow),
            expected,
            "{value}"
        );
    }
}

#[test]
fn every_key_is_what_the_request_says() {
    let ask = || question(Action::GetObject);
    let equals = |key: &str, value: &str, question: Question| {
        holds(&format!(r#""StringEquals":{{"{key}":"{value}"}}"#), question, true);
    };
    equals("aws:username", "ann", ask());
    equals("aws:userid", "ann", ask());
    equals("aws:PrincipalAccount", "acme", ask());
    equals("aws:PrincipalAccount", "77", ask());
    equals("aws:PrincipalType", "User", ask());
    equals("aws:PrincipalType", "Anonymous", ask().anonymous());
    equals("s3:ResourceAccount", "acme", ask());
    equals("aws:PrincipalIsAWSService", "false", ask());
    equals("s3:authType", "REST-HEADER", ask());
    equals("s3:signatureversion", "AWS4-HMAC-SHA256", ask());
    equals("s3:signatureAge", "5000", ask());
    equals("s3:delimiter", "/", ask().said(&[("?delimiter", "/")]));
    equals("s3:prefix", "a/", ask().said(&[("?prefix", "a/")]));
    equals("s3:prefix", "b/", Question { prefix: Some("b/"), ..question(Action::ListBucket) });
    let event = EventId { epoch: schemas::Epoch(1), position: schemas::Position(2) };
    let version = VersionId::Event(event);
    let versioned = Question { version: Some(version), ..question(Action::GetObjectVersion) };
    equals("s3:VersionId", &version.to_string(), versioned);
    for header in [
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-storage-class",
        "if-match",
        "if-none-match",
    ] {
        equals(&format!("s3:{header}"), "v", ask().said(&[(header, "v")]));
    }
    let copied = || Some((BucketName::parse("source").unwrap(), ObjectKey::parse("public/x").unwrap()));
    equals("s3:x-amz-copy-source", "source/public/x", Question { copied: copied(), ..question(Action::PutObject) });
    let copied = Question { copied: copied(), ..question(Action::PutObject) };
    holds(r#""StringLike":{"s3:x-amz-copy-source":"/source/public/*"}"#, copied, true);
    let lock =
        Lock { mode: Some("GOVERNANCE"), retain_until: Some(Time(NOW.0 + 86_400_000_001)), legal_hold: Some(true) };
    let locked = || Question { lock, ..question(Action::PutObject) };
    equals("s3:object-lock-mode", "GOVERNANCE", locked());
    equals("s3:object-lock-retain-until-date", "2026-02-01T12:00:00Z", locked());
    equals("s3:object-lock-remaining-retention-days", "1", locked());
    equals("s3:object-lock-legal-hold", "ON", locked());
    equals("s3:RequestObjectTag/team", "red", question(Action::PutObject).tagged(&[("team", "red")]));
    let existing = Question { existing: Some(map(&[("team", "red")])), ..ask() };
    equals("s3:ExistingObjectTag/team", "red", existing);
    let logging = || Question { service: Some(LOGGING), ..question(Action::PutObject) };
    let by_logging = |condition: &str, expected| {
        let fields = format!(r#""Principal":{{"Service":"{LOGGING}"}},"Condition":{{{condition}}}"#);
        check(&fields, logging(), expected);
    };
    by_logging(r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::data"}"#, Verdict::Allow);
    by_logging(r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::other"}"#, Verdict::Silent);
    by_logging(r#""StringEquals":{"aws:SourceAccount":"ann"}"#, Verdict::Allow);
    by_logging(r#""StringEquals":{"aws:SourceAccount":"acme"}"#, Verdict::Allow);
    by_logging(r#""StringEquals":{"aws:SourceAccount":"bob"}"#, Verdict::Silent);
    by_logging(r#""StringEquals":{"aws:PrincipalServiceName":"logging.s3.amazonaws.com"}"#, Verdict::Allow);
}

#[test]
fn tags_are_read_only_for_actions_whose_statements_ask_for_them() {
    let tagged = r#""Action":"s3:GetObject","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}"#;
    let policy = parse(&statement(tagged)).unwrap();
    assert!(policy.reads_tags(Action::GetObject) && !policy.reads_tags(Action::PutObject));
    assert!(!parse(&statement("")).unwrap().reads_tags(Action::GetObject));
}

#[test]
fn a_policy_is_public_unless_fixed_values_say_for_whom_it_is() {
    for (fields, public) in [
        ("", true),
        (r#""Effect":"Deny""#, false),
        (r#""Principal":{"AWS":"*"}"#, true),
        (r#""Principal":{"AWS":["ann","*"]}"#, true),
        (r#""Principal":{"AWS":"arn:aws:iam::other:root"}"#, false),
        (r#""Principal":{"Service":"logging.s3.amazonaws.com"}"#, false),
        (r#""Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}"#, false),
        (r#""Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
        (r#""Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}}"#, true),
        (r#""Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, true),
        (r#""Condition":{"StringEquals":{"aws:userid":"ann"}}"#, false),
        (r#""Condition":{"StringLike":{"aws:userid":"ann"}}"#, false),
        (r#""Condition":{"StringLike":{"aws:userid":"a*"}}"#, true),
        (r#""Condition":{"StringEquals":{"aws:userid":"${aws:userid}"}}"#, true),
        (r#""Condition":{"StringEqualsIfExists":{"aws:userid":"ann"}}"#, true),
        (r#""Condition":{"ForAllValues:StringEquals":{"aws:userid":"ann"}}"#, true),
        (r#""Condition":{"StringEquals":{"aws:userid":"anonymous"}}"#, true),
        (r#""Condition":{"StringEqualsIgnoreCase":{"aws:userid":["ann","Anonymous"]}}"#, true),
        (r#""Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/1","172.16.0.0/1"]}}"#, true),
        (r#""Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::data"}}"#, false),
        (r#""Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}}"#, true),
        (r#""Condition":{"StringEquals":{"aws:Referer":"a"}}"#, true),
        (r#""Condition":{"Bool":{"aws:SecureTransport":"true"}}"#, true),
    ] {
        assert_eq!(parse(&statement(fields)).unwrap().is_public(), public, "{fields}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_policy_panic(text in ".{0,200}", fields in "[\"{}:,a-zA-Z*$\\[\\]]{0,60}") {
        let _ = parse(&text);
        let _ = parse(&statement(&fields));
    }
}
