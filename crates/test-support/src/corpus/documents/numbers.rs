//! Numbers and dates at their edges.

use super::{decimal, named};

pub(super) fn documents() -> [Vec<u8>; 6] {
    [doubles(), special_doubles(), int32s(), int64s(), decimals(), dates()]
}

fn doubles() -> Vec<u8> {
    let mut d = named("double");
    for (key, value) in [
        ("zero", 0.0),
        ("negzero", -0.0),
        ("one", 1.0),
        ("neg", -1.5),
        ("third", 1.0 / 3.0),
        ("max", f64::MAX),
        ("min", f64::MIN),
        ("smallestnormal", f64::MIN_POSITIVE),
        ("denormmin", 5e-324),
        ("denorm", 2.225_073_858_507_201e-308),
        ("negdenorm", -5e-324),
        ("eps", f64::EPSILON),
        ("2^53", 9_007_199_254_740_992.0),
        ("2^53+2", 9_007_199_254_740_994.0),
        ("2^63", 9_223_372_036_854_775_808.0),
        ("1e21", 1e21),
        ("1e20", 1e20),
        ("1e-7", 1e-7),
        ("0.1", 0.1),
        ("1e16", 1e16),
    ] {
        d.f64(key, value);
    }
    d.finish()
}

fn special_doubles() -> Vec<u8> {
    let mut d = named("double-special");
    for (key, bits) in [
        ("inf", 0x7FF0_0000_0000_0000),
        ("-inf", 0xFFF0_0000_0000_0000),
        ("nan", 0x7FF8_0000_0000_0000),
        ("negnan", 0xFFF8_0000_0000_0000),
        ("nanpayload", 0x7FF8_0000_DEAD_BEEF),
        ("snan", 0x7FF0_0000_0000_0001),
        ("allones", u64::MAX),
    ] {
        d.raw(mongoark_bson_bytes::kind::DOUBLE, key, &u64::to_le_bytes(bits));
    }
    d.finish()
}

fn int32s() -> Vec<u8> {
    let mut d = named("int32");
    d.i32("zero", 0).i32("one", 1).i32("neg", -1).i32("max", i32::MAX).i32("min", i32::MIN);
    d.finish()
}

fn int64s() -> Vec<u8> {
    let mut d = named("int64");
    d.i64("zero", 0).i64("one", 1).i64("neg", -1);
    d.i64("max32", i32::MAX.into()).i64("over32", 1 << 31).i64("under32", -(1 << 31) - 1);
    d.i64("2^53", 1 << 53).i64("2^53+1", (1 << 53) + 1).i64("max", i64::MAX).i64("min", i64::MIN);
    d.finish()
}

fn decimals() -> Vec<u8> {
    let mut d = named("decimal");
    for (key, text) in [
        ("zero", "0"),
        ("negzero", "-0"),
        ("zeroexp", "0E+6111"),
        ("zeronegexp", "0E-6176"),
        ("one", "1"),
        ("1.10", "1.10"),
        ("1.1", "1.1"),
        ("max", "9.999999999999999999999999999999999E+6144"),
        ("min", "-9.999999999999999999999999999999999E+6144"),
        ("tiny", "1E-6176"),
        ("negtiny", "-1E-6176"),
        ("34digits", "1234567890123456789012345678901234"),
        ("inf", "Infinity"),
        ("-inf", "-Infinity"),
        ("nan", "NaN"),
    ] {
        d.decimal128(key, decimal(text));
    }
    for (key, bits) in [
        ("snan", 0x7E << 120),
        ("negnan", 0xFC << 120),
        ("nanpayload", 0x7C00_0000_0000_0000_0807_0605_0403_0201),
        ("noncanonical", 0x6010 << 112),
        ("oversized", 0x3009_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF),
    ] {
        d.decimal128(key, u128::to_le_bytes(bits));
    }
    d.finish()
}

fn dates() -> Vec<u8> {
    let mut d = named("dates");
    for (key, milliseconds) in [
        ("epoch", 0),
        ("1969", -1),
        ("1900", -2_208_988_800_000),
        ("year1", -62_135_596_800_000),
        ("year0", -62_167_219_200_000),
        ("bc", -62_198_755_200_000),
        ("2038", 2_147_483_648_000),
        ("2106", 4_294_967_296_000),
        ("9999", 253_402_300_799_999),
        ("10000", 253_402_300_800_000),
        ("min", i64::MIN),
        ("max", i64::MAX),
        ("ms", 1_234_567_890_123),
    ] {
        d.date(key, milliseconds);
    }
    d.finish()
}
