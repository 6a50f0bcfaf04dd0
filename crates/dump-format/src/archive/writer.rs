//! The pieces that an archive is put together from; whoever writes it decides on their order.

use mongoark_bson_bytes::Builder;

/// The first four bytes.
pub const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
/// What ends the prelude and each block.
pub const TERMINATOR: [u8; 4] = [0xff; 4];

/// `{db, collection, EOF: false, CRC: 0}`: what a block of documents begins with. The documents and
/// [`TERMINATOR`] follow.
///
/// The documents of a time series come in blocks of `system.buckets.<name>`, those of the oplog in blocks of
/// the collection `oplog` in a database without a name. The peer writes at least one block for every entry of the
/// prelude, an empty one if there are no documents; no reader needs that.
pub fn block_header(db: &str, collection: &str) -> Vec<u8> {
    header(db, collection, false, 0)
}

/// `{db, collection, EOF: true, CRC}` and [`TERMINATOR`]: the end of a namespace.
pub fn namespace_end(db: &str, collection: &str, crc: u64) -> Vec<u8> {
    let mut end = header(db, collection, true, crc);
    end.extend_from_slice(&TERMINATOR);
    end
}

fn header(db: &str, collection: &str, ends: bool, crc: u64) -> Vec<u8> {
    let mut doc = Builder::with_capacity(64 + db.len() + collection.len());
    doc.str("db", db).str("collection", collection).bool("EOF", ends).i64("CRC", crc.cast_signed()).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_mongodump() {
        let expected = b"\x34\0\0\0\x02db\0\x02\0\0\0d\0\x02collection\0\x02\0\0\0c\0\
            \x08EOF\0\0\x12CRC\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(block_header("d", "c"), expected);
        let mut end = expected.to_vec();
        end[37] = 1;
        end[43..51].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0x80]);
        end.extend_from_slice(&TERMINATOR);
        assert_eq!(namespace_end("d", "c", 0x8000_0000_0000_0001), end);
    }
}
