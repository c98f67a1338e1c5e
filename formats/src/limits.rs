//! Every limit of the format, with its unit last in the name.

/// Largest sequence number, tenant sequence number and revision: 2^53 − 1, the largest integer that every JSON reader
/// keeps.
pub const SEQUENCE_MAX: u64 = (1 << 53) - 1;
/// Longest canonical header.
pub const HEADER_BYTES_MAX: usize = 2_048;
/// Longest `kind`.
pub const KIND_BYTES_MAX: usize = 64;
/// Longest `tenant`, before escaping.
pub const TENANT_BYTES_MAX: usize = 128;
/// Longest `id`, before escaping.
pub const ID_BYTES_MAX: usize = 256;
/// Longest `corr`, before escaping.
pub const CORRELATION_BYTES_MAX: usize = 256;
/// Longest `key`, before escaping.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest name of a declared index.
pub const INDEX_NAME_BYTES_MAX: usize = 64;
/// Most indexes that one kind declares.
pub const INDEXES_MAX: usize = 32;
/// Most parts of a declared index.
pub const INDEX_PARTS_MAX: usize = 8;
/// Longest pointer of a declared index.
pub const INDEX_POINTER_BYTES_MAX: usize = 512;
/// Longest value by which a record can be found, in bytes of UTF-8.
pub const INDEX_VALUE_BYTES_MAX: usize = 256;
/// Most keys that one record has in one index.
pub const INDEX_KEYS_MAX: usize = 1_024;
/// Longest body unless the ledger's options say otherwise.
pub const BODY_BYTES_MAX_DEFAULT: usize = 2 << 20;
/// Longest body there can be.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a payload around its body: `{"salt":"` + 32 hex + `","body":` + `}`.
pub const PAYLOAD_OVERHEAD_BYTES: usize = 9 + 2 * SALT_BYTES + 9 + 1;
/// Bytes of a line that belong neither to its header nor to its payload's inside: `,"hash":"` + 64 hex + `",`, less
/// one brace of each.
pub const LINE_OVERHEAD_BYTES: usize = 9 + 64 + 2 - 2;
/// Longest line, its LF included.
pub const LINE_BYTES_MAX: usize =
    HEADER_BYTES_MAX + LINE_OVERHEAD_BYTES + PAYLOAD_OVERHEAD_BYTES + BODY_BYTES_MAX + 1;
/// Deepest nesting of a body; its own braces are 1.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most records of one commit group, and of one batch.
pub const GROUP_RECORDS_MAX: usize = 65_536;
/// Most bytes of one commit group, and of one batch, as lines.
pub const GROUP_BYTES_MAX: usize = 64 << 20;
/// Segment size at which a new one is begun, unless the ledger's options say otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 256 << 20;
/// Largest segment: offsets fit in 32 bits with room for a group.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// The unit in which a disk tears a write.
pub const SECTOR_BYTES: u64 = 512;
/// Filler ends at a multiple of this.
pub const FILLER_BYTES_ALIGN: u64 = 4_096;
/// Shortest and longest origin.
pub const ORIGIN_BYTES_MIN: usize = 3;
/// See [`ORIGIN_BYTES_MIN`].
pub const ORIGIN_BYTES_MAX: usize = 255;
