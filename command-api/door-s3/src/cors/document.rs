//! GetBucketCors, PutBucketCors, DeleteBucketCors.

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::StatusCode;
use schemas::action::Action;
use schemas::event::{CorsMethod, CorsRule, Event, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::payload::Payload;
use crate::service::App;
use crate::xml::{self, Element, Xml};

/// Most bytes of a CORS configuration, as in S3.
const BYTES_MAX: u64 = 64 << 10;

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), Action::GetBucketCors, Setting::Cors).await?;
    match set.as_deref() {
        Some(Event::BucketCorsSet(set)) => Ok(answer::xml(rules_xml(set.rules.as_deref().unwrap_or_default()))),
        _ => Err(DoorError::NotConfigured {
            code: "NoSuchCORSConfiguration",
            message: "The CORS configuration does not exist",
        }
        .into()),
    }
}

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, BYTES_MAX).await?;
    let rules = asked(&body)?;
    configure(app, ask, Some(rules), StatusCode::OK).await
}

pub(crate) async fn delete(app: &App, ask: &Ask) -> Result<Response, Failure> {
    configure(app, ask, None, StatusCode::NO_CONTENT).await
}

async fn configure(
    app: &App,
    ask: &Ask,
    rules: Option<Vec<CorsRule>>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let (bucket, configuration) = (ask.bucket(), Configuration::Cors(rules));
    let position = app.store.configure_bucket(&ask.caller, &bucket, Action::PutBucketCors, configuration).await?;
    Ok(answer::changed(status, position))
}

fn asked(body: &[u8]) -> Result<Vec<CorsRule>, Failure> {
    let root = xml::parse(body, "CORSConfiguration")?;
    root.children.iter().map(rule).collect()
}

fn rule(element: &Element) -> Result<CorsRule, Failure> {
    if element.name != "CORSRule" {
        return Err(DoorError::MalformedXml.into());
    }
    let mut rule = CorsRule {
        id: element.child_text("ID")?.map(str::to_owned),
        origins: Vec::new(),
        methods: Vec::new(),
        headers: Vec::new(),
        exposed: Vec::new(),
        max_age_s: None,
    };
    if let Some(seconds) = element.child_text("MaxAgeSeconds")? {
        rule.max_age_s = Some(seconds.trim().parse().map_err(|_| DoorError::MalformedXml)?);
    }
    for child in &element.children {
        let text = || if child.children.is_empty() { Ok(child.text.clone()) } else { Err(DoorError::MalformedXml) };
        match child.name.as_str() {
            "AllowedOrigin" => rule.origins.push(text()?),
            "AllowedMethod" => rule.methods.push(method(&text()?)?),
            "AllowedHeader" => rule.headers.push(text()?),
            "ExposeHeader" => rule.exposed.push(text()?),
            "ID" | "MaxAgeSeconds" => {}
            _ => return Err(DoorError::MalformedXml.into()),
        }
    }
    Ok(rule)
}

fn method(text: &str) -> Result<CorsMethod, DoorError> {
    let reason = "Found unsupported HTTP method in CORS config.";
    CorsMethod::parse(text).ok_or(DoorError::InvalidRequest { reason })
}

fn rules_xml(rules: &[CorsRule]) -> String {
    Xml::document("CORSConfiguration", |xml| {
        for rule in rules {
            xml.group("CORSRule", |xml| {
                xml.optional("ID", rule.id.as_deref());
                rule.methods.iter().for_each(|method| xml.text("AllowedMethod", method.as_str()));
                rule.origins.iter().for_each(|origin| xml.text("AllowedOrigin", origin));
                rule.headers.iter().for_each(|header| xml.text("AllowedHeader", header));
                xml.optional("MaxAgeSeconds", rule.max_age_s);
                rule.exposed.iter().for_each(|header| xml.text("ExposeHeader", header));
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "<CORSConfiguration><CORSRule><ID>a &amp; b</ID><AllowedOrigin>https://*.example.com</AllowedOrigin>\
                         <AllowedOrigin>null</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
                         <AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>3000</MaxAgeSeconds>\
                         <ExposeHeader>ETag</ExposeHeader><AllowedHeader>x-amz-*</AllowedHeader></CORSRule>\
                         <CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
                         </CORSConfiguration>";

    fn read(body: &str) -> Result<Vec<CorsRule>, &'static str> {
        asked(body.as_bytes()).map_err(|failure| failure.describe().code)
    }

    #[test]
    fn rules_are_shown_as_they_were_read() {
        let rules = read(WHOLE).expect("rules");
        let shown = rules_xml(&rules);
        insta::assert_snapshot!(shown);
        assert_eq!(read(&shown), Ok(rules));
    }

    #[test]
    fn what_is_no_configuration() {
        for (inner, code) in [
            ("<Rule/>", "MalformedXML"),
            ("<CORSRule><Other/></CORSRule>", "MalformedXML"),
            ("<CORSRule><ID>a</ID><ID>b</ID></CORSRule>", "MalformedXML"),
            ("<CORSRule><MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule>", "MalformedXML"),
            ("<CORSRule><AllowedOrigin><b/></AllowedOrigin></CORSRule>", "MalformedXML"),
            ("<CORSRule><AllowedMethod>OPTIONS</AllowedMethod></CORSRule>", "InvalidRequest"),
            ("<CORSRule><AllowedMethod>get</AllowedMethod></CORSRule>", "InvalidRequest"),
        ] {
            assert_eq!(read(&format!("<CORSConfiguration>{inner}</CORSConfiguration>")), Err(code), "{inner}");
        }
        assert_eq!(read("<CORSConfiguration"), Err("MalformedXML"));
    }
}
