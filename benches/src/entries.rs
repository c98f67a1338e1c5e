//! Audit entries made from a seed: the same seed and index give the same bytes on every machine.
//!
//! Shaped after the audit logs of hosted products: who did what to which thing, from where, and which fields changed.
//! On average 846 bytes of JSON; 200 tenants, some far busier than others; five entries share a correlation id, and the
//! five of one request lie between those of others, as they do in a real log.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use ledgerstone_formats::time::Timestamp;

/// The kind under which entries are stored.
pub const KIND: &str = "audit_entry";
/// How many tenants there are.
pub const TENANTS: u64 = 200;
/// How many entries share a correlation id.
pub const CORRELATED: u64 = 5;
/// How many requests are under way at a time: entries of one are this far apart.
const REQUESTS_OPEN: u64 = 8;
/// Time of the first entry: 2026-11-22T00:00:00Z.
const FIRST_AT_MICROS: i64 = 1_795_305_600_000_000;
/// Time between two entries.
const STEP_MICROS: i64 = 2_500;

/// One audit entry, with the values that a ledger's header takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is; also in the body, as `/tenant`.
    pub tenant: String,
    /// Its own id, unlike any other's; also in the body, as `/id`.
    pub id: String,
    /// What it shares with the others of its request; also in the body, as `/correlation_id`.
    pub corr: String,
    /// The JSON object, on one line, without line end.
    pub body: Vec<u8>,
}

/// The entries of a seed, by index.
#[derive(Debug, Clone)]
pub struct Entries {
    seed: u64,
    indexes: Range<u64>,
}

