//! Serialised sketches and their answers as the Java libraries give them, by the SHA-1 of the bytes.
//!
//! Must not know: anything but what the names of the rows say. Invariant: recorded with stream-lib 2.9.8, hash4j 0.30,
//! t-digest 3.2 and Pinot 1.5.1.

use sha1::{Digest, Sha1};

use super::hyperloglog::HyperLogLog;
use super::hyperloglog_plus::HyperLogLogPlus;
use super::merging_digest::MergingDigest;
use super::quantile_digest::QuantileDigest;
use super::ultraloglog::UltraLogLog;
use super::{Counter, Item};

type Rows<T> = &'static [(&'static str, &'static str, &'static [T])];

fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha1::digest(bytes))
}

/// The number behind `key=`.
fn number(name: &str, key: &str) -> i32 {
    let found = name
        .split(' ')
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok());
    found.unwrap_or(0)
}

fn offer<C: Counter>(counter: &mut C, kind: &str, i: i32) {
    match kind {
        "int" => counter.offer(Item::Int(i)),
        "long" => counter.offer(Item::Long(i.into())),
        "double" => counter.offer(Item::Double(f64::from(i) * 0.5)),
        "float" => counter.offer(Item::Float(i as f32 * 0.5)),
        "text" => counter.offer(Item::Text(&format!("value {i}"))),
        "short" => {
            let letter = char::from(b'a' + (i % 26) as u8);
            counter.offer(Item::Text(&format!("\u{e9}{letter}")));
        }
        "bytes" => counter.offer(Item::Bytes(format!("b{i}").as_bytes())),
        "big" => counter.offer(Item::Text(&format!(
            "a text that is longer than forty eight bytes in all its encodings {i}"
        ))),
        _ => counter.offer(Item::Text(&format!("1.{i}"))),
    }
}

fn counters<C: Counter>(rows: Rows<f64>, counts: bool) {
    for (name, bytes, answer) in rows {
        let mut counter = C::sized(number(name, "p") as u8);
        let kind = name.split(' ').next().unwrap_or_default();
        (0..number(name, "n")).for_each(|i| offer(&mut counter, kind, i));
        let saved = counter.save();
        assert_eq!(sha(&saved), *bytes, "{name}");
        if counts {
            assert_eq!(counter.estimate(), answer[0].round() as i64, "{name}");
        }
        let read = C::read(&saved, 0).map(|read| read.save());
        assert_eq!(read, Some(saved), "{name}");
    }
}

#[test]
fn ultraloglog() {
    counters::<UltraLogLog>(ULL, true);
}

#[test]
fn hyperloglog() {
    counters::<HyperLogLog>(HLL, true);
}

#[test]
fn hyperloglog_plus() {
    counters::<HyperLogLogPlus>(HLL_PLUS, false);
}

fn values(count: i32, offset: i64) -> impl Iterator<Item = i64> {
    (0..i64::from(count)).map(move |i| (i * 7919 + offset) % 10007)
}

fn merging(compression: i32, count: i32, offset: i64) -> MergingDigest {
    let mut digest = MergingDigest::new(f64::from(compression));
    values(count, offset).for_each(|x| digest.add(x as f64));
    digest
}

#[test]
fn merging_digest() {
    for (name, bytes, answers) in T_DIGEST {
        let digest = match *name {
            "empty" => MergingDigest::new(100.0),
            "merge small" => {
                let mut digest = merging(100, 5, 0);
                digest.merge(merging(100, 7, 3));
                digest
            }
            "merge big" => {
                let mut digest = merging(100, 1000, 0);
                digest.merge(merging(100, 1000, 3));
                digest
            }
            _ => merging(number(name, "c"), number(name, "n"), 0),
        };
        for (rank, answer) in [0.0, 0.01, 0.5, 0.9, 1.0].into_iter().zip(*answers) {
            let found = digest.quantile(rank).unwrap_or(f64::NAN);
            assert!(
                found == *answer || found.is_nan() && answer.is_nan(),
                "{name} {rank}: {found}"
            );
        }
        // The reference shuffles what it merges, so that no two runs leave the same bytes.
        if !name.starts_with("merge") {
            assert_eq!(sha(&digest.to_bytes()), *bytes, "{name}");
        }
    }
}

fn whole(count: i32, offset: i64, factor: i64) -> QuantileDigest {
    let mut digest = QuantileDigest::default();
    values(count, offset).for_each(|x| digest.add(x * factor));
    digest
}

