//! Compressing and decompressing chunks with contexts that are made once and used again.

use std::io::Cursor;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::bulk;

use crate::codec::{Codec, CodecKind};
use crate::{Error, zstd_frame};

/// 32 KiB: the window that every gzip reader has.
const GZIP_WINDOW_BITS: u8 = 15;
/// No deflate stream yields more than 1,032 bytes for one (zlib's own figure).
const DEFLATE_RATIO_MAX: u64 = 1_032;

/// Contexts for compressing, one for each codec once used.
#[derive(Default)]
pub(crate) struct Compressor {
    zstd: Option<(i32, bulk::Compressor<'static>)>,
    gzip: Option<(u32, Compress)>,
}

impl Compressor {
    /// Appends the compressed form of `raw` to `out`, leaving `spare` bytes of room behind it.
    pub(crate) fn append(
        &mut self,
        codec: Codec,
        raw: &[u8],
        spare: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match codec {
            Codec::None => {
                out.reserve(raw.len() + spare);
                out.extend_from_slice(raw);
                Ok(())
            }
            Codec::Zstd { level } => self
                .append_zstd(level, raw, spare, out)
                .map_err(|source| Error::Codec { codec: "zstd", source }),
            Codec::Gzip { level } => self.append_gzip(level, raw, spare, out),
        }
    }

    fn append_zstd(
        &mut self,
        level: i32,
        raw: &[u8],
        spare: usize,
        out: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let context = match &mut self.zstd {
            Some((made_for, context)) if *made_for == level => context,
            other => &mut other.insert((level, bulk::Compressor::new(level)?)).1,
        };
        out.reserve(zstd::zstd_safe::compress_bound(raw.len()) + spare);
        let mut tail = Cursor::new(&mut *out);
        tail.set_position(tail.get_ref().len() as u64);
        // Writes into the vector's spare room: no intermediate buffer, nothing zeroed before.
        context.compress_to_buffer(raw, &mut tail).map(drop)
    }

    fn append_gzip(&mut self, level: u32, raw: &[u8], spare: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let context = match &mut self.gzip {
            Some((made_for, context)) if *made_for == level => context,
            other => {
                let made = Compress::new_gzip(Compression::new(level), GZIP_WINDOW_BITS);
                &mut other.insert((level, made)).1
            }
        };
        context.reset();
        // Deflate's worst case at any level is 9 bits for 8; grown below should that ever not do.
        out.reserve(raw.len() + raw.len() / 8 + 64 + spare);
        loop {
            let consumed = usize::try_from(context.total_in()).unwrap_or(usize::MAX);
            let rest = raw.get(consumed..).unwrap_or_default();
            let status = context
                .compress_vec(rest, out, FlushCompress::Finish)
                .map_err(|error| Error::Codec { codec: "gzip", source: error.into() })?;
            if status == Status::StreamEnd {
                return Ok(());
            }
            out.reserve(raw.len() / 2 + 1024);
        }
    }
}

/// Contexts for decompressing.
#[derive(Default)]
pub(crate) struct Decompressor {
    zstd: Option<bulk::Decompressor<'static>>,
    gzip: Option<Decompress>,
}

impl Decompressor {
    /// Fills `out` with exactly `raw_len` bytes, or says what is wrong with `stored`. `raw_len` is within limits.
    pub(crate) fn fill(
        &mut self,
        codec: CodecKind,
        stored: &[u8],
        raw_len: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        out.clear();
        let len = usize::try_from(raw_len).map_err(|_| "its raw length does not fit this machine")?;
        match codec {
            CodecKind::None if stored.len() != len => return Err("its length is not its raw length"),
            CodecKind::Zstd => zstd_frame::check(stored, raw_len)?,
            CodecKind::Gzip if u64::from(raw_len) > DEFLATE_RATIO_MAX * stored.len() as u64 => {
                return Err("its gzip member cannot yield its raw length");
            }
            CodecKind::None | CodecKind::Gzip => {}
        }
        out.reserve_exact(len);
        match codec {
            CodecKind::None => out.extend_from_slice(stored),
            CodecKind::Zstd => self.fill_zstd(stored, out)?,
            CodecKind::Gzip => self.fill_gzip(stored, out)?,
        }
        if out.len() == len { Ok(()) } else { Err("it does not decompress to its raw length") }
    }

    fn fill_zstd(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        let context = match &mut self.zstd {
            Some(context) => context,
            none => none.insert(bulk::Decompressor::new().map_err(|_| "zstd cannot be set up")?),
        };
        context.decompress_to_buffer(stored, out).map(drop).map_err(|_| "its zstd frame is damaged")
    }

    fn fill_gzip(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        // A fresh context for each member: flate2 cannot reset one to gzip.
        let context = self.gzip.insert(Decompress::new_gzip(GZIP_WINDOW_BITS));
        let status = context
            .decompress_vec(stored, out, FlushDecompress::Finish)
            .map_err(|_| "its gzip member is damaged")?;
        if status != Status::StreamEnd {
            return Err("its gzip member does not end where it should");
        }
        if context.total_in() != stored.len() as u64 {
            return Err("bytes follow its gzip member");
        }
        Ok(())
    }
}
