//! All writers at once: prepared, let loose, stopped.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bson::Timestamp;
use mongodb::Client;
use tokio::task::JoinHandle;

use super::model::Model;
use super::pen::{Pen, Written};
use super::writers::{
    bank::Bank, catalog::Catalog, counters::Counters, documents::Documents, large::Large,
    measurements::Measurements, ring::Ring, sweeper::Sweeper,
};
use crate::Binary;
use crate::corpus::Random;

/// One kind of writer.
pub(super) trait Writer: Send + 'static {
    /// The databases that are this writer's alone.
    fn databases(&self) -> Vec<String>;

    /// Milliseconds between two steps, at most.
    fn pause(&self) -> usize {
        12
    }

    /// What has to be there before the first step.
    fn prepare(&mut self, pen: &mut Pen) -> impl Future<Output = ()> + Send;

    /// Changes something.
    fn step(&mut self, pen: &mut Pen) -> impl Future<Output = ()> + Send;
}

/// What a server can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Time series, from 5.0 on.
    pub time_series: bool,
    /// Megabytes of a large transaction; it takes several entries above 16.
    pub transaction_mb: usize,
}

impl Load {
    /// What this version can take.
    pub fn of_version(version: &str) -> Self {
        let binary = Binary { version: version.to_owned(), path: "".into(), library_path: None };
        let is_5_0 = binary.is_at_least(5, 0);
        Self { time_series: is_5_0, transaction_mb: if is_5_0 { 24 } else { 18 } }
    }
}

/// Writers at work.
#[must_use = "writers go on until they are stopped"]
pub struct Writers {
    client: Client,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Written>>,
    prepared: Timestamp,
}

impl Writers {
    /// Prepares an empty deployment and lets every kind of writer loose on it. The client must survive elections.
    pub async fn start(client: &Client, seed: u64, load: Load) -> Self {
        let mut begun = Begun { client, random: Random::new(seed), writers: Self::none(client) };
        begun.add(Sweeper::default()).await;
        begun.add(Bank::new(0)).await;
        begun.add(Bank::new(1)).await;
        begun.add(Counters::new(0)).await;
        begun.add(Counters::new(1)).await;
        begun.add(Documents::default()).await;
        begun.add(Catalog::default()).await;
        begun.add(Large::new(load.transaction_mb)).await;
        begun.add(Ring::default()).await;
        if load.time_series {
            begun.add(Measurements::default()).await;
        }
        begun.writers
    }

    fn none(client: &Client) -> Self {
        let zero = Timestamp { time: 0, increment: 0 };
        Self { client: client.clone(), stop: Arc::default(), tasks: Vec::new(), prepared: zero }
    }

    /// Lets every writer finish its step and gives back what they did.
    ///
    /// # Panics
    /// When a writer failed, or the oplog does not show what it did.
    pub async fn stop(self) -> Model {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for task in self.tasks {
            let written = task.await.expect("a writer that comes to its end");
            all.databases.extend(written.databases);
            all.steps.extend(written.steps);
            all.refused.extend(written.refused);
        }
        Model::settle(&self.client, all, self.prepared).await
    }
}

/// Writers that are being prepared.
struct Begun<'a> {
    client: &'a Client,
    random: Random,
    writers: Writers,
}

impl Begun<'_> {
    async fn add<W: Writer>(&mut self, mut writer: W) {
        let mut pen = Pen::new(self.client, writer.databases(), self.random.bits()).await;
        writer.prepare(&mut pen).await;
        self.writers.prepared = self.writers.prepared.max(pen.time());
        let stop = Arc::clone(&self.writers.stop);
        self.writers.tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                writer.step(&mut pen).await;
                let pause = pen.random.below(writer.pause() + 1);
                tokio::time::sleep(Duration::from_millis(pause as u64)).await;
            }
            pen.finish()
        }));
    }
}
