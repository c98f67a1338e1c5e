//! A thread of an open ledger that panics: everybody is answered, and nothing is taken any more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use ledgerstone_engine::ErrorKind;
use ledgerstone_engine::keystore::MemKeys;
use ledgerstone_engine::storage::mem::Mem;
use ledgerstone_tests::hooked::{Before, Hooked};

use super::*;

/// A ledger with threads, on a storage that panics at a call once it is told to; the last sender lets that call begin.
struct Doomed {
    storage: Mem,
    keys: MemKeys,
    ledger: Ledger,
    armed: Arc<AtomicBool>,
    go: mpsc::Sender<()>,
}

fn doomed(at: Before) -> Doomed {
    let (storage, keys, armed) = (Mem::new(), MemKeys::new(), Arc::new(AtomicBool::new(false)));
    let (go, gate) = mpsc::channel::<()>();
    let (gate, watched) = (Mutex::new(gate), Arc::clone(&armed));
    let hooked = Hooked::new(Arc::new(storage.clone()), move |before| {
        if before == at && watched.load(Ordering::SeqCst) {
            gate.lock().unwrap().recv().ok();
            panic!("on purpose, in a test");
        }
    });
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    // A head at once, not after a while.
    let options = Options {
        head_delay_max: Duration::ZERO,
        ..Options::default()
    };
    let ledger = Ledger::create(Arc::new(hooked), Arc::new(keys.clone()), &identity, options).unwrap();
    Doomed {
        storage,
        keys,
        ledger,
        armed,
        go,
    }
}

impl Doomed {
    fn batch(&self) -> Batch {
        self.ledger.draft(entry("audit_entry"), b"{}").unwrap().into()
    }

    /// The next process finds a whole ledger with so many records, and stores another.
    fn goes_on(self, size: u64) {
        let Self {
            storage,
            keys,
            ledger,
            ..
        } = self;
        drop(ledger);
        let (ledger, recovered) = Ledger::open(
            Arc::new(storage.clone()),
            Arc::new(keys.clone()),
            Options::default(),
        )
        .unwrap();
        assert!(recovered.read_only.is_none(), "{recovered:?}");
        assert_eq!(
            ledger.snapshot().size(),
            size + u64::from(recovered.adopted.is_some()),
            "{recovered:?}"
        );
        let draft = ledger.draft(entry("audit_entry"), b"{}").unwrap();
        ledger.submit(draft.into()).unwrap().wait().unwrap();
        ledger.close().unwrap();
        let report = verify(&storage, Some(&keys), &VerifyOptions { jobs: 0 }, &mut |_| {}).unwrap();
        assert_eq!(report.findings, []);
    }
}

#[test]
fn a_writer_that_panics_answers_its_group_and_all_who_wait_and_latches_the_ledger() {
    let doomed = doomed(Before::Append);
    let stored = doomed.ledger.submit(doomed.batch()).unwrap().wait().unwrap();
    assert_eq!(stored[0].seq, 1);
    doomed.armed.store(true, Ordering::SeqCst);
    // The second may be of the same group or wait in the queue behind it: it is answered either way.
    let tickets = [(); 2].map(|()| doomed.ledger.submit(doomed.batch()).unwrap());
    doomed.go.send(()).unwrap();
    let [first, second] = tickets.map(|ticket| ticket.wait().unwrap_err());
    assert_eq!(first.kind(), ErrorKind::Unknown, "{first}");
    assert!(first.to_string().contains("shows at the next open"), "{first}");
    assert_eq!(second.kind(), ErrorKind::Unknown, "{second}");
    // Until it is latched, a batch is queued and answered; it never hangs.
    let refusal = loop {
        match doomed.ledger.submit(doomed.batch()) {
            Ok(ticket) => drop(ticket.wait().unwrap_err()),
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.kind(), ErrorKind::Unknown, "{refusal}");
    assert!(refusal.to_string().contains("has panicked"), "{refusal}");
    for error in [
        doomed.ledger.seal().unwrap_err(),
        doomed.ledger.checkpoint().unwrap_err(),
    ] {
        assert_eq!(error.to_string(), refusal.to_string());
    }
    assert_eq!(doomed.ledger.snapshot().size(), 2, "readers still read");
    doomed.goes_on(2);
}

#[test]
fn a_notary_that_panics_latches_the_ledger_and_what_was_acknowledged_stays() {
    let doomed = doomed(Before::ReplaceHead);
    doomed.armed.store(true, Ordering::SeqCst);
    let stored = doomed.ledger.submit(doomed.batch()).unwrap().wait().unwrap();
    assert_eq!(stored[0].seq, 1);
    doomed.go.send(()).unwrap();
    // Who waits for the head is told that none comes.
    let error = doomed.ledger.checkpoint().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
    assert!(error.to_string().contains("has panicked"), "{error}");
    assert_eq!(
        doomed.ledger.submit(doomed.batch()).unwrap_err().to_string(),
        error.to_string()
    );
    doomed.goes_on(2);
}