#[test]
fn quantile_digest() {
    for (name, bytes, answers) in Q_DIGEST {
        let digest = match *name {
            "merge small" => {
                let mut digest = whole(5, 0, 1);
                digest.merge(&whole(7, 3, 1));
                digest
            }
            "merge big" => {
                let mut digest = whole(1000, 0, 1);
                digest.merge(&whole(1000, 3, 1));
                digest
            }
            wide if wide.starts_with("wide") => whole(number(wide, "n"), 0, -1_000_003),
            _ => whole(number(name, "n"), 0, 1),
        };
        for (rank, answer) in [0.0, 0.01, 0.5, 0.9, 1.0].into_iter().zip(*answers) {
            assert_eq!(digest.quantile(rank), Some(*answer), "{name} {rank}");
        }
        let saved = digest.to_bytes();
        assert_eq!(sha(&saved), *bytes, "{name}");
        let read = QuantileDigest::from_bytes(&saved).map(|read| read.to_bytes());
        assert_eq!(read, Some(saved), "{name}");
    }
}

#[rustfmt::skip]
static ULL: Rows<f64> = &[
    ("int p=12 n=1", "fdc4cc9bc41cc161731535ec0d5712e23f79e973", &[0.9999291004333205]),
    ("long p=12 n=1", "dae8e3b03d6e50a999847d0bd26f9da14856f311", &[0.9998989662368694]),
    ("double p=12 n=1", "dae8e3b03d6e50a999847d0bd26f9da14856f311", &[0.9998989662368694]),
    ("float p=12 n=1", "fdc4cc9bc41cc161731535ec0d5712e23f79e973", &[0.9999291004333205]),
    ("text p=12 n=1", "b029b862ca200025045dda6a08b97365198d4794", &[1.0000824348615753]),
    ("short p=12 n=1", "10f05d093343b0aa75065bb789405db4ee09e9a2", &[0.9999291004333205]),
    ("bytes p=12 n=1", "4f6d588c5f0a26b609136ce705b2e0f4c64583ea", &[0.9998989662368694]),
    ("big p=12 n=1", "fff4953d200797bc1ebf081c169dfe38ad6eee2d", &[0.9999291004333205]),
    ("int p=12 n=5", "fbaf2833b98874be240fdf378a38ddd376c33923", &[5.0014353801263365]),
    ("long p=12 n=5", "0921a2c5c8d62e46dfc4ad5707cb08250e158a6d", &[5.000998858429335]),
    ("double p=12 n=5", "c0ffcb80c7c0092d411b68776c3e1e9f7d4ae34d", &[5.001437625531655]),
    ("float p=12 n=5", "aaf928c920aa9eaff3fedb51c664d3c00a85101d", &[5.001440027362132]),
    ("text p=12 n=5", "044dbdba695bd9a7f76957ffffe3261342659d9a", &[5.002070933966533]),
    ("short p=12 n=5", "1db9395624b9a9639b852e8d387c5f1cce03f4a1", &[5.000807741286109]),
    ("bytes p=12 n=5", "27bf0bf7254561e4042104a1b140a42f4c24ef75", &[5.000225875776435]),
    ("big p=12 n=5", "3213a7e93817c2ed3f02f2b5a6eb94239a35e08f", &[5.001289864347709]),
    ("int p=12 n=4000", "51addeb11035a16cd54efee3623cdec5296b7f91", &[4057.212063102345]),
    ("long p=12 n=4000", "6d9f711a958ac57a22622fcfabf96b38c40a5912", &[4044.1273713155956]),
    ("double p=12 n=4000", "55a182e9cbb47d0d529e379fc867be6a495d8ef0", &[4042.8948160792725]),
    ("float p=12 n=4000", "c3326c1f4e14b0c82be0698e5805c5926a55b927", &[3919.049601756031]),
    ("text p=12 n=4000", "bd1ec690939fc094cb95562e001fdb0458cf3e54", &[3954.5150136832603]),
    ("short p=12 n=4000", "5097616604e87e5ac14c2bc8994746bc29b99ff5", &[26.049786363341756]),
    ("bytes p=12 n=4000", "6e2d46ca42f20caedbd6cd49c7b2022b411d14a4", &[3995.3705620364312]),
    ("big p=12 n=4000", "8623556086b48bd3e3392cff2f564826ce9472e5", &[4054.6155656206265]),
    ("int p=4 n=100", "d0f963fa9b8581f0ce454f78b9a4fee7ef7dd5e7", &[78.20223310685317]),
    ("int p=16 n=100000", "5ee71a587a6ac78b9a10c6a53a8ff8c696c4bb2e", &[100319.41535667823]),
    ("dec p=12 n=10", "5a8e9fe90f13f2241a42d7ce62f7a171ab077556", &[10.005014237296814]),
];

