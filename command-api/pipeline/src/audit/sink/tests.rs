//! What the writer does with batches that cannot be written, and with strangers.

use vault::RootKeySource;

use super::*;
use crate::clock::SystemClock;

struct Desk {
    writer: Writer,
    _folder: tempfile::TempDir,
}

fn desk(entries_bytes_max: u64) -> Desk {
    let folder = tempfile::tempdir().expect("a folder");
    let root = RootKeySource::File(folder.path().join("root.key"));
    let vault = Vault::open(&folder.path().join("keys"), &root, true).expect("opens");
    for tenant in [TenantId::SYSTEM, TenantId(7)] {
        if vault.tenant_key(tenant).is_none() {
            vault.create_tenant_key(tenant).expect("a key");
        }
    }
    let (views, _) = Views::open(&folder.path().join("views"), &[ACCESS, USE, NOTES]).expect("opens");
    let sink = Arc::new(Sink::new(Arc::new(views), Arc::new(SystemClock::default())));
    let writer = Writer {
        sink,
        vault: Arc::new(vault),
        inner: Weak::new(),
        retention: Retention { entries_days: 90, entries_bytes_max, minutes_days: 90 },
        minutes: Minutes::default(),
        sampled: 0,
        synced_us: 0,
        swept_us: None,
        removed_to: HashMap::new(),
        shares: Default::default(),
        failing: false,
    };
    Desk { writer, _folder: folder }
}

fn entry_of(tenant: TenantId, number: u64, key: &str) -> Entry {
    let mut what = What::new(Surface::S3, 403);
    what.key = Some(key.to_owned());
    Entry { tenant, time: Time(number), request: RequestId(format!("request-{number}")), what }
}

/// A row that the database refuses, and with it all that is written together with it.
fn refused() -> Entry {
    entry_of(TenantId(7), u64::MAX, &"k".repeat(event_log::ROW_BYTES_MAX))
}

impl Desk {
    /// A turn of the writer with these entries and what it found lost.
    fn turn(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.writer.sink.keep(entry);
        }
        let mut batch = Vec::new();
        // As somebody asks for it: the writer does not wait then.
        self.writer.sink.queue.lock().asked += 1;
        let (lost, ..) = self.writer.next(&mut batch);
        self.writer.turn(&mut batch, lost, false);
    }

    /// What entries say was lost, in order.
    fn told(&self) -> Vec<u64> {
        let snapshot = self.writer.sink.views.snapshot();
        let rows = snapshot.range(ACCESS, Bound::Unbounded, Bound::Unbounded).map(|row| row.expect("reads"));
        let opened = rows.filter_map(|(key, value)| {
            let (tenant, ..) = entry::parse_key(&key)?;
            entry::open(&self.writer.vault, tenant, &key, &value).expect("opens")
        });
        opened.map(|what| what.lost).filter(|lost| *lost > 0).collect()
    }

    fn rows(&self, tenant: TenantId) -> usize {
        let snapshot = self.writer.sink.views.snapshot();
        let rows = snapshot.range(ACCESS, Bound::Unbounded, Bound::Unbounded).map(|row| row.expect("reads"));
        rows.filter(|(key, _)| tenant_of(key) == Some(tenant)).count()
    }
}

#[test]
fn the_number_of_lost_entries_outlives_failed_writes_of_the_entry_that_says_it() {
    let mut desk = desk(1 << 30);
    desk.turn([entry_of(TenantId(7), 1, "a"), entry_of(TenantId(7), 2, "a"), refused()]);
    assert_eq!((desk.writer.sink.figures().lost, desk.told()), (3, vec![]));
    // The entry that would say three is in a batch that fails too.
    desk.turn([entry_of(TenantId(7), 3, "a"), refused()]);
    assert_eq!((desk.writer.sink.figures().lost, desk.told()), (5, vec![]));
    desk.turn([entry_of(TenantId(7), 4, "a")]);
    assert_eq!((desk.writer.sink.figures().lost, desk.told()), (5, vec![5]));
    desk.turn([entry_of(TenantId(7), 5, "a")]);
    assert_eq!(desk.told(), [5], "it is said once");
    assert_eq!(desk.rows(TenantId(7)), 2);
}

#[test]
fn what_was_written_of_a_batch_is_not_reported_as_lost() {
    let mut desk = desk(1 << 30);
    let most = BATCH_ROWS as u64;
    let entries = (0..most + 10).map(|number| entry_of(TenantId(7), number, "a"));
    desk.turn(entries.chain([refused()]));
    let figures = desk.writer.sink.figures();
    assert_eq!((figures.written, figures.lost), (most, 11), "the first piece stands, the second does not");
    assert_eq!(desk.rows(TenantId(7)) as u64, most);
    desk.turn([]);
    assert_eq!(desk.told(), [11]);
    let noted = bytes_noted(&desk.writer.sink.views).expect("reads");
    assert_eq!(noted, desk.writer.shares.map(|share| share.bytes), "bytes are those that stand there");
    assert!(noted[0] > 0 && noted[1] > 0);
}

#[test]
fn strangers_push_out_each_other_and_no_tenant() {
    let mut desk = desk(400_000);
    let start = 1_000_000_000_000_000;
    desk.turn((0..100).map(|number| entry_of(TenantId(7), start + number, "a")));
    // A day after the tenant's entries, and more than there is room for.
    let day = start + 86_400_000_000;
    desk.turn((0..2_000).map(|number| entry_of(TenantId::SYSTEM, day + number * 1_000_000, "a")));
    assert_eq!(desk.writer.over().collect::<Vec<_>>(), [false, true]);
    for _ in 0..100 {
        desk.writer.remove_at(Time(day + 2_000_000_000)).expect("removes");
    }
    assert_eq!(desk.writer.over().collect::<Vec<_>>(), [false, false]);
    assert_eq!(desk.rows(TenantId(7)), 100);
    assert!((50..1_900).contains(&desk.rows(TenantId::SYSTEM)), "{} are left", desk.rows(TenantId::SYSTEM));
}

#[test]
fn bytes_of_strangers_that_were_never_noted_apart_are_counted() {
    let mut desk = desk(1 << 30);
    desk.turn([entry_of(TenantId(7), 1, "a"), entry_of(TenantId::SYSTEM, 2, "a")]);
    let noted = bytes_noted(&desk.writer.sink.views).expect("reads");
    assert!(noted[0] > 0 && noted[1] > 0);
    let mut changes = Changes::default();
    changes.remove(NOTES, STRANGERS_BYTES_KEY.to_vec());
    desk.writer.sink.views.write(changes, true).expect("writes");
    assert_eq!(bytes_noted(&desk.writer.sink.views), Ok(noted));
}