impl Entries {
    /// The entries with these indexes.
    pub fn new(seed: u64, indexes: Range<u64>) -> Self {
        Self { seed, indexes }
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.indexes.next().map(|index| entry(self.seed, index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indexes.size_hint()
    }
}

/// Writes one body a line, each ended by LF.
///
/// # Errors
/// Those of `out`.
pub fn write_jsonl(entries: Entries, out: &mut impl Write) -> io::Result<()> {
    for mut entry in entries {
        entry.body.push(b'\n');
        out.write_all(&entry.body)?;
    }
    Ok(())
}

fn entry(seed: u64, index: u64) -> Entry {
    let block = REQUESTS_OPEN * CORRELATED;
    let request = Request::new(seed, index / block * REQUESTS_OPEN + index % REQUESTS_OPEN);
    let mut random = SplitMix64::new(seed ^ 0x656e_7472_7900, index);
    let step = i64::try_from(index).expect("an index is far below 2^63") * STEP_MICROS;
    let jitter = i64::try_from(random.below(2_000)).expect("below 2,000");
    let micros = FIRST_AT_MICROS + step + jitter;
    let at = Timestamp::from_micros(micros).expect("the year 9999 is 10^14 entries away");
    let id = uuid_v7(micros / 1_000, &mut random);
    let body = body(&request, &id, at, &mut random);
    Entry {
        tenant: request.tenant,
        id,
        corr: request.corr,
        body: body.into_bytes(),
    }
}

/// What the entries of one request have in common.
struct Request {
    tenant: String,
    corr: String,
    actor: String,
    session: String,
    ip: String,
    user_agent: &'static str,
    sign_in: &'static str,
}

impl Request {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = SplitMix64::new(seed ^ 0x7265_7175_6573_7400, number);
        // Half of the requests go to the smaller of two draws: the busiest tenant has three times the entries of the
        // quietest.
        let draw = random.below(TENANTS);
        let tenant = if random.below(2) == 0 {
            draw
        } else {
            draw.min(random.below(TENANTS))
        };
        let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let user = random.below(60);
        let mail_first = first.to_lowercase();
        Self {
            tenant: format!("tenant-{tenant:03}"),
            corr: format!("req-{:016x}", random.next()),
            actor: format!(
                r#"{{"type":"user","id":"usr-{tenant:03}-{user:04}","name":"{first} {last}","email":"{mail_first}.{user:04}@tenant-{tenant:03}.example.com"}}"#
            ),
            session: format!("{:016x}{:08x}", random.next(), random.below(1 << 32)),
            ip: format!(
                "{}.{}.{}.{}",
                1 + random.below(223),
                random.byte(),
                random.byte(),
                random.byte()
            ),
            user_agent: random.pick(&USER_AGENTS),
            sign_in: random.pick(&SIGN_INS),
        }
    }
}

fn body(request: &Request, id: &str, at: Timestamp, random: &mut SplitMix64) -> String {
    let (resource, prefix, verbs) = random.pick(&RESOURCES);
    let verb = random.pick(verbs);
    let mut json = String::with_capacity(1_400);
    json.push_str(r#"{"id":""#);
    json.push_str(id);
    add(
        &mut json,
        format_args!(r#"","time":"{at}","tenant":"{}""#, request.tenant),
    );
    add(
        &mut json,
        format_args!(
            r#","correlation_id":"{}","actor":{}"#,
            request.corr, request.actor
        ),
    );
    let (thing, name) = (random.below(1 << 40), random.pick(&THING_NAMES));
    add(
        &mut json,
        format_args!(
            r#","action":"{resource}.{verb}","resource":{{"type":"{resource}","id":"{prefix}-{thing:010x}","name":"{name}"}}"#
        ),
    );
    let outcome = if random.below(20) == 0 {
        "denied"
    } else {
        "success"
    };
    add(&mut json, format_args!(r#","outcome":"{outcome}","changes":["#));
    for number in 0..change_count(random) {
        let comma = if number == 0 { "" } else { "," };
        json.push_str(comma);
        change(&mut json, random);
    }
    json.push(']');
    if random.below(2) == 0 {
        add(
            &mut json,
            format_args!(r#","reason":"{}""#, random.pick(&REASONS)),
        );
    }
    add(
        &mut json,
        format_args!(
            r#","ip":"{}","user_agent":"{}","sign_in":{},"session_id":"{}","duration_ms":{}}}"#,
            request.ip,
            request.user_agent,
            request.sign_in,
            request.session,
            random.below(900)
        ),
    );
    json
}

/// One to six, mostly one to three: 2.1 on average.
fn change_count(random: &mut SplitMix64) -> u64 {
    1 + random.below(4).min(random.below(4)) + u64::from(random.below(16) == 0) * 2
}

fn change(json: &mut String, random: &mut SplitMix64) {
    let (field, values) = random.pick(&FIELDS);
    let (before, after) = match values {
        Values::Of(list) => (random.pick(list).to_owned(), random.pick(list).to_owned()),
        Values::Number(below) => (random.below(*below).to_string(), random.below(*below).to_string()),
        Values::Reference => {
            let mut reference = || format!(r#""grp-{:016x}""#, random.next());
            (reference(), reference())
        }
    };
    add(
        json,
        format_args!(r#"{{"field":"{field}","before":{before},"after":{after}}}"#),
    );
}

fn add(json: &mut String, text: std::fmt::Arguments<'_>) {
    json.write_fmt(text).expect("writing to a string does not fail");
}

fn uuid_v7(millis: i64, random: &mut SplitMix64) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        millis >> 16,
        millis & 0xffff,
        high & 0xfff,
        0x8000 | high >> 16 & 0x3fff,
        low >> 16
    )
}

/// Steele, Lea and Flood's generator: any index is reached in one step, so entries can be made in any order.
struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64, stream: u64) -> Self {
        let mut first = Self(seed);
        // A stream starts at a hash of its number: neighbouring numbers would give overlapping runs.
        let mut second = Self(first.next() ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self(second.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Evenly from `0..bound`; the bias of at most `bound` / 2^64 does not matter here.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of a product of two words is a word")
    }

    fn byte(&mut self) -> u64 {
        self.below(256)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        let index = self.below(u64::try_from(list.len()).expect("a table is short"));
        list[usize::try_from(index).expect("below the table's length")]
    }
}

/// What a changed field holds before and after, as JSON.
#[derive(Clone, Copy)]
enum Values {
    Of(&'static [&'static str]),
    Number(u64),
    Reference,
}

const FIELDS: [(&str, &Values); 12] = [
    (
        "/status",
        &Values::Of(&[
            r#""active""#,
            r#""suspended""#,
            r#""pending_review""#,
            r#""archived""#,
        ]),
    ),
    ("/owner/group", &Values::Reference),
    ("/rules/0/effect", &Values::Of(&[r#""allow""#, r#""deny""#])),
    (
        "/rules/0/conditions/mfa_required",
        &Values::Of(&["true", "false"]),
    ),
    ("/retention/days", &Values::Number(3_650)),
    (
        "/display_name",
        &Values::Of(&[
            r#""Zugriff Lager Süd""#,
            r#""Finance – read only""#,
            r#""Break-glass \"blue\"""#,
        ]),
    ),
    ("/limits/requests_per_minute", &Values::Number(100_000)),
    (
        "/network/allowed_ranges",
        &Values::Of(&[r#"["10.0.0.0/8","192.168.0.0/16"]"#, r#"["10.20.0.0/16"]"#, "[]"]),
    ),
    (
        "/labels/cost_centre",
        &Values::Of(&[r#""cc-4711""#, r#""cc-0815""#, "null"]),
    ),
    (
        "/schedule/window",
        &Values::Of(&[
            r#"{"from":"22:00","to":"04:00"}"#,
            r#"{"from":"00:00","to":"02:30"}"#,
        ]),
    ),
    ("/members", &Values::Reference),
    ("/risk/score", &Values::Of(&["0.125", "0.5", "0.875", "1"])),
];

const RESOURCES: [(&str, &str, &[&str]); 10] = [
    ("policy", "pol", &["created", "updated", "published", "retired"]),
    ("role", "rol", &["granted", "revoked", "updated"]),
    ("user", "usr", &["invited", "suspended", "restored", "mfa_reset"]),
    ("api_key", "key", &["created", "rotated", "revoked"]),
    ("document", "doc", &["viewed", "exported", "shared", "deleted"]),
    ("payment", "pay", &["approved", "rejected", "refunded"]),
    ("device", "dev", &["enrolled", "wiped", "compliance_changed"]),
    ("workspace", "wsp", &["settings_changed", "archived"]),
    ("dataset", "dat", &["read", "schema_changed", "access_granted"]),
    ("model_run", "run", &["started", "approved", "overridden"]),
];

const FIRST_NAMES: [&str; 12] = [
    "Amara", "Björn", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hiroshi", "Ines", "Jürgen", "Keiko",
    "Lindiwe",
];

const LAST_NAMES: [&str; 12] = [
    "Okafor",
    "Lindqvist",
    "Rossi",
    "Volkov",
    "Dubois",
    "Haddad",
    "Murphy",
    "Tanaka",
    "Fonseca",
    "Weiß",
    "Sato",
    "Dlamini",
];

const THING_NAMES: [&str; 10] = [
    "Quarterly close – EMEA",
    "Default deny for contractors",
    "Customer exports, encrypted",
    "Rotating on-call access",
    "Invoices 2026 \\\"north\\\"",
    "Laptop baseline, level 2",
    "Payroll reviewers",
    "Staging cluster operators",
    "Model registry, regulated",
    "Third-party risk questionnaire",
];

const REASONS: [&str; 8] = [
    "Requested by the owner in ticket CHG-20418 and approved by the second line of defence.",
    "Periodic access review, no longer needed for the role.",
    "Break-glass access during incident INC-7731; to be reviewed within 24 hours.",
    "Contract ended on the last day of the month.",
    "Correction of a wrong value that was imported from the former system.",
    "Automated: the device did not report its compliance state for 14 days.",
    "Legal hold requested by counsel, see the attached order for scope and duration.",
    "Onboarding checklist, step 4 of 9.",
];

const USER_AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "console-cli/4.2.1 (linux; amd64) go/1.25",
    "python-requests/2.32.5",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];

const SIGN_INS: [&str; 4] = [
    r#"{"method":"oidc","provider":"login.example/realms/staff","factors":["password","totp"]}"#,
    r#"{"method":"saml","provider":"idp.example/saml2","factors":["password","webauthn"]}"#,
    r#"{"method":"api_key","provider":null,"factors":["key"]}"#,
    r#"{"method":"passkey","provider":"login.example/passkeys","factors":["webauthn"]}"#,
];

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn text(body: &serde_json::Value, pointer: &str) -> String {
        body.pointer(pointer).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn a_seed_gives_the_same_entries_whole_or_in_part() {
        let all: Vec<Entry> = Entries::new(7, 0..100).collect();
        assert_eq!(all, Entries::new(7, 0..100).collect::<Vec<_>>());
        assert_eq!(all[60..], Entries::new(7, 60..100).collect::<Vec<_>>());
        assert_ne!(all, Entries::new(8, 0..100).collect::<Vec<_>>());
    }

    #[test]
    fn bodies_are_json_lines_that_hold_what_the_entry_says() {
        for entry in Entries::new(1, 0..2_000) {
            assert!(!entry.body.contains(&b'\n'));
            let body: serde_json::Value = serde_json::from_slice(&entry.body).unwrap();
            assert_eq!(text(&body, "/tenant"), entry.tenant);
            assert_eq!(text(&body, "/id"), entry.id);
            assert_eq!(text(&body, "/correlation_id"), entry.corr);
            assert!(!body["changes"].as_array().unwrap().is_empty());
        }
    }

    #[test]
    fn entries_are_846_bytes_on_average() {
        let count = 20_000;
        let bytes: usize = Entries::new(1, 0..count).map(|entry| entry.body.len()).sum();
        let mean = bytes as f64 / count as f64;
        assert!((mean - 846.0).abs() < 5.0, "{mean} bytes");
    }

    #[test]
    fn ids_are_unique_and_five_entries_of_one_tenant_share_a_correlation() {
        let mut ids = HashSet::new();
        let mut correlated: HashMap<String, Vec<String>> = HashMap::new();
        for entry in Entries::new(3, 0..40_000) {
            assert!(ids.insert(entry.id));
            correlated.entry(entry.corr).or_default().push(entry.tenant);
        }
        assert_eq!(correlated.len(), 8_000);
        let tenants: HashSet<&String> = correlated.values().flatten().collect();
        assert_eq!(tenants.len(), 200);
        for of_one in correlated.values() {
            assert_eq!(of_one.len(), 5);
            assert!(of_one.iter().all(|tenant| *tenant == of_one[0]));
        }
    }
}