#[rustfmt::skip]
static HLL: Rows<f64> = &[
    ("int p=8 n=1", "94c231d077bc05ebc000b81dbf0a8050a3d0cee8", &[1.0]),
    ("long p=8 n=1", "94c231d077bc05ebc000b81dbf0a8050a3d0cee8", &[1.0]),
    ("double p=8 n=1", "94c231d077bc05ebc000b81dbf0a8050a3d0cee8", &[1.0]),
    ("float p=8 n=1", "94c231d077bc05ebc000b81dbf0a8050a3d0cee8", &[1.0]),
    ("text p=8 n=1", "39de84b61d5506196dc7cdb55f18a31cc47aae5d", &[1.0]),
    ("bytes p=8 n=1", "a793ea25fa59b6fd6c920221474e4f1be9ab0a32", &[1.0]),
    ("int p=12 n=1", "48b263ad723fa5eb2a79d596d540db7019f637fa", &[1.0]),
    ("int p=5 n=1", "af3fbb0c293798e40a16a23d6c756c34a01fd5c0", &[1.0]),
    ("int p=8 n=4000", "764649d0dd44669fb17c9fa375ce789d1ac6b551", &[4301.0]),
    ("long p=8 n=4000", "764649d0dd44669fb17c9fa375ce789d1ac6b551", &[4301.0]),
    ("double p=8 n=4000", "05124468e9a415e344f86ea665d1814e9d3952c8", &[4093.0]),
    ("float p=8 n=4000", "6c9da5db0eb69696f550fc99eab8816f20562de1", &[3745.0]),
    ("text p=8 n=4000", "7e92cac4f2bc510bb99007b3c4e554df337aa63d", &[3943.0]),
    ("bytes p=8 n=4000", "5db235b63ec825a97c28ab410a4459685e78aa8e", &[4057.0]),
    ("int p=12 n=4000", "3f7bf437278147499aa67488a6398fa06ddc6a75", &[4050.0]),
    ("int p=5 n=4000", "7a8852fa947ad563e92af4a994e765c6505486cd", &[3722.0]),
];

#[rustfmt::skip]
static HLL_PLUS: Rows<f64> = &[
    ("int p=14 sp=0 n=0", "9c39d9e10d026e74e3ca9f3fcd1abef6a99ae138", &[0.0]),
    ("int p=14 sp=0 n=1", "dcd13d08bccda9aea3cdb756a1b13765278ffb0c", &[1.0]),
    ("long p=14 sp=0 n=1", "dcd13d08bccda9aea3cdb756a1b13765278ffb0c", &[1.0]),
    ("double p=14 sp=0 n=1", "82d54e4cf08910f4ab50448e78f6bd35403ae4ec", &[1.0]),
    ("float p=14 sp=0 n=1", "82d54e4cf08910f4ab50448e78f6bd35403ae4ec", &[1.0]),
    ("text p=14 sp=0 n=1", "ad1819ce9f2c8b0b16289be6cc48b93a9ac5a272", &[1.0]),
    ("bytes p=14 sp=0 n=1", "d3f5761a52a0ccb5d12a8d2082fde1d4dabf558a", &[1.0]),
    ("int p=12 sp=0 n=1", "3e40202b2c3be7485201a99bafbe2d028fefe32e", &[1.0]),
    ("int p=14 sp=0 n=4000", "6bb8d0e0b1a53ae6fc49a341a9c63e5c1520618f", &[3988.0]),
    ("long p=14 sp=0 n=4000", "6bb8d0e0b1a53ae6fc49a341a9c63e5c1520618f", &[3988.0]),
    ("double p=14 sp=0 n=4000", "17cf7de4a53756803c69bf4e903e2e876212e0de", &[3945.0]),
    ("float p=14 sp=0 n=4000", "17cf7de4a53756803c69bf4e903e2e876212e0de", &[3945.0]),
    ("text p=14 sp=0 n=4000", "38e75fb76c3bece860751bdd647e4051b727ca04", &[4016.0]),
    ("bytes p=14 sp=0 n=4000", "d29438d9a353f51f33df95fdc84cbb9f01c945ac", &[3908.0]),
    ("int p=12 sp=0 n=4000", "f85df07be760ffa0da27b941a57b58aaedeab610", &[3963.0]),
];

