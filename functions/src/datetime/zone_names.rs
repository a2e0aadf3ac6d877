//! Abbreviations that Java knows for zones for which the zone database gives only numbers.
//!
//! Must not know: offsets over time. Invariant: sorted by zone name.

/// Zone, standard abbreviation, daylight saving abbreviation.
static NAMES: &[(&str, &str, &str)] = &[
    ("America/Araguaina", "BRT", "BRST"),
    ("America/Argentina/Buenos_Aires", "ART", "ARST"),
    ("America/Asuncion", "PYT", "PYST"),
    ("America/Bahia", "BRT", "BRST"),
    ("America/Belem", "BRT", "BRST"),
    ("America/Boa_Vista", "AMT", "AMST"),
    ("America/Bogota", "COT", "COST"),
    ("America/Buenos_Aires", "ART", "ARST"),
    ("America/Campo_Grande", "AMT", "AMST"),
    ("America/Caracas", "VET", "VEST"),
    ("America/Cayenne", "GFT", "GFST"),
    ("America/Cuiaba", "AMT", "AMST"),
    ("America/Fortaleza", "BRT", "BRST"),
    ("America/Guayaquil", "ECT", "ECST"),
    ("America/La_Paz", "BOT", "BOST"),
    ("America/Lima", "PET", "PEST"),
    ("America/Maceio", "BRT", "BRST"),
    ("America/Manaus", "AMT", "AMST"),
    ("America/Montevideo", "UYT", "UYST"),
    ("America/Noronha", "FNT", "FNST"),
    ("America/Porto_Velho", "AMT", "AMST"),
    ("America/Recife", "BRT", "BRST"),
    ("America/Rio_Branco", "ACT", "ACST"),
    ("America/Santiago", "CLT", "CLST"),
    ("America/Sao_Paulo", "BRT", "BRST"),
    ("Asia/Almaty", "ALMT", "ALMST"),
    ("Asia/Baku", "AZT", "AZST"),
    ("Asia/Bangkok", "ICT", "ICST"),
    ("Asia/Dhaka", "BDT", "BDST"),
    ("Asia/Dubai", "GST", "GDT"),
    ("Asia/Ho_Chi_Minh", "ICT", "ICST"),
    ("Asia/Kabul", "AFT", "AFST"),
    ("Asia/Kathmandu", "NPT", "NPST"),
    ("Asia/Kuala_Lumpur", "MYT", "MYST"),
    ("Asia/Riyadh", "AST", "ADT"),
    ("Asia/Singapore", "SGT", "SGST"),
    ("Asia/Tashkent", "UZT", "UZST"),
    ("Asia/Tbilisi", "GET", "GEST"),
    ("Asia/Tehran", "IRST", "IRDT"),
    ("Asia/Yerevan", "AMT", "AMST"),
    ("Atlantic/Azores", "AZOT", "AZOST"),
    ("Atlantic/Cape_Verde", "CVT", "CVST"),
    ("Europe/Istanbul", "TRT", "TRST"),
    ("Europe/Samara", "SAMT", "SAMST"),
    ("Pacific/Fiji", "FJT", "FJST"),
];

/// The abbreviation of a zone for an offset, where one is known.
pub(super) fn short_name(id: &str, offset_ms: i64, standard_ms: i64) -> Option<&'static str> {
    let at = NAMES.binary_search_by(|(name, _, _)| name.cmp(&id)).ok()?;
    let (_, standard, saving) = NAMES[at];
    Some(if offset_ms == standard_ms {
        standard
    } else {
        saving
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(
            short_name("America/Sao_Paulo", -7_200_000, -10_800_000),
            Some("BRST")
        );
    }
}
