//! The figures of one measured run, and the median of several.

/// One run of a program, measured from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Wall time of the whole process, seconds.
    pub seconds: f64,
    /// CPU of the process, user and system, seconds; none where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// The most memory it had resident, bytes; none where the system does not tell.
    pub rss_bytes: Option<u64>,
    /// Documents it read.
    pub documents: u64,
    /// Their raw BSON, bytes.
    pub bytes: u64,
    /// What it wrote, bytes.
    pub archive_bytes: u64,
}

impl Sample {
    /// Raw bytes a second.
    pub fn bytes_per_second(&self) -> f64 {
        per(self.bytes as f64, self.seconds)
    }

    /// Documents a second.
    pub fn documents_per_second(&self) -> f64 {
        per(self.documents as f64, self.seconds)
    }

    /// Raw bytes for each byte written.
    pub fn ratio(&self) -> f64 {
        per(self.bytes as f64, self.archive_bytes as f64)
    }
}

fn per(amount: f64, by: f64) -> f64 {
    if by > 0.0 { amount / by } else { 0.0 }
}

/// The median of each figure by itself; nothing where nothing was measured.
pub fn median(samples: &[Sample]) -> Option<Sample> {
    if samples.is_empty() {
        return None;
    }
    let numbers = |of: fn(&Sample) -> u64| middle_whole(samples.iter().map(of).collect());
    Some(Sample {
        seconds: middle(samples.iter().map(|sample| sample.seconds).collect())?,
        cpu_seconds: middle(samples.iter().filter_map(|sample| sample.cpu_seconds).collect()),
        rss_bytes: middle_whole(samples.iter().filter_map(|sample| sample.rss_bytes).collect()),
        documents: numbers(|sample| sample.documents)?,
        bytes: numbers(|sample| sample.bytes)?,
        archive_bytes: numbers(|sample| sample.archive_bytes)?,
    })
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(low.midpoint(*high))
}

fn middle_whole(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(low.midpoint(*high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: f64, rss_bytes: Option<u64>) -> Sample {
        Sample { seconds, rss_bytes, documents: 100, bytes: 1000, archive_bytes: 250, ..Sample::default() }
    }

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[sample(2.0, None)]), Some(sample(2.0, None)));
        let three = [sample(3.0, Some(10)), sample(1.0, Some(30)), sample(2.0, Some(20))];
        assert_eq!(median(&three), Some(sample(2.0, Some(20))));
        assert_eq!(median(&three[..2]), Some(sample(2.0, Some(20))), "the mean of two");
        // A system that does not tell leaves a gap, not a zero.
        assert_eq!(median(&[sample(1.0, None), sample(3.0, None)]), Some(sample(2.0, None)));
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these divide exactly")]
    fn rates_need_time() {
        let sample = sample(2.0, None);
        assert_eq!(
            [sample.bytes_per_second(), sample.documents_per_second(), sample.ratio()],
            [500.0, 50.0, 4.0]
        );
        assert_eq!(Sample::default().bytes_per_second(), 0.0);
    }
}
