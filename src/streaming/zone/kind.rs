//! The zones that have a name of their own: communes and arrondissements.
//!
//! The portal names the commune. The arrondissement it does not name: in Paris it is the station code without its last
//! three digits (16107 stands in the 16th). A few stations of the suburbs share those prefixes, so the commune decides first.

use std::fmt;

use crate::station::{StationCode, StationStatus};

/// The two divisions of the network whose zones a reading names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneKind {
    /// The communes: `Paris`, `Montreuil`, …
    Commune,
    /// The arrondissements of Paris, `Paris 1er` to `Paris 20e`; outside Paris the communes.
    Arrondissement,
}

impl ZoneKind {
    /// Both of them.
    pub(super) const ALL: [Self; 2] = [Self::Commune, Self::Arrondissement];

    /// The kind as it is written in options and in the store: `commune`, `arrondissement`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commune => "commune",
            Self::Arrondissement => "arrondissement",
        }
    }

    /// The zone that the station of this reading stands in.
    ///
    /// `None` where the commune is unknown, and for the arrondissement of a station in Paris whose code does not say it
    /// (`31024_relais`): a station is never put into a zone by a guess.
    pub fn zone_of(self, reading: &StationStatus) -> Option<String> {
        self.zone(&reading.station_code, reading.commune.as_deref())
    }

    /// The zone of the station with this code in this commune, as [`zone_of`](Self::zone_of) has it.
    pub(in crate::streaming) fn zone(self, code: &StationCode, commune: Option<&str>) -> Option<String> {
        let commune = Self::commune(commune)?;
        match self {
            Self::Arrondissement if commune == "Paris" => match code.as_str().parse::<u32>().ok()? / 1000 {
                1 => Some("Paris 1er".to_owned()),
                number @ 2..=20 => Some(format!("Paris {number}e")),
                _ => None,
            },
            _ => Some(commune.to_owned()),
        }
    }

    /// The commune that a reading names, if it names one.
    pub(in crate::streaming) fn commune(named: Option<&str>) -> Option<&str> {
        named.map(str::trim).filter(|commune| !commune.is_empty())
    }
}

impl fmt::Display for ZoneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(code: &str, commune: Option<&str>) -> [Option<String>; 2] {
        let at = "2022-05-12T09:18:14Z".parse().unwrap();
        let mut reading = StationStatus::unknown(StationCode::new(code).unwrap(), at, at);
        reading.commune = commune.map(Into::into);
        ZoneKind::ALL.map(|kind| kind.zone_of(&reading))
    }

    fn both(commune: &str, arrondissement: &str) -> [Option<String>; 2] {
        [Some(commune.to_owned()), Some(arrondissement.to_owned())]
    }

    #[test]
    fn in_paris_the_code_tells_the_arrondissement() {
        assert_eq!(zones("1013", Some("Paris")), both("Paris", "Paris 1er"));
        assert_eq!(zones("9020", Some("Paris")), both("Paris", "Paris 9e"));
        assert_eq!(zones("16107", Some("Paris")), both("Paris", "Paris 16e"));
        assert_eq!(zones("20143", Some(" Paris ")), both("Paris", "Paris 20e"));
    }

    #[test]
    fn outside_paris_the_commune_decides_before_the_code() {
        assert_eq!(zones("12167", Some("Saint-Mandé")), both("Saint-Mandé", "Saint-Mandé"));
        assert_eq!(zones("31024_relais", Some("Montreuil")), both("Montreuil", "Montreuil"));
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        assert_eq!(zones("16107", None), [None, None]);
        assert_eq!(zones("16107", Some(" ")), [None, None]);
        for code in ["31024_relais", "21001", "999", "92007"] {
            assert_eq!(zones(code, Some("Paris")), [Some("Paris".to_owned()), None], "{code}");
        }
    }
}
