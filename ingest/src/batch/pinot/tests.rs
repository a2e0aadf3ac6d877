//! A segment made by hand, in the form of a file an index.

use super::*;

fn archive(files: &[(&str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("s_0/{name}"), bytes.as_slice())?;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar.into_inner()?)?;
    gzip.finish()
}

fn ints(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

const METADATA: &str = "segment.name = s_0
segment.table.name = t
segment.dimension.column.names = a,m,r,o
segment.padding.character = \\u0000
segment.total.docs = 3
column.a.dataType = INT
column.a.cardinality = 3
column.a.bitsPerElement = 2
column.a.hasDictionary = true
column.a.isSingleValues = true
column.m.dataType = STRING
column.m.cardinality = 2
column.m.bitsPerElement = 1
column.m.lengthOfEachEntry = 2
column.m.hasDictionary = true
column.m.isSingleValues = false
column.m.totalNumberOfEntries = 4
column.r.dataType = STRING
column.r.hasDictionary = false
column.r.isSingleValues = true
column.o.dataType = LONG
column.o.cardinality = 2
column.o.isSorted = true
column.o.hasDictionary = true
column.o.isSingleValues = true
";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    // Rows of `r`: "x", "", "yz" in one chunk of four rows, not compressed, with places of four bytes.
    let mut raw = ints(&[2, 1, 4, 2, 3, 0, 28, 32]);
    raw.extend(ints(&[16, 17, 17, 0]));
    raw.extend(b"xyz");
    let mut lists = ints(&[0]);
    // Rows begin at entries 0, 2 and 3; ids 0, 1, 1, 0.
    lists.extend([0b1011_0000, 0b0110_0000]);
    let mut longs = Vec::new();
    longs.extend(7_i64.to_be_bytes());
    longs.extend(9_i64.to_be_bytes());
    let mut nulls = Vec::new();
    let row = roaring::RoaringBitmap::from_iter([1_u32]);
    assert!(row.serialize_into(&mut nulls).is_ok());
    vec![
        ("metadata.properties", METADATA.as_bytes().to_vec()),
        ("a.dict", ints(&[-5, 0, 8])),
        ("a.sv.unsorted.fwd", vec![0b1000_0100]),
        ("a.bitmap.nullvalue", nulls),
        ("m.dict", b"p\0qq".to_vec()),
        ("m.mv.fwd", lists),
        ("r.sv.raw.fwd", raw),
        ("o.dict", longs),
        ("o.sv.sorted.fwd", ints(&[0, 0, 1, 2])),
    ]
}

#[test]
fn every_form_of_a_column() -> Result<(), Box<dyn std::error::Error>> {
    let segment = PinotSegment::open(&archive(&files())?)?;
    assert_eq!(
        (segment.name.as_str(), segment.table.as_str()),
        ("s_0", "t")
    );
    let records: Vec<Record> = segment.into_records().collect::<Result<_, _>>()?;
    let text = |t: &str| Field::Text(t.to_owned());
    assert_eq!(records[0].get("a"), Some(&Field::Int(8)));
    assert_eq!(records[1].get("a"), None);
    assert_eq!(records[2].get("a"), Some(&Field::Int(0)));
    let first = Field::Array(vec![text("p"), text("qq")]);
    assert_eq!(records[0].get("m"), Some(&first));
    assert_eq!(records[2].get("m"), Some(&Field::Array(vec![text("p")])));
    let all: Vec<_> = records.iter().filter_map(|r| r.get("r")).collect();
    assert_eq!(all, [&text("x"), &text(""), &text("yz")]);
    assert_eq!(records[0].get("o"), Some(&Field::Long(7)));
    assert_eq!(records[2].get("o"), Some(&Field::Long(9)));
    Ok(())
}

#[test]
fn damage_is_an_error() -> std::io::Result<()> {
    for at in 1..files().len() {
        for keep in 0..3 {
            let mut files = files();
            files[at].1.truncate(keep);
            // Whatever is missing: an answer, and no panic.
            let _ = PinotSegment::open(&archive(&files)?);
        }
    }
    assert!(PinotSegment::open(&[0x1F, 0x8B, 1, 2]).is_err());
    Ok(())
}
