//! A ledger to which the steps of a plan happen, and the rules that are checked after each.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_engine::clock::Clock;
use ledgerstone_engine::storage::Storage;
use ledgerstone_engine::storage::sim::Survival;
use ledgerstone_engine::{ClockWord, Code, Error, ErrorKind, Reader, Recovered, Step as Turn};

use super::clock::last_micros;
use super::damage;
use super::entries::{batch, families, is_sized, key_of};
use super::files::Files;
use super::model::{Broken, Fate, Model, check_told_once};
use super::plan::{Place, Plan, Random, Step};
use super::tally::Tally;
use super::troubles::Troubles;
use crate::machine::{Machine, Running};

/// Turns after which a writer that is to answer has hung.
const TURNS_MAX: usize = 1_000;
/// Room on a disk that is not full.
const ROOM_BYTES: u64 = 1 << 40;
const HOUR_MICROS: i64 = 3_600_000_000;

/// One ledger, from before its creation on.
#[derive(Debug)]
pub(super) struct World {
    machine: Machine,
    running: Option<Running>,
    model: Model,
    /// Whether somebody was told that the ledger is there.
    created: bool,
    /// Whether the open ledger has failed and takes nothing more.
    latched: bool,
    troubles: Troubles,
    /// What the wall clock would say if nobody had turned it.
    true_micros: i64,
    /// What no step says: how a crash that nobody asked for falls out.
    random: Random,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        let machine = Machine::judged_here_alone(plan.signed).with(|options| {
            options.segment_bytes = plan.segment_bytes;
            options.disk_free_min_bytes = plan.reserve_bytes;
            options.filler_bytes_max = plan.filler_bytes;
            if plan.seed % 2 == 1 {
                options.families = families();
            }
        });
        let true_micros = machine.clock.wall_micros();
        Self {
            machine,
            running: None,
            model: Model::default(),
            created: false,
            latched: false,
            troubles: Troubles::default(),
            true_micros,
            random: Random::new(plan.seed),
            tally: Tally::default(),
        }
    }

    /// Does a step and checks what can be checked after it.
    pub(super) fn play(&mut self, step: &Step) -> Result<(), Broken> {
        self.act(step)?;
        self.model.see_heads(&self.machine)?;
        self.model.check_heads_are_behind()
    }

    /// Mends everything, opens, closes, and lets the power go: nothing is to be found.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.mend();
        self.open()?;
        self.close()?;
        self.machine = self.machine.crash(Survival::LoseAll);
        self.judge(&[])?;
        self.read()
    }

    fn act(&mut self, step: &Step) -> Result<(), Broken> {
        match step {
            Step::Append(batches) => self.append(batches),
            Step::Pass(span) => self.pass(*span),
            Step::Seal => self.seal(),
            Step::Close => self.close(),
            Step::SecondWriter => self.second_writer(),
            Step::Kill { pages_lost } => self.kill(*pages_lost),
            Step::PowerLoss { seed } => self.lose_power(*seed),
            Step::Mend => {
                self.mend();
                self.check_closed()
            }
            Step::Damage { seed, harm } => {
                if self.created && !self.troubles.unreadable {
                    damage::play(&self.machine, *seed, *harm, &mut self.tally)?;
                }
                Ok(())
            }
            trouble => {
                self.restart_if_failed()?;
                self.trouble(trouble);
                Ok(())
            }
        }
    }

    fn trouble(&mut self, step: &Step) {
        let disk = |place: &Place| match place {
            Place::Ledger => &self.machine.disk,
            Place::Keys => &self.machine.keys.own,
        };
        match step {
            Step::PowerOff { place, after } => {
                self.troubles.planned = true;
                disk(place).power_off_at(disk(place).operations() + after);
            }
            Step::Fault { place, after, fault } => {
                self.troubles.planned = true;
                disk(place).fail_at(disk(place).operations() + after, *fault);
            }
            Step::PagesLost { after } => {
                self.troubles.pages_go = true;
                let disk = &self.machine.disk;
                disk.drop_clean_pages_at(disk.operations() + after);
            }
            Step::Room(bytes) => {
                self.troubles.lasting = true;
                self.machine.disk.set_free_bytes(*bytes);
            }
            Step::Unreadable { seed } => {
                self.troubles.unreadable = damage::make_unreadable(&self.machine, *seed);
            }
            Step::ClockJump(seconds) => {
                self.troubles.lasting = true;
                let wall = self.machine.clock.wall_micros();
                let micros = seconds.saturating_mul(1_000_000);
                self.machine.clock.turn_to(wall.saturating_add(micros));
            }
            Step::ClockWord => {
                self.machine.options.accept_clock = Some(ClockWord {
                    reason: "the battery was empty".to_owned(),
                    by: "operator@host".to_owned(),
                });
            }
            _ => {}
        }
    }

    fn append(&mut self, batches: &[Vec<usize>]) -> Result<(), Broken> {
        self.open_if_closed()?;
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        let mut tickets = Vec::new();
        let size = self.model.size();
        for lengths in batches {
            let batch = batch(running, lengths, size);
            let keys = lengths.iter().map(|bytes| key_of(*bytes)).collect();
            let number = self.model.submit(&batch, keys);
            match running.ledger.submit(batch) {
                Ok(ticket) => tickets.push((number, is_sized(lengths), ticket)),
                Err(_) => self.model.tell(number, Fate::Absent),
            }
        }
        let mut turns = 0..TURNS_MAX;
        // Batches that depend on the group before them wait in the writer, and not in the queue.
        loop {
            match running.writer.step() {
                Turn::Committed(_) => {}
                Turn::Closed => {
                    self.latched = true;
                    break;
                }
                Turn::Ended | Turn::Idle if running.ledger.stats().queue_records == 0 => break,
                Turn::Ended | Turn::Idle => {}
            }
            turns.next().ok_or("the writer takes nothing and says nothing")?;
        }
        for (number, sized, ticket) in tickets {
            match ticket.wait() {
                Ok(receipts) => {
                    let (replayed, fresh): (Vec<_>, Vec<_>) =
                        receipts.iter().partition(|receipt| receipt.replayed);
                    if let Some(first) = fresh.first().filter(|first| sized && first.seq != size) {
                        return Err(format!(
                            "seq {} was to be stored at {size} or not at all",
                            first.seq
                        ));
                    }
                    self.model.acknowledge(number, &receipts)?;
                    self.tally.stored += fresh.len() as u64;
                    self.tally.replayed += replayed.len() as u64;
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.tally.conflicts += 1;
                    self.model.tell(number, Fate::Absent);
                }
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    self.tally.unknown += 1;
                    self.model.tell(number, Fate::Unknown);
                }
                Err(_) => {
                    self.tally.refused += 1;
                    self.model.tell(number, Fate::Absent);
                }
            }
        }
        self.check_running()
    }

    fn pass(&mut self, span: Duration) -> Result<(), Broken> {
        self.machine.clock.pass(span);
        self.true_micros += i64::try_from(span.as_micros()).map_err(|error| error.to_string())?;
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        self.latched |= running.writer.step() == Turn::Closed;
        self.check_running()
    }

    fn seal(&mut self) -> Result<(), Broken> {
        self.open_if_closed()?;
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        self.latched |= running.writer.seal().is_err();
        self.check_running()
    }

    fn close(&mut self) -> Result<(), Broken> {
        let Some(Running { ledger, mut writer }) = self.running.take() else {
            return Ok(());
        };
        drop(ledger);
        let mut turns = 0..TURNS_MAX;
        while writer.step() != Turn::Closed {
            turns.next().ok_or("the writer does not come to an end")?;
        }
        drop(writer);
        let clean = !self.latched && !self.troubles.any();
        self.latched = false;
        self.judge(if clean { &[] } else { &[Code::Unfinished] })?;
        self.read()
    }

    fn second_writer(&mut self) -> Result<(), Broken> {
        if self.running.is_none() || !self.is_readable() {
            return Ok(());
        }
        match self.machine.open() {
            Err(error) if error.kind() == ErrorKind::Held => Ok(()),
            Err(error) => Err(format!("a second writer is told: {error}")),
            Ok(_) => Err("two processes have the ledger open for writing".to_owned()),
        }
    }

    fn kill(&mut self, pages_lost: bool) -> Result<(), Broken> {
        if self.is_off() {
            let seed = self.random.number();
            return self.lose_power(seed);
        }
        self.tally.kills += 1;
        self.boot(Machine::kill);
        if pages_lost {
            self.machine.disk.drop_clean_pages();
        }
        self.check_closed()
    }

    fn lose_power(&mut self, seed: u64) -> Result<(), Broken> {
        self.tally.power_losses += 1;
        self.model.see_heads(&self.machine)?;
        self.boot(|machine| machine.crash(Survival::Seeded(seed)));
        self.check_closed()
    }

    /// The next process, or the machine started again. What was planned for this boot does not happen any more.
    fn boot(&mut self, how: impl FnOnce(&Machine) -> Machine) {
        self.running = None;
        self.latched = false;
        self.machine = how(&self.machine);
        self.troubles.planned = false;
        self.troubles.pages_go = false;
    }

    fn mend(&mut self) {
        if self.is_off() {
            let seed = self.random.number();
            self.boot(|machine| machine.crash(Survival::Seeded(seed)));
        } else {
            self.boot(Machine::kill);
        }
        self.machine.disk.set_free_bytes(ROOM_BYTES);
        self.machine.disk.make_readable();
        self.machine.options.accept_clock = None;
        self.set_clock_right();
        self.troubles = Troubles::default();
    }

    /// As it would be had nobody turned it, unless records were given a time that this does not fit.
    fn set_clock_right(&mut self) {
        if let Some(last) = last_micros(&self.machine)
            && !(last - HOUR_MICROS..last + 400 * 24 * HOUR_MICROS).contains(&self.true_micros)
        {
            self.true_micros = last + 1_000_000;
        }
        self.machine.clock.turn_to(self.true_micros);
    }

    fn is_off(&self) -> bool {
        let off = |disk| Storage::free_bytes(disk).is_err();
        off(&self.machine.disk) || off(&self.machine.keys.own)
    }

    fn is_readable(&self) -> bool {
        !self.troubles.unreadable && !self.is_off()
    }

    fn open_if_closed(&mut self) -> Result<(), Broken> {
        self.restart_if_failed()?;
        if self.running.is_none() {
            self.open()?;
        }
        Ok(())
    }

    /// A ledger that has failed, or has no power, is of no more use: whoever runs it starts again.
    fn restart_if_failed(&mut self) -> Result<(), Broken> {
        if !self.latched && !self.is_off() {
            return Ok(());
        }
        match self.random.below(3) {
            0 => self.kill(false),
            1 => self.kill(true),
            _ => {
                let seed = self.random.number();
                self.lose_power(seed)
            }
        }
    }

    /// Opens for writing. Where something outside keeps it from that, nothing is lost, and once that is mended it
    /// opens.
    fn open(&mut self) -> Result<(), Broken> {
        let Some(why) = self.try_open()? else {
            return Ok(());
        };
        if !self.troubles.any() {
            return Err(format!(
                "nothing is wrong outside, and it does not open for writing: {why}"
            ));
        }
        self.tally.refused_openings += 1;
        self.mend();
        self.check_closed()?;
        match self.try_open()? {
            None => Ok(()),
            Some(why) => Err(format!(
                "all that was wrong outside is mended, and it does not open: {why}"
            )),
        }
    }

    /// The reason why it does not open for writing, if there is one.
    fn try_open(&mut self) -> Result<Option<Error>, Broken> {
        let before = Files::of(&self.machine);
        let opened = self.open_or_create();
        if !self.troubles.pages_go {
            before.check_kept(&Files::of(&self.machine))?;
        }
        let refused = match opened {
            Err(error) => error,
            Ok((running, mut recovered)) => match recovered.read_only.take() {
                None => {
                    self.take_over(running, &recovered)?;
                    return Ok(None);
                }
                Some(error) => {
                    if self.is_readable() && !self.troubles.pages_go {
                        self.model.check(&running.ledger.snapshot())?;
                    }
                    error
                }
            },
        };
        let explained = self.troubles.pages_go || !self.is_readable();
        let called_lost = matches!(refused.kind(), ErrorKind::Corrupt)
            || self.created && refused.kind() == ErrorKind::Missing;
        if called_lost && !explained {
            return Err(format!("a crash is called damage: {refused}"));
        }
        Ok(Some(refused))
    }

    fn take_over(&mut self, running: Running, recovered: &Recovered) -> Result<(), Broken> {
        self.created = true;
        self.tally.opened(recovered);
        self.model.see_heads(&self.machine)?;
        let snapshot = running.ledger.snapshot();
        self.running = Some(running);
        if !self.is_readable() {
            let readable = self.machine.kill();
            readable.disk.make_readable();
            let reader = Reader::open(Arc::new(readable.disk)).and_then(|reader| reader.snapshot());
            self.model.settle(&reader.map_err(|error| error.to_string())?)?;
            return self.restart_if_failed();
        }
        self.model.settle(&snapshot)?;
        check_told_once(&self.machine, &snapshot)?;
        if snapshot.head_size() != Some(self.model.size()) {
            let head = snapshot.head_size();
            return Err(format!(
                "open, with a head over {head:?} of {} records",
                self.model.size()
            ));
        }
        self.judge(&[])
    }

    fn open_or_create(&mut self) -> Result<(Running, Recovered), Error> {
        match self.machine.open() {
            Err(error) if error.kind() == ErrorKind::Missing && !self.created => {
                let running = self.machine.create()?;
                Ok((running, Recovered::default()))
            }
            opened => opened,
        }
    }

    /// While it is open: its readers see what was acknowledged, and no more.
    fn check_running(&mut self) -> Result<(), Broken> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let snapshot = running.ledger.snapshot();
        if snapshot.size() != self.model.size() {
            let (shown, told) = (snapshot.size(), self.model.size());
            return Err(format!("{shown} records are shown, {told} were acknowledged"));
        }
        if self.is_readable() {
            self.model.check(&snapshot)?;
        }
        Ok(())
    }

    /// While nobody has it open: both verdict and readers say that a crash is no damage.
    fn check_closed(&mut self) -> Result<(), Broken> {
        self.judge(&[Code::Unfinished])?;
        self.read()
    }

    fn judge(&mut self, allowed: &[Code]) -> Result<(), Broken> {
        if !self.created || !self.is_readable() {
            return Ok(());
        }
        self.tally.verdicts += 1;
        let report = self.machine.verify();
        let mut findings = report.findings.iter();
        match findings.find(|finding| !allowed.contains(&finding.code)) {
            None => Ok(()),
            Some(finding) => Err(format!("verify finds [{}]: {finding}", finding.code.number())),
        }
    }

    /// What somebody reads who has no lock.
    fn read(&mut self) -> Result<(), Broken> {
        if !self.created || !self.is_readable() {
            return Ok(());
        }
        let reader = Reader::open(Arc::new(self.machine.disk.clone()));
        let snapshot = reader.and_then(|reader| reader.snapshot());
        let snapshot = snapshot.map_err(|error| format!("it cannot be read: {error}"))?;
        self.model.check(&snapshot)
    }
}
