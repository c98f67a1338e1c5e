//! A writer that is quicker than the notary waits for it: no record is acknowledged while a head is later than it may
//! be.

use std::sync::{Condvar, Mutex};
use std::thread;

use ledgerstone_engine::clock::{Clock, SystemClock};
use ledgerstone_engine::keystore::{KeyStore, MemKeys, Secret};
use ledgerstone_engine::storage::mem::Mem;

use super::*;

const DELAY: Duration = Duration::from_millis(2);
/// For so long the notary is kept waiting, more than the delay: time for a writer to be ahead if it did not wait too.
const HELD: Duration = Duration::from_millis(100);

/// A key store whose heads take as long as a test wants.
#[derive(Debug, Clone)]
struct Slow {
    keys: MemKeys,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Debug, Default)]
struct Gate {
    shut: bool,
    /// Heads that stand before it.
    waiting: u32,
}

impl Slow {
    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.0.lock().unwrap());
        self.gate.1.notify_all();
    }

    fn wait_for_a_head(&self) {
        let gate = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(gate, |gate| gate.waiting == 0).unwrap());
    }
}

impl KeyStore for Slow {
    fn signing_key(&self) -> io::Result<Option<Secret>> {
        self.keys.signing_key()
    }

    fn create_key(&self, text: &str) -> io::Result<()> {
        self.keys.create_key(text)
    }

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        self.keys.head()
    }

    fn replace_head(&self, bytes: &[u8]) -> io::Result<()> {
        self.change(|gate| gate.waiting += 1);
        let gate = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(gate, |gate| gate.shut).unwrap());
        self.change(|gate| gate.waiting -= 1);
        self.keys.replace_head(bytes)
    }

    fn exposed_mode(&self) -> io::Result<Option<u32>> {
        self.keys.exposed_mode()
    }
}

fn let_pass(span: Duration) {
    let clock = SystemClock::new();
    while clock.monotonic() < span {
        thread::yield_now();
    }
}

#[test]
fn nothing_is_acknowledged_while_a_head_is_too_late() {
    let keys = Slow {
        keys: MemKeys::new(),
        gate: Arc::default(),
    };
    let options = Options {
        head_delay_max: DELAY,
        ..Options::default()
    };
    let identity = LedgerIdentity {
        name: "ledger.example".to_owned(),
        signed: true,
    };
    let ledger = Ledger::create(Arc::new(Mem::new()), Arc::new(keys.clone()), &identity, options).unwrap();
    let submit = || {
        let draft = ledger.draft(entry("audit_entry"), b"{}").unwrap();
        ledger.submit(draft.into()).unwrap()
    };
    keys.change(|gate| gate.shut = true);
    let first = submit().wait().unwrap()[0].seq;
    keys.wait_for_a_head();
    let_pass(DELAY * 2);
    let second = submit();
    let head_size = thread::scope(|scope| {
        let acknowledged = scope.spawn(|| {
            second.wait().unwrap();
            ledger.snapshot().head_size()
        });
        let_pass(HELD);
        keys.change(|gate| gate.shut = false);
        acknowledged.join().unwrap()
    });
    assert!(
        head_size > Some(first),
        "acknowledged with a head over {head_size:?}"
    );
    ledger.close().unwrap();
}
