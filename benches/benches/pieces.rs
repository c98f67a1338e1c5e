//! The small pieces of the write path and of verifying, each over the same thousand entries; a figure is for all of
//! them, with the bytes that it went through.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ledgerstone_benches::entries::{self, Entries, KIND};
use ledgerstone_formats::chain::{ChainHead, Counters, GroupStamp};
use ledgerstone_formats::draft::{Draft, Entry, Revisions};
use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::header::Header;
use ledgerstone_formats::ids::{Correlation, EntityId, Kind, Tenant};
use ledgerstone_formats::json::Checker;
use ledgerstone_formats::limits::BODY_BYTES_MAX_DEFAULT;
use ledgerstone_formats::line::lines;
use ledgerstone_formats::pointer::Pointer;
use ledgerstone_formats::record::Record;
use ledgerstone_formats::time::Timestamp;
use ledgerstone_formats::tree::Frontier;

const COUNT: u32 = 1_000;
const SALT: [u8; 16] = [0xa5; 16];

fn producer(criterion: &mut Criterion) {
    let entries = workload();
    let bodies: Vec<&[u8]> = entries.iter().map(|entry| entry.body.as_slice()).collect();
    let mut group = group(criterion, "producer", total(&bodies));
    let mut checker = Checker::new();
    group.bench_function("strict JSON check", |bencher| {
        bencher.iter(|| {
            bodies
                .iter()
                .filter(|body| checker.check_object(black_box(body)).is_ok())
                .count()
        });
    });
    let pointers = ["/id", "/tenant", "/correlation_id"]
        .map(|pointer| Pointer::parse(pointer).expect("three pointers of the usual form"));
    group.bench_function("three pointers", |bencher| {
        bencher.iter(|| {
            for body in &bodies {
                black_box(pointers.each_ref().map(|pointer| pointer.find(black_box(body))));
            }
        });
    });
    group.bench_function("salt and digest", |bencher| {
        bencher.iter(|| {
            for body in &bodies {
                black_box(Hash::digest(black_box(body)));
            }
        });
    });
    group.bench_function("whole draft", |bencher| {
        bencher.iter(|| {
            for entry in &entries {
                black_box(draft(entry, &mut checker));
            }
        });
    });
    group.finish();
}

fn writer(criterion: &mut Criterion) {
    let drafts: Vec<Draft> = workload()
        .iter()
        .map(|entry| draft(entry, &mut Checker::new()))
        .collect();
    let (stored, hashes) = store(&drafts);
    let mut group = group(criterion, "writer", stored.len());
    let mut out = Vec::with_capacity(stored.len());
    group.bench_function("chain and encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            extend(&drafts, &mut out);
            black_box(&out);
        });
    });
    group.bench_function("frontier", |bencher| {
        bencher.iter(|| {
            let mut frontier = Frontier::new();
            hashes.iter().for_each(|hash| frontier.push(*hash));
            frontier.root()
        });
    });
    group.finish();
}

fn verifier(criterion: &mut Criterion) {
    let drafts: Vec<Draft> = workload()
        .iter()
        .map(|entry| draft(entry, &mut Checker::new()))
        .collect();
    let (stored, _) = store(&drafts);
    let records: Vec<Record<'_>> = lines(&stored).map(|line| record(line)).collect();
    let headers: Vec<Vec<u8>> = records.iter().map(|record| record.header.encode()).collect();
    let mut group = group(criterion, "verifier", stored.len());
    group.bench_function("parse header", |bencher| {
        bencher.iter(|| {
            headers
                .iter()
                .filter(|header| Header::parse(black_box(header)).is_ok())
                .count()
        });
    });
    group.bench_function("leaf hash", |bencher| {
        bencher.iter(|| {
            for header in &headers {
                black_box(Hash::leaf(black_box(header)));
            }
        });
    });
    group.bench_function("line: form, hashes, chain", |bencher| {
        bencher.iter(|| {
            let mut chain = ChainHead::new();
            for line in lines(black_box(&stored)) {
                let record = record(line);
                assert!(record.check_hashes().is_ok() && chain.check(&record, false).is_ok());
            }
            chain.next_seq()
        });
    });
    group.finish();
}

fn workload() -> Vec<entries::Entry> {
    Entries::new(1, 0..u64::from(COUNT)).collect()
}

fn total(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, bytes: usize) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64));
    group
}

fn draft(entry: &entries::Entry, checker: &mut Checker) -> Draft {
    let members = Entry {
        kind: Kind::new(KIND).expect("the workload's kind is one"),
        tenant: Some(Tenant::new(&entry.tenant).expect("the workload's tenants are short and plain")),
        id: EntityId::new(&entry.id).expect("the workload's ids are short and plain"),
        minted: false,
        corr: Some(
            Correlation::new(&entry.corr).expect("the workload's correlation ids are short and plain"),
        ),
        key: None,
        revisions: Revisions::AsKind,
    };
    Draft::new(members, SALT, &entry.body, BODY_BYTES_MAX_DEFAULT, checker)
        .expect("the workload is strict JSON")
}

/// The lines of one commit group, and their hashes.
fn store(drafts: &[Draft]) -> (Vec<u8>, Vec<Hash>) {
    let mut out = Vec::new();
    let hashes = extend(drafts, &mut out);
    (out, hashes)
}

fn extend(drafts: &[Draft], out: &mut Vec<u8>) -> Vec<Hash> {
    let stamp = GroupStamp::new(Timestamp::MIN, COUNT);
    let mut chain = ChainHead::new();
    (0..)
        .zip(drafts)
        .map(|(index, draft)| {
            let counters = Counters {
                tseq: Some(u64::from(index)),
                rev: None,
            };
            chain.extend(draft, &stamp, index, counters, out)
        })
        .collect()
}

fn record(line: &[u8]) -> Record<'_> {
    Record::parse(line).expect("the line was made by the chain")
}

criterion_group!(pieces, producer, writer, verifier);
criterion_main!(pieces);
