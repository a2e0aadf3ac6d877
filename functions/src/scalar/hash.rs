//! Hashes and checksums of bytes.
//!
//! Must not know: how a hash is computed where a crate or a sibling file does it. Invariant: the same bits as Pinot.

use common::{Block, BytesVec, TextVec};
use md5::Digest;

use super::hash_city::{city_32, city_64, city_64_seed, city_64_seeds, city_128};
use super::hash_murmur::{DEFAULT_SEED, murmur2, murmur2_64, murmur3_32, murmur3_128, murmur3_x64};
use super::lift::{Bytes, Int, Long, Text, binary, ternary, unary};
use super::text::{Answer, BYTES, Example, INT, Kernel, LONG, Names, TEXT, row};
use super::{Family, Params, ScalarFunction, param};

const ONE: Params = Params::Fixed(&[param::BYTES]);
const SEEDED: Params = Params::Fixed(&[param::BYTES, param::INT]);

const fn digest(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    row(names, ONE, TEXT, doc, example, eval)
}

const fn number(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    row(names, ONE, INT, doc, example, eval)
}

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Hashes and checksums",
    functions: &[
        digest(
            &["sha"],
            "SHA-1 in hexadecimal.",
            (
                "sha(toUtf8('hello'))",
                "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
            ),
            |a, _| hashed::<sha1::Sha1>(a),
        ),
        digest(&["sha224"], "SHA3-224 in hexadecimal.", ("", ""), |a, _| {
            hashed::<sha3::Sha3_224>(a)
        }),
        digest(&["sha256"], "SHA-256 in hexadecimal.", ("", ""), |a, _| {
            hashed::<sha2::Sha256>(a)
        }),
        digest(&["sha512"], "SHA-512 in hexadecimal.", ("", ""), |a, _| {
            hashed::<sha2::Sha512>(a)
        }),
        digest(
            &["md5"],
            "MD5 in hexadecimal.",
            ("md5(toUtf8('hello'))", "5d41402abc4b2a76b9719d911017c592"),
            |a, _| hashed::<md5::Md5>(a),
        ),
        digest(
            &["md2"],
            "MD2 in hexadecimal.",
            ("md2(toUtf8('hello'))", "a9046c73e00331af68917d3804f70655"),
            |a, _| hashed::<md2::Md2>(a),
        ),
        number(
            &["adler32"],
            "Adler-32 checksum.",
            ("adler32(toUtf8('Gama'))", "58589559"),
            |a, _| unary::<Bytes, Vec<i32>, _>(a, INT, |b| Ok(adler2::adler32_slice(b) as i32)),
        ),
        number(
            &["crc32"],
            "CRC-32 checksum.",
            ("crc32(toUtf8('hello'))", "907060870"),
            |a, _| unary::<Bytes, Vec<i32>, _>(a, INT, |b| Ok(crc32fast::hash(b) as i32)),
        ),
        number(
            &["crc32c"],
            "CRC-32C checksum.",
            ("crc32c(toUtf8('hello'))", "-1703822516"),
            |a, _| unary::<Bytes, Vec<i32>, _>(a, INT, |b| Ok(crc32c::crc32c(b) as i32)),
        ),
        number(
            &["murmurhash2"],
            "MurmurHash2 with the seed of Kafka's partitioner.",
            ("murmurHash2(toUtf8('hello'))", "2132663229"),
            |a, _| unary::<Bytes, Vec<i32>, _>(a, INT, |b| Ok(murmur2(b))),
        ),
        row(
            &["murmurhash2utf8"],
            Params::Fixed(&[param::TEXT]),
            INT,
            "murmurHash2 of a text.",
            ("murmurHash2UTF8('hello')", "2132663229"),
            |a, _| unary::<Text, Vec<i32>, _>(a, INT, |t| Ok(murmur2(t.as_bytes()))),
        ),
        row(
            &["murmurhash2bit64"],
            ONE,
            LONG,
            "MurmurHash2 of 64 bits.",
            ("murmurHash2Bit64(toUtf8('hello'))", "-4155090522938856779"),
            |a, _| unary::<Bytes, Vec<i64>, _>(a, LONG, |b| Ok(murmur2_64(b, DEFAULT_SEED))),
        ),
        row(
            &["murmurhash2bit64"],
            SEEDED,
            LONG,
            "MurmurHash2 of 64 bits with a seed.",
            ("", ""),
            |a, _| binary::<Bytes, Int, Vec<i64>, _>(a, LONG, |b, seed| Ok(murmur2_64(b, seed))),
        ),
        row(
            &["murmurhash3bit32"],
            SEEDED,
            INT,
            "MurmurHash3 of 32 bits with a seed.",
            ("murmurHash3Bit32(toUtf8('hello'), 0)", "613153351"),
            |a, _| binary::<Bytes, Int, Vec<i32>, _>(a, INT, |b, seed| Ok(murmur3_32(b, seed))),
        ),
        row(
            &["murmurhash3bit64"],
            SEEDED,
            LONG,
            "First half of MurmurHash3 of 128 bits.",
            (
                "murmurHash3Bit64(toUtf8('hello'), 0)",
                "-3758069500696749310",
            ),
            |a, _| {
                binary::<Bytes, Int, Vec<i64>, _>(a, LONG, |b, seed| {
                    Ok(murmur3_128(b, seed).0 as i64)
                })
            },
        ),
        row(
            &["murmurhash3bit128"],
            SEEDED,
            BYTES,
            "MurmurHash3 of 128 bits, little endian.",
            (
                "murmurHash3Bit128(toUtf8('hello'), 0)",
                "029bbd41b3a7d8cb191dae486a901e5b",
            ),
            |a, _| {
                binary::<Bytes, Int, BytesVec, _>(a, BYTES, |b, seed| {
                    let (h1, h2) = murmur3_128(b, seed);
                    Ok((u128::from(h1) | u128::from(h2) << 64).to_le_bytes())
                })
            },
        ),
        row(
            &["murmurhash3x64bit32"],
            SEEDED,
            INT,
            "First 32 bits of the x64 variant of Infinispan.",
            ("murmurHash3X64Bit32(toUtf8('hello'), 0)", "-438922741"),
            |a, _| {
                binary::<Bytes, Int, Vec<i32>, _>(a, INT, |b, seed| {
                    Ok((murmur3_x64(b, seed).0 >> 32) as i32)
                })
            },
        ),
        row(
            &["murmurhash3x64bit64"],
            SEEDED,
            LONG,
            "The value of murmurHash3X64Bit32 as a LONG.",
            ("murmurHash3X64Bit64(toUtf8('hello'), 0)", "-438922741"),
            |a, _| {
                binary::<Bytes, Int, Vec<i64>, _>(a, LONG, |b, seed| {
                    Ok(i64::from((murmur3_x64(b, seed).0 >> 32) as i32))
                })
            },
        ),
        row(
            &["murmurhash3x64bit128"],
            SEEDED,
            BYTES,
            "The x64 variant of Infinispan, 128 bits, big endian.",
            (
                "murmurHash3X64Bit128(toUtf8('Gama'), 0)",
                "7013a4e67a2afafa8f2cc175bfa2a91e",
            ),
            |a, _| {
                binary::<Bytes, Int, BytesVec, _>(a, BYTES, |b, seed| {
                    Ok(big_endian(murmur3_x64(b, seed)))
                })
            },
        ),
        row(
            &["cityhash32"],
            ONE,
            LONG,
            "CityHash of 32 bits.",
            ("cityHash32(toUtf8('hello'))", "2039911270"),
            |a, _| unary::<Bytes, Vec<i64>, _>(a, LONG, |b| Ok(i64::from(city_32(b)))),
        ),
        row(
            &["cityhash64"],
            ONE,
            LONG,
            "CityHash of 64 bits.",
            ("cityHash64(toUtf8('hello'))", "-5436999610281751320"),
            |a, _| unary::<Bytes, Vec<i64>, _>(a, LONG, |b| Ok(city_64(b))),
        ),
        row(
            &["cityhash64"],
            Params::Fixed(&[param::BYTES, param::LONG]),
            LONG,
            "CityHash of 64 bits with a seed.",
            ("cityHash64(toUtf8('hello'), 1)", "9077797111693980196"),
            |a, _| binary::<Bytes, Long, Vec<i64>, _>(a, LONG, |b, seed| Ok(city_64_seed(b, seed))),
        ),
        row(
            &["cityhash64"],
            Params::Fixed(&[param::BYTES, param::LONG, param::LONG]),
            LONG,
            "CityHash of 64 bits with two seeds.",
            ("cityHash64(toUtf8('hello'), 1, 2)", "921697224493799865"),
            |a, _| {
                ternary::<Bytes, Long, Long, Vec<i64>, _>(a, LONG, |b, x, y| {
                    Ok(city_64_seeds(b, x, y))
                })
            },
        ),
        row(
            &["cityhash128"],
            ONE,
            BYTES,
            "CityHash of 128 bits, big endian.",
            (
                "cityHash128(toUtf8('hello'))",
                "6f72e4abb491a74a65148f580b45f347",
            ),
            |a, _| unary::<Bytes, BytesVec, _>(a, BYTES, |b| Ok(big_endian(city_128(b)))),
        ),
    ],
};

fn hashed<D: Digest>(args: &[Block]) -> Answer {
    unary::<Bytes, TextVec, _>(args, TEXT, |bytes| Ok(hex::encode(D::digest(bytes))))
}

fn big_endian((first, second): (u64, u64)) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}
