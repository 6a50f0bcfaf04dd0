//! Zero timestamps, which a server replaces on insert.

use crate::elements::{blame, body, head};
use crate::error::Result;
use crate::kind::{TIMESTAMP, value_len};

/// Whether an insert of `doc` would have a value replaced: an element of the top level, other than
/// `_id`, that is a timestamp of zero. Keys and values are skipped, not compared, until one is met.
pub fn has_zero_timestamp(doc: &[u8]) -> Result<bool> {
    let body = body(doc)?;
    let mut at = 4;
    while at < body.len() {
        let head = head(body, at)?;
        let len = value_len(head.kind, body, head.value).map_err(|error| blame(error, at))?;
        if head.kind == TIMESTAMP
            && is_zero(body, head.value)
            && body.get(at + 1..head.value) != Some(b"_id\0")
        {
            return Ok(true);
        }
        at = head.value + len;
    }
    Ok(false)
}

fn is_zero(body: &[u8], at: usize) -> bool {
    body.get(at..at + 8) == Some(&[0; 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    type Fill = dyn Fn(&mut Builder);

    #[test]
    fn only_a_zero_timestamp_of_the_top_level_counts() {
        let cases: [(&Fill, bool); 8] = [
            (&|_| {}, false),
            (&|b| _ = b.timestamp("a", 0, 0), true),
            (&|b| _ = b.timestamp("", 0, 0), true),
            (&|b| _ = b.timestamp("_id", 0, 0), false),
            (&|b| _ = b.timestamp("_id", 0, 0).str("s", "x").timestamp("_idx", 0, 0), true),
            (&|b| _ = b.timestamp("a", 0, 1).timestamp("b", 1, 0), false),
            (&|b| _ = b.i64("a", 0).f64("b", 0.0).date("c", 0), false),
            (&|b| _ = b.nested("sub", |s| _ = s.timestamp("a", 0, 0)), false),
        ];
        for (index, (fill, expected)) in cases.iter().enumerate() {
            let mut b = Builder::new();
            fill(&mut b);
            assert_eq!(has_zero_timestamp(&b.finish()), Ok(*expected), "case {index}");
        }
    }
}
