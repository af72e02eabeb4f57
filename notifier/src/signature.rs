//! Signatures of what is sent: Standard Webhooks 1.0, and the older `X-Signature`.
//!
//! Owns: the signed bytes, the form of secrets and headers.
//! Does not own: making, keeping and rotating secrets (pipeline).
//! Invariant: a secret is never shown by anything here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use schemas::Time;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What the text of a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// The secrets of a subscription, ready to sign.
pub(crate) struct Signer {
    /// The newest first, each with the moment from which on it signs no more.
    keys: Vec<(Zeroizing<Vec<u8>>, Option<Time>)>,
}

/// The headers of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `webhook-signature`: `v1,<base64>` for each secret, separated by spaces.
    pub(crate) standard: String,
    /// `X-Signature`: `sha256=<hex>` by the newest.
    pub(crate) plain: String,
}

impl Signer {
    /// Of secrets as `whsec_<base64>`; a text that is none of these signs with its bytes.
    pub(crate) fn new(secrets: &[(SecretString, Option<Time>)]) -> Self {
        let key = |secret: &SecretString| {
            let text = secret.expose_secret();
            let decoded = text.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
            Zeroizing::new(decoded.unwrap_or_else(|| text.as_bytes().to_vec()))
        };
        Self { keys: secrets.iter().map(|(secret, until)| (key(secret), *until)).collect() }
    }

    /// Signs a body at a time. The timestamp is in whole seconds since the Unix epoch.
    pub(crate) fn sign(&self, id: &str, now: Time, body: &[u8]) -> Signed {
        let timestamp = now.seconds().to_string();
        let live = self.keys.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let standard: Vec<String> = live
            .map(|(key, _)| {
                let mac = mac(key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
                format!("v1,{}", STANDARD.encode(mac))
            })
            .collect();
        let first = self.keys.first().map_or(&[][..], |(key, _)| key.as_slice());
        let plain = format!("sha256={}", hex::encode(mac(first, &[timestamp.as_bytes(), b".", body])));
        Signed { standard: standard.join(" "), plain }
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification, version 1.0.
    #[test]
    fn the_example_of_the_specification() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signer = Signer::new(&[(secret, None)]);
        let body = br#"{"test": 2432232314}"#;
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", Time(1_614_265_330_000_000), body);
        assert_eq!(signed.standard, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signed.plain.starts_with("sha256=") && signed.plain.len() == 71);
    }

    #[test]
    fn a_replaced_secret_signs_until_its_end() {
        let secret = |byte: u8| SecretString::from(format!("whsec_{}", STANDARD.encode([byte; 32])));
        let signer = Signer::new(&[(secret(2), None), (secret(1), Some(Time(2_000_000)))]);
        let old = Signer::new(&[(secret(1), None)]);
        let before = signer.sign("id", Time(1_999_999), b"body");
        let parts: Vec<_> = before.standard.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1], old.sign("id", Time(1_999_999), b"body").standard);
        assert_eq!(signer.sign("id", Time(2_000_000), b"body").standard.split(' ').count(), 1);
        assert_ne!(before.plain, old.sign("id", Time(1_999_999), b"body").plain);
    }
}
