//! Operations in a row by chance, against a vector of records and maps of counters: what the ledger gives back, in
//! every scope, is what the reference has, also after closing, killing and opening.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_engine::clock::Clock;
use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::sim::Sim;
use ledgerstone_engine::verify::{VerifyOptions, verify};
use ledgerstone_engine::{
    Batch, Ledger, LedgerIdentity, NewEntry, Options, Reader, Scope, Selection, Snapshot, Step, Writer,
};
use ledgerstone_formats::draft::Revisions;
use ledgerstone_formats::ids::{EntityId, Kind, Tenant};
use ledgerstone_tests::clock::HandClock;
use ledgerstone_tests::is_long;
use proptest::collection::vec;
use proptest::prelude::*;

/// The second kind counts revisions.
const KINDS: [&str; 2] = ["plain", "revised"];
const TENANTS: [Option<&str>; 3] = [None, Some("acme"), Some("b")];
const IDS: [&str; 3] = ["one", "two", "three"];

/// Of a record to append: kind, tenant, id and length of its body.
type Wanted = (usize, usize, usize, usize);

#[derive(Debug, Clone)]
enum Operation {
    /// Batches that make one group.
    Append(Vec<Vec<Wanted>>),
    Get {
        seq: u64,
        scope: usize,
    },
    Scan {
        from: u64,
        to: Option<u64>,
        kind: Option<usize>,
        scope: usize,
    },
    Tail {
        count: u64,
        kind: Option<usize>,
        scope: usize,
    },
    /// Keeps a snapshot, which is to show the same at the end.
    Snapshot,
    Seal,
    Pass(u64),
    Reopen,
    Kill,
}

fn operation() -> impl Strategy<Value = Operation> {
    let seq = 0..60_u64;
    let kind = proptest::option::of(0..KINDS.len());
    let scope = 0..=TENANTS.len();
    let wanted = (
        0..KINDS.len(),
        0..TENANTS.len(),
        0..IDS.len(),
        prop_oneof![4 => 0..30_usize, 1 => 0..2_000_usize],
    );
    prop_oneof![
        6 => vec(vec(wanted, 1..4), 1..4).prop_map(Operation::Append),
        2 => (seq.clone(), scope.clone()).prop_map(|(seq, scope)| Operation::Get { seq, scope }),
        2 => (seq.clone(), proptest::option::of(seq), kind.clone(), scope.clone())
            .prop_map(|(from, to, kind, scope)| Operation::Scan { from, to, kind, scope }),
        2 => (0..8_u64, kind, scope).prop_map(|(count, kind, scope)| Operation::Tail { count, kind, scope }),
        1 => Just(Operation::Snapshot),
        1 => Just(Operation::Seal),
        2 => (0..1_500_u64).prop_map(Operation::Pass),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Kill),
    ]
}

/// A record as the reference has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    seq: u64,
    kind: String,
    tenant: Option<(String, u64)>,
    id: Option<String>,
    rev: Option<u64>,
    /// None for the system's own records: what is in them is not the reference's to know.
    body: Option<String>,
}

#[derive(Debug, Default)]
struct Reference {
    rows: Vec<Row>,
    tenants: BTreeMap<String, u64>,
    revisions: BTreeMap<(usize, usize, usize), u64>,
}

impl Reference {
    fn system(&mut self, kind: &str) {
        let seq = self.rows.len() as u64;
        self.rows.push(Row {
            seq,
            kind: kind.to_owned(),
            tenant: None,
            id: None,
            rev: None,
            body: None,
        });
    }

    fn entry(&mut self, (kind, tenant, id, length): Wanted) {
        let next = |count: &mut u64| {
            *count += 1;
            *count
        };
        let seq = self.rows.len() as u64;
        let tenant_row = TENANTS[tenant].map(|name| {
            (
                name.to_owned(),
                next(self.tenants.entry(name.to_owned()).or_default()) - 1,
            )
        });
        let rev = (kind == 1).then(|| next(self.revisions.entry((kind, tenant, id)).or_default()));
        self.rows.push(Row {
            seq,
            kind: KINDS[kind].to_owned(),
            tenant: tenant_row,
            id: Some(IDS[id].to_owned()),
            rev,
            body: Some(body(length)),
        });
    }