#[rustfmt::skip]
static T_DIGEST: Rows<f64> = &[
    ("c=100 n=1", "07c07aa90a0e90e40f562c4aca0a852af3bda956", &[0.0, 0.0, 0.0, 0.0, 0.0]),
    ("c=100 n=2", "d362f528e33cda57516131816850c3ce57c0bb82", &[0.0, 0.0, 3959.5, 7919.0, 7919.0]),
    ("c=100 n=6", "24c63cc0e28cfc2e145f3717bcc63279936e5ca6", &[0.0, 0.0, 4787.0, 9408.500000000002, 9574.0]),
    ("c=100 n=100", "160765b85d13154594c18115a04ab730952d0328", &[0.0, 62.5, 5066.0, 9025.5, 9930.0]),
    ("c=100 n=1000", "c8dfe2faf7e6bf216d5d839748694ad5e0f265de", &[0.0, 100.5, 5006.5, 9010.625, 9997.0]),
    ("c=100 n=100000", "fc3672ea2e2525f1d2e8a8c40e7e4cb84e99ad1c", &[0.0, 100.07974993082804, 5002.558781475999, 9004.523091656665, 10006.0]),
    ("c=20 n=1", "aca5d1531431925bc67f5a2ef20aa8d054146ac3", &[0.0, 0.0, 0.0, 0.0, 0.0]),
    ("c=20 n=2", "b0ddd323c3e24560d0836114e5da1cd651dad516", &[0.0, 0.0, 3959.5, 7919.0, 7919.0]),
    ("c=20 n=6", "d6d7920fb43314a4566bd930fe61313eff9c42c7", &[0.0, 0.0, 4787.0, 9408.500000000002, 9574.0]),
    ("c=20 n=100", "0872de0d1395f573cd131ef333db990bdbb71346", &[0.0, 62.5, 5065.602040816327, 9025.5, 9930.0]),
    ("c=20 n=1000", "99eefb4f64a30bbc795a54a421cc21a7200c1a5b", &[0.0, 106.37008547008546, 5011.477521375379, 8997.612500000003, 9997.0]),
    ("c=20 n=100000", "edb881c91f79f73a8f7f1c04f6b0f5f0dbfdfe3c", &[0.0, 112.28135758485408, 5001.09410493003, 8991.527198151896, 10006.0]),
    ("empty", "e2a617e74f882c492cfc944e47512683a6dc80e7", &[f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN]),
    ("merge small", "59165279e029a1114f71e162a21f7825b389ca0b", &[0.0, 0.0, 4788.5, 8418.5, 9577.0]),
    ("merge big", "739b5f270ab7e80bf56af72a162529af2629c1e7", &[0.0, 102.0, 5008.0, 9012.125, 10000.0]),
];

#[rustfmt::skip]
static Q_DIGEST: Rows<i64> = &[
    ("n=1", "510d091a7c1c5d40bdb205c65578476487d8ae87", &[0, 0, 0, 0, 0]),
    ("wide n=1", "510d091a7c1c5d40bdb205c65578476487d8ae87", &[0, 0, 0, 0, 0]),
    ("n=2", "4a293dd1fcfd5496b981c557eeaa6092e7f6dc57", &[0, 0, 7919, 7919, 7919]),
    ("wide n=2", "d5899cd7f963cad83e9fcdc8406e49a15c49be2a", &[-7919023757, -7919023757, 0, 0, 0]),
    ("n=6", "9155269b323603ced6d205bf0f2db0df4aba3583", &[0, 0, 5831, 9574, 9574]),
    ("wide n=6", "aff475606b38e8d5155c6caff8b1b2fb0f9313c5", &[-9574028722, -9574028722, -3743011229, 0, 0]),
    ("n=100", "d13240612ea4227e88e3a93b874c2157a306b554", &[0, 125, 5167, 9064, 9930]),
    ("wide n=100", "6a5241a096ab416af4c82f04b87e3aabcda71e92", &[-9930029790, -9853029559, -4965014895, -991002973, 0]),
    ("n=1000", "da65ffbcf1af0957738d9ad3d044e0ef5cc7de5c", &[0, 105, 5013, 9015, 9997]),
    ("wide n=1000", "2e89da5d99e5fe1359aa591c3ef3d3a6f292522a", &[-9997029991, -9901029703, -5003015009, -1000003000, 0]),
    ("n=20000", "bd2210c4d4ff34a72279e6ef50dd9f4a7a9c3e4c", &[29, 127, 5087, 9087, 10006]),
    ("wide n=20000", "e208702e6db709bfb658b020c26cd63c8e1328b8", &[-10003415041, -9902751745, -4982833153, -985661441, 0]),
    ("merge small", "c5a3fdc90f009cfe11f5853866de1672fbf41d6c", &[0, 0, 5831, 7922, 9577]),
    ("merge big", "f142a824f9f5bd561421b7bc94b9249b658f03db", &[15, 127, 5071, 9071, 10000]),
];
