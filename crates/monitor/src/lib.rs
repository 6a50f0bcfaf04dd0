//! What a run reports while it goes and when it is done: progress of each item, warnings,
//! failures, stage timings. It keeps numbers and hands notices to an observer; it draws nothing.

mod item;
mod record;

pub use item::{Item, ItemSnapshot, ItemState};
pub use record::{Failure, Record, StageTime, Warning};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Something that happened, told to the observer at once.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A step of the run, for the person who watches.
    Step(String),
    /// A detail that only a verbose run shows.
    Detail(String),
    /// An item began.
    Started(ItemSnapshot),
    /// An item ended.
    Finished(ItemSnapshot),
    /// Something to know that lost nothing.
    Warning(Warning),
    /// Something that was not carried over.
    Failure(Failure),
}

/// Who is told of notices. Called from any task; it must not block for long.
pub trait Observer: Send + Sync {
    /// One notice.
    fn notice(&self, notice: &Notice);
}

struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &Notice) {}
}

#[derive(Default)]
struct State {
    running: Vec<Item>,
    finished: Vec<ItemSnapshot>,
    warnings: Vec<Warning>,
    failures: Vec<Failure>,
    stages: Vec<StageTime>,
}

struct Inner {
    observer: Box<dyn Observer>,
    started: Instant,
    state: Mutex<State>,
    bytes_out: std::sync::atomic::AtomicU64,
}

/// The one place a run reports to. Clones share it.
#[derive(Clone)]
pub struct Monitor {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Monitor")
    }
}

impl Monitor {
    /// A monitor that tells this observer.
    pub fn new(observer: impl Observer + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                observer: Box::new(observer),
                started: Instant::now(),
                state: Mutex::default(),
                bytes_out: std::sync::atomic::AtomicU64::new(0),
            }),
        }
    }

    /// A monitor that only keeps the record.
    pub fn silent() -> Self {
        Self::new(Silent)
    }

    /// Begins an item. `documents` and `bytes` are what is expected, 0 where unknown.
    pub fn item(&self, name: impl Into<String>, documents: u64, bytes: u64) -> Item {
        let item = Item::new(name.into(), documents, bytes);
        self.state().running.push(item.clone());
        self.tell(&Notice::Started(item.snapshot()));
        item
    }

    /// Ends an item; its figures go to the record.
    pub fn finish(&self, item: &Item) {
        item.close();
        let snapshot = item.snapshot();
        {
            let mut state = self.state();
            state.running.retain(|other| !other.same(item));
            state.finished.push(snapshot.clone());
        }
        self.tell(&Notice::Finished(snapshot));
    }

    /// Tells of a step.
    pub fn step(&self, text: impl Into<String>) {
        self.tell(&Notice::Step(text.into()));
    }

    /// Tells of a detail.
    pub fn detail(&self, text: impl Into<String>) {
        self.tell(&Notice::Detail(text.into()));
    }

    /// Records a warning. `subject` is the namespace or thing it is about.
    pub fn warn(&self, subject: impl Into<String>, message: impl Into<String>) {
        let warning = Warning { subject: subject.into(), message: message.into() };
        self.state().warnings.push(warning.clone());
        self.tell(&Notice::Warning(warning));
    }

    /// Records something that was not carried over; the run will not end with exit code 0.
    pub fn fail(&self, subject: impl Into<String>, message: impl Into<String>, documents: u64) {
        let failure = Failure { subject: subject.into(), message: message.into(), documents };
        self.state().failures.push(failure.clone());
        self.tell(&Notice::Failure(failure));
    }

    /// Records how long a stage took.
    pub fn stage(&self, name: &'static str, since: Instant) {
        let stage = StageTime { name, seconds: since.elapsed().as_secs_f64() };
        self.state().stages.push(stage);
    }

    /// Adds to the bytes written to (or read from) the archive.
    pub fn add_archive_bytes(&self, bytes: u64) {
        self.inner.bytes_out.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    /// What runs now, oldest first.
    pub fn running(&self) -> Vec<ItemSnapshot> {
        self.state().running.iter().map(Item::snapshot).collect()
    }

    /// Whether anything failed so far.
    pub fn has_failures(&self) -> bool {
        !self.state().failures.is_empty()
    }

    /// All that was reported up to now.
    pub fn record(&self) -> Record {
        let state = self.state();
        Record {
            seconds: self.inner.started.elapsed().as_secs_f64(),
            items: state.finished.clone(),
            warnings: state.warnings.clone(),
            failures: state.failures.clone(),
            stages: state.stages.clone(),
            archive_bytes: self.inner.bytes_out.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    fn tell(&self, notice: &Notice) {
        self.inner.observer.notice(notice);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_happened_and_forgets_what_ended() {
        let monitor = Monitor::silent();
        let a = monitor.item("db.a", 10, 1000);
        let b = monitor.item("db.b", 0, 0);
        a.add(4, 400);
        assert_eq!(monitor.running().len(), 2);
        a.add(6, 600);
        monitor.finish(&a);
        monitor.warn("db.b", "odd");
        monitor.fail("db.b", "lost", 3);
        let record = monitor.record();
        assert_eq!(record.items.len(), 1);
        assert_eq!((record.items[0].documents, record.items[0].bytes), (10, 1000));
        assert_eq!(record.failed_documents(), 3);
        assert!(monitor.has_failures());
        assert_eq!(monitor.running()[0].name, b.snapshot().name);
    }
}