    fn select(&self, selection: &Selection) -> Vec<Row> {
        let admits = |row: &&Row| {
            row.seq >= selection.from
                && selection.to.is_none_or(|to| row.seq <= to)
                && selection
                    .kind
                    .as_ref()
                    .is_none_or(|kind| kind.as_str() == row.kind)
                && match &selection.scope {
                    Scope::Operator => true,
                    Scope::Untenanted => row.tenant.is_none(),
                    Scope::Tenant(tenant) => {
                        row.tenant.as_ref().is_some_and(|(own, _)| own == tenant.as_str())
                    }
                }
        };
        self.rows.iter().filter(admits).cloned().collect()
    }
}

fn body(length: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(length))
}

fn scope(index: usize) -> Scope {
    match TENANTS.get(index) {
        None => Scope::Operator,
        Some(None) => Scope::Untenanted,
        Some(Some(name)) => Scope::Tenant(Tenant::new(name).unwrap()),
    }
}

fn kind(index: Option<usize>) -> Option<Kind> {
    index.map(|index| Kind::new(KINDS[index]).unwrap())
}

fn scan(snapshot: &Snapshot, selection: Selection) -> Vec<Row> {
    let mut scan = snapshot.scan(selection);
    let mut rows = Vec::new();
    while let Some(line) = scan.next_line().unwrap() {
        let header = &line.record().header;
        let is_system = header.kind.starts_with("sys_");
        rows.push(Row {
            seq: header.seq,
            kind: header.kind.to_string(),
            tenant: header
                .tenant
                .as_ref()
                .map(|(name, tseq)| (name.to_string(), *tseq)),
            id: (!is_system).then(|| header.id.to_string()),
            rev: header.rev,
            body: (!is_system).then(|| String::from_utf8(line.record().body().to_vec()).unwrap()),
        });
    }
    rows
}

/// The ledger under test, its reference beside it.
struct Pair {
    disk: Sim,
    keys: MemKeys,
    clock: Arc<HandClock>,
    running: Option<(Ledger, Writer)>,
    reference: Reference,
    kept: Vec<(Snapshot, Vec<Row>)>,
}

impl Pair {
    fn new() -> Self {
        let (disk, keys, clock) = (
            Sim::new(),
            MemKeys::new(),
            HandClock::at("2026-11-22T12:00:00.000000Z"),
        );
        let identity = LedgerIdentity {
            name: "ledger.example".to_owned(),
            signed: true,
        };
        let (storage, held) = (Arc::new(disk.clone()), Arc::new(keys.clone()));
        let clock_too: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
        let running = Ledger::create_stepped(storage, held, clock_too, &identity, options()).unwrap();
        let mut reference = Reference::default();
        reference.system("sys_genesis");
        Self {
            disk,
            keys,
            clock,
            running: Some(running),
            reference,
            kept: Vec::new(),
        }
    }

    fn ledger(&self) -> &Ledger {
        &self.running.as_ref().unwrap().0
    }

    fn writer(&mut self) -> &mut Writer {
        &mut self.running.as_mut().unwrap().1
    }

    fn open(&mut self) {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        let (storage, keys) = (Arc::new(self.disk.clone()), Arc::new(self.keys.clone()));
        let (ledger, writer, recovered) = Ledger::open_stepped(storage, keys, clock, options()).unwrap();
        assert!(
            recovered.read_only.is_none() && recovered.torn.is_none(),
            "{recovered:?}"
        );
        if recovered.adopted.is_some() {
            self.reference.system("sys_recovery");
        }
        self.running = Some((ledger, writer));
    }

    fn close(&mut self) {
        let (ledger, mut writer) = self.running.take().unwrap();
        drop(ledger);
        while writer.step() != Step::Closed {}
    }

