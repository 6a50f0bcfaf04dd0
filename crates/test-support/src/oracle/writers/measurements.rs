//! Time series: measurements that fill buckets and begin new ones.

use bson::{DateTime, Document, doc};

use super::insert;
use crate::oracle::pen::Pen;
use crate::oracle::writer::Writer;

const DATABASE: &str = "measured";
/// After so many measurements a series is dropped and begun anew, and buckets stay few.
const MEASUREMENTS: i64 = 150;

#[derive(Default)]
pub(in crate::oracle) struct Measurements {
    measured: i64,
}

impl Measurements {
    async fn create(pen: &mut Pen) {
        let series = doc! { "timeField": "t", "metaField": "m" };
        pen.observed(DATABASE, doc! { "create": "series", "timeseries": series }).await;
    }

    fn measurement(&mut self, pen: &mut Pen) -> Document {
        self.measured += 1;
        // Sometimes further away than one bucket reaches.
        let far = if pen.random.below(10) == 0 { 90_000_000 } else { 0 };
        let time = DateTime::from_millis(1_700_000_000_000 + self.measured * 10_000 + far);
        let sensor = i32::try_from(pen.random.below(3)).expect("a small number");
        doc! { "t": time, "m": { "sensor": sensor }, "_id": self.measured, "v": pen.random.fraction() }
    }
}

impl Writer for Measurements {
    fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    fn pause(&self) -> usize {
        25
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        Self::create(pen).await;
    }

    async fn step(&mut self, pen: &mut Pen) {
        let some: Vec<Document> = (0..=pen.random.below(4)).map(|_| self.measurement(pen)).collect();
        pen.observed_write(DATABASE, insert("series", some)).await;
        if self.measured > MEASUREMENTS {
            self.measured = 0;
            pen.observed(DATABASE, doc! { "drop": "series" }).await;
            Self::create(pen).await;
        }
    }
}
