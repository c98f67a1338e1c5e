//! Pages that leave the cache between two looks at them: what was read before settling is not what is on the medium.

use ledgerstone_engine::storage::sim::Fault;
use ledgerstone_engine::{Code, ErrorKind};
use ledgerstone_tests::hooked::{Before, Hooked};

use super::*;

/// The disk, whose cache is emptied of all that is clean just before bytes are settled.
fn forgetful(disk: &Sim) -> Hooked {
    let forgets = disk.clone();
    Hooked::new(Arc::new(disk.clone()), move |before| {
        if before == Before::Settle {
            forgets.drop_clean_pages();
        }
    })
}

#[test]
fn settled_bytes_that_read_otherwise_are_not_built_upon() {
    expect_not_built_upon(0, (ErrorKind::Corrupt, Some(Code::Altered)));
}

/// What is no filler any more is not cut as filler, to begin with.
#[test]
fn settled_bytes_with_filler_behind_them_that_read_otherwise_are_not_built_upon() {
    expect_not_built_upon(1 << 20, (ErrorKind::Unavailable, None));
}

fn expect_not_built_upon(filler_bytes_max: u64, told_of: (ErrorKind, Option<Code>)) {
    let machine = Machine::signed().with(|options| options.filler_bytes_max = filler_bytes_max);
    let mut told = Told::default();
    let mut running = machine.create().unwrap();
    told.append(&mut running, &["{}"]).unwrap();
    running.pass(&machine, Duration::from_secs(1));
    let headed = machine.disk.raw(SEGMENT).unwrap();
    machine.disk.fail_at(machine.disk.operations() + 1, Fault::Fails);
    told.append(&mut running, &["{}"]).unwrap_err();

    let machine = machine.kill();
    let (_, keys) = machine.places();
    let storage = Arc::new(forgetful(&machine.disk));
    let opened = Ledger::open_stepped(storage, keys, machine.clock(), machine.options.clone());
    let (ledger, writer, recovered) = opened.unwrap();
    let error = recovered.read_only.unwrap();
    assert_eq!((error.kind(), error.code()), told_of, "{error}");
    assert_eq!(machine.head_size(), Some(2));
    let segment = machine.disk.raw(SEGMENT).unwrap();
    assert!(segment.starts_with(&headed) && segment[headed.len()..].iter().all(|byte| *byte == 0));
    drop((ledger, writer));

    let machine = machine.kill();
    let (running, recovered) = machine.open().unwrap();
    assert!(
        recovered.torn.is_some() && recovered.read_only.is_none(),
        "{recovered:?}"
    );
    told.check(&running.ledger.snapshot(), &|| log_of(&machine));
    running.close();
    machine.assert_whole();
}