    fn append(&mut self, batches: &[Vec<Wanted>]) {
        let mut tickets = Vec::new();
        for wanted in batches {
            let mut batch = Batch::new();
            for (kind, tenant, id, length) in wanted {
                let entry = NewEntry {
                    tenant: TENANTS[*tenant].map(|name| Tenant::new(name).unwrap()),
                    id: Some(EntityId::new(IDS[*id]).unwrap()),
                    revisions: if *kind == 1 {
                        Revisions::Counted
                    } else {
                        Revisions::AsKind
                    },
                    ..NewEntry::new(Kind::new(KINDS[*kind]).unwrap())
                };
                batch
                    .push(self.ledger().draft(entry, body(*length).as_bytes()).unwrap())
                    .unwrap();
            }
            tickets.push(self.ledger().submit(batch).unwrap());
        }
        // What waits is not to be seen.
        assert_eq!(self.ledger().snapshot().size(), self.reference.rows.len() as u64);
        self.writer().step();
        for (wanted, ticket) in batches.iter().zip(tickets) {
            for (wanted, receipt) in wanted.iter().zip(ticket.wait().unwrap()) {
                self.reference.entry(*wanted);
                let row = self.reference.rows.last().unwrap();
                let told = (receipt.seq, receipt.tseq, receipt.rev);
                assert_eq!(
                    told,
                    (row.seq, row.tenant.as_ref().map(|(_, tseq)| *tseq), row.rev)
                );
            }
        }
    }

    fn play(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(batches) => self.append(batches),
            Operation::Get { seq, scope: index } => {
                let one = Selection {
                    from: *seq,
                    to: Some(*seq),
                    ..Selection::all(scope(*index))
                };
                let got = self.ledger().snapshot().get(*seq, &scope(*index)).unwrap();
                assert_eq!(got.is_some(), !self.reference.select(&one).is_empty());
                let seq = format!("{{\"v\":1,\"seq\":{seq},");
                assert!(got.is_none_or(|line| line.starts_with(seq.as_bytes())));
            }
            Operation::Scan {
                from,
                to,
                kind: index,
                scope: of,
            } => {
                let selection = Selection {
                    from: *from,
                    to: *to,
                    kind: kind(*index),
                    ..Selection::all(scope(*of))
                };
                assert_eq!(
                    scan(&self.ledger().snapshot(), selection.clone()),
                    self.reference.select(&selection)
                );
            }
            Operation::Tail {
                count,
                kind: index,
                scope: of,
            } => {
                let all = Selection {
                    kind: kind(*index),
                    ..Selection::all(scope(*of))
                };
                let snapshot = self.ledger().snapshot();
                let from = snapshot.last(*count, &all).unwrap();
                let mut expected = self.reference.select(&all);
                expected.drain(..expected.len().saturating_sub(usize::try_from(*count).unwrap()));
                assert_eq!(scan(&snapshot, Selection { from, ..all }), expected);
            }
            Operation::Snapshot => self
                .kept
                .push((self.ledger().snapshot(), self.reference.rows.clone())),
            Operation::Seal => {
                self.writer().seal().unwrap();
            }
            Operation::Pass(millis) => {
                self.clock.pass(Duration::from_millis(*millis));
                self.writer().step();
            }
            Operation::Reopen => {
                self.close();
                self.open();
            }
            Operation::Kill => {
                self.running = None;
                self.kept.clear();
                self.disk = self.disk.kill();
                self.open();
            }
        }
    }

    fn check(&self) {
        let all = || Selection::all(Scope::Operator);
        assert_eq!(scan(&self.ledger().snapshot(), all()), self.reference.rows);
        let reader = Reader::open(Arc::new(self.disk.clone())).unwrap();
        assert_eq!(scan(&reader.snapshot().unwrap(), all()), self.reference.rows);
        for (snapshot, rows) in &self.kept {
            assert_eq!(&scan(snapshot, all()), rows);
        }
    }
}

fn options() -> Options {
    Options {
        segment_bytes: 4_000,
        ..Options::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if is_long() { 5_000 } else { 60 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_ledger_gives_back_is_what_the_reference_has(operations in vec(operation(), 1..40)) {
        let mut pair = Pair::new();
        for operation in &operations {
            pair.play(operation);
        }
        pair.check();
        pair.close();
        let report = verify(&pair.disk, Some(&pair.keys), &VerifyOptions { jobs: 1 }, &mut |_| {}).unwrap();
        prop_assert_eq!(report.findings, []);
        prop_assert_eq!(report.head_size, Some(pair.reference.rows.len() as u64));
    }
}
