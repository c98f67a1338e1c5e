//! What a crash leaves behind, planned by reading alone, then applied.

pub(crate) mod apply;
pub(crate) mod copies;
pub(crate) mod heads;
pub(crate) mod identity;
mod indexes;
mod inventory;
mod plan;
mod planner;
mod reading;
mod rest;
mod tail;
mod unrecorded;

pub(crate) use heads::head_name;
pub use identity::genesis;
pub(crate) use identity::{is_genesis, lost_identity, read_identity};
pub(crate) use inventory::{Found, Inventory, SealFound, Seals};
pub use plan::{Adopted, Plan, TornTail, plan};
pub(crate) use tail::{Tail, classify};
