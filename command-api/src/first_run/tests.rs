use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Things made, by name, with their secret; the `fails_at`-th call fails, before or after it did its work.
#[derive(Default)]
struct Memory {
    made: RefCell<BTreeMap<String, String>>,
    calls: Cell<usize>,
    fails_at: Option<(usize, bool)>,
}

impl Memory {
    fn make(&self, name: String, secret: &str) -> anyhow::Result<()> {
        let call = self.calls.replace(self.calls.get() + 1);
        let fails = self.fails_at.filter(|(at, _)| *at == call);
        anyhow::ensure!(fails != Some((call, false)), "cut off before call {call}");
        self.made.borrow_mut().entry(name).or_insert_with(|| secret.to_owned());
        anyhow::ensure!(fails.is_none(), "cut off after call {call}");
        Ok(())
    }
}

impl Installer for Memory {
    async fn is_empty(&self) -> anyhow::Result<bool> {
        Ok(!self.made.borrow().keys().any(|name| name.starts_with("tenant ")))
    }

    async fn tenant(&self, tenant: &TenantName) -> anyhow::Result<()> {
        self.make(format!("tenant {tenant}"), "")
    }

    async fn user(&self, tenant: &TenantName, user: &UserId) -> anyhow::Result<()> {
        self.make(format!("user {tenant}/{user}"), "")
    }

    async fn access_key(
        &self,
        tenant: &TenantName,
        user: &UserId,
        id: &AccessKeyId,
        secret: &SecretString,
    ) -> anyhow::Result<()> {
        self.make(format!("key {tenant}/{user}/{id}"), secret.expose_secret())
    }

    async fn admin_token(&self, token: &SecretString) -> anyhow::Result<()> {
        self.make("token".to_owned(), token.expose_secret())
    }

    async fn bucket(
        &self,
        tenant: &TenantName,
        user: &UserId,
        _: &AccessKeyId,
        bucket: &BucketName,
    ) -> anyhow::Result<()> {
        self.make(format!("bucket {tenant}/{user}/{bucket}"), "")
    }
}

fn endpoints(port: u16) -> Endpoints {
    Endpoints {
        endpoint_url: format!("http://127.0.0.1:{port}"),
        admin_url: "http://127.0.0.1:9001".to_owned(),
        region: "us-east-1".to_owned(),
    }
}

/// Different bytes at every call.
fn counting() -> impl Fn(&mut [u8]) -> anyhow::Result<()> {
    let next = Cell::new(0u8);
    move |bytes| {
        for byte in bytes {
            next.set(next.get().wrapping_add(37));
            *byte = next.get();
        }
        Ok(())
    }
}

fn run(installer: &Memory, dir: &Path, given: Option<RootPair>, port: u16) -> anyhow::Result<Start> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(ensure(installer, dir, given, &endpoints(port), &counting()))
}

fn kept(dir: &Path) -> RunEnv {
    RunEnv::read(&dir.join(FILE_NAME)).expect("reads").expect("is there")
}

/// All five things are there, with the secrets that the file keeps, and nothing is left over.
fn is_complete(installer: &Memory, dir: &Path) {
    let env = kept(dir);
    let made = installer.made.borrow();
    assert_eq!(made.len(), 5, "{:?}", made.keys());
    assert_eq!(made[&format!("key default/admin/{}", env.access_key)], env.secret_key.expose_secret());
    assert_eq!(made["token"], env.admin_token.expose_secret());
    assert!(made.contains_key("bucket default/admin/demo"));
    assert!(!dir.join(PENDING).exists());
}

