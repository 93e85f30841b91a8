//! An export of the portal as CSV, under its French labels.
#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use velib::ingest::Recording;

const LABELS: &str = "\u{feff}Identifiant station;Nom station;Station en fonctionnement;Capacité de la station;\
    Nombre bornettes libres;Nombre total vélos disponibles;Vélos mécaniques disponibles;Vélos électriques disponibles;\
    Borne de paiement disponible;Retour vélib possible;Actualisation de la donnée;Coordonnées géographiques;\
    Nom communes équipées;Code INSEE communes équipées\n";

fuzz_target!(|rows: &[u8]| {
    let file = [LABELS.as_bytes(), rows].concat();
    let Ok(recording) = Recording::from_bytes("export.csv", &file) else { return };
    laws::round_trips(recording.readings());
});
