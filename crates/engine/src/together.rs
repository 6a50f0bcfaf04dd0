//! Several requests at once, every one of them to its end: a driver's future that is dropped in mid-flight leaves its
//! connection, and whatever the server does for it, to nobody.

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

/// The results of all futures in their order, `jobs` of them at once. After the first failure no further one is begun, those
/// under way are waited for, and that failure is returned.
pub(crate) async fn all<T, E, F>(jobs: usize, futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = futures.into_iter();
    let mut running = FuturesOrdered::new();
    let (mut done, mut failure) = (Vec::new(), None);
    loop {
        while running.len() < jobs.max(1) && failure.is_none() {
            let Some(next) = waiting.next() else { break };
            running.push_back(next);
        }
        match running.next().await {
            Some(Ok(value)) => done.push(value),
            Some(Err(error)) => _ = failure.get_or_insert(error),
            None => return failure.map_or(Ok(done), Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::yield_now;

    #[tokio::test]
    async fn after_a_failure_those_under_way_end_and_no_other_begins() {
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = |place: usize| {
            let (begun, ended) = (&begun, &ended);
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                for _ in 0..place * 10 {
                    yield_now().await;
                }
                ended.fetch_add(1, Ordering::Relaxed);
                if place == 1 { Err(place) } else { Ok(place) }
            }
        };
        assert_eq!(all(4, (0..50).map(one)).await, Err(1));
        let (begun, ended) = (begun.into_inner(), ended.into_inner());
        assert!(begun == ended && begun < 10, "{begun} begun, {ended} ended");
        assert_eq!(all(3, (2..9).map(|place| async move { Ok::<_, ()>(place) })).await, Ok((2..9).collect()));
    }
}