#[test]
fn the_first_start_makes_everything_and_keeps_the_secrets() {
    let dir = tempfile::tempdir().expect("a directory");
    let installer = Memory::default();
    let Start::First(env) = run(&installer, dir.path(), None, 9000).expect("starts") else { panic!("was the first") };
    is_complete(&installer, dir.path());
    assert!(env.access_key.starts_with("HF") && env.access_key.len() == 20, "{}", env.access_key);
    assert_eq!(env.secret_key.expose_secret().len(), 40);
    let token = env.admin_token.expose_secret();
    assert_eq!(token.strip_prefix("lwadm_").map(str::len), Some(43));
    let mode = std::fs::metadata(dir.path().join(FILE_NAME)).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_first_start_cut_off_anywhere_is_finished_by_the_next() {
    for call in 0..5 {
        for after in [false, true] {
            let dir = tempfile::tempdir().expect("a directory");
            let broken = Memory { fails_at: Some((call, after)), ..Memory::default() };
            assert!(run(&broken, dir.path(), None, 9000).is_err());
            assert!(!dir.path().join(FILE_NAME).exists());
            let repaired = Memory { made: broken.made, ..Memory::default() };
            let start = run(&repaired, dir.path(), None, 9100).expect("finishes");
            assert!(matches!(start, Start::First(_)), "call {call}");
            is_complete(&repaired, dir.path());
            assert_eq!(kept(dir.path()).endpoint_url, "http://127.0.0.1:9100");
        }
    }
}

#[test]
fn a_later_start_makes_nothing_even_when_the_file_or_the_bucket_was_deleted() {
    let dir = tempfile::tempdir().expect("a directory");
    let installer = Memory::default();
    run(&installer, dir.path(), None, 9000).expect("starts");
    installer.made.borrow_mut().remove("bucket default/admin/demo");
    std::fs::remove_file(dir.path().join(FILE_NAME)).expect("deletes");
    assert!(matches!(run(&installer, dir.path(), None, 9000).expect("starts"), Start::Later));
    assert_eq!(installer.made.borrow().len(), 4);
    assert!(!dir.path().join(FILE_NAME).exists());
}

#[test]
fn a_later_start_at_another_address_changes_the_address_and_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let installer = Memory::default();
    run(&installer, dir.path(), None, 9000).expect("starts");
    let before = kept(dir.path());
    assert!(matches!(run(&installer, dir.path(), None, 9100).expect("starts"), Start::Later));
    let after = kept(dir.path());
    assert_eq!(after.endpoint_url, "http://127.0.0.1:9100");
    assert_eq!(after.secret_key.expose_secret(), before.secret_key.expose_secret());
    assert_eq!(after.admin_token.expose_secret(), before.admin_token.expose_secret());
}

#[test]
fn the_operators_own_pair_is_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let pair = |id: &str, secret: &str| {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        RootPair::from_environment(&[
            variable("HOLDFAST_ROOT_ACCESS_KEY", id),
            variable("HOLDFAST_ROOT_SECRET_KEY", secret),
        ])
    };
    let installer = Memory::default();
    run(&installer, dir.path(), pair("MINE", "my-own-secret").expect("a pair"), 9000).expect("starts");
    is_complete(&installer, dir.path());
    assert_eq!(kept(dir.path()).access_key, "MINE");
    assert!(pair("no spaces", "my-own-secret").is_err());
    let error = pair("MINE", "short").expect_err("is too short").to_string();
    assert!(!error.contains("short\"") && error.contains("HOLDFAST_ROOT_SECRET_KEY"), "{error}");
    let half = [("HOLDFAST_ROOT_ACCESS_KEY".to_owned(), "MINE".to_owned())];
    assert!(RootPair::from_environment(&half).is_err());
    assert!(RootPair::from_environment(&[]).expect("none").is_none());
}

#[test]
fn secrets_are_in_no_debug_output() {
    let pair = RootPair { access_key: AccessKeyId::parse("MINE").expect("an id"), secret_key: "do-not-show-me".into() };
    assert!(!format!("{pair:?}").contains("do-not-show-me"));
    let start = Start::First(crate::run_env::tests::sample());
    assert!(!format!("{start:?}").contains("lwadm_"));
}
