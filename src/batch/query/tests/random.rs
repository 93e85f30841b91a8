//! Queries that nobody wrote, in SQL that both databases read alike.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Writes random queries, the same from the same seed.
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn up_to(&mut self, most: u32) -> u32 {
        self.0.random_range(0..=most)
    }

    fn one(&mut self, of: &[&str]) -> String {
        of.choose(&mut self.0).map(|text| (*text).to_owned()).unwrap()
    }

    pub(super) fn query(&mut self) -> String {
        match self.up_to(7) {
            0 | 1 => format!(
                "SELECT {} AS a, {} AS b, {} AS c FROM readings{}",
                self.any(2),
                self.any(2),
                self.any(1),
                self.filter()
            ),
            2 => format!("SELECT {} AS a, {} AS b FROM readings{}", self.aggregate(), self.aggregate(), self.filter()),
            3 | 4 => format!(
                "SELECT {} AS k, commune, {} AS a, {} AS b FROM readings{} GROUP BY k, commune HAVING COUNT(capacity) >= {}",
                self.keyed(),
                self.aggregate(),
                self.aggregate(),
                self.filter(),
                self.up_to(3)
            ),
            5 => format!(
                "SELECT stationcode, {} AS x, {}(capacity) OVER (PARTITION BY {}) AS w FROM readings{}",
                self.any(1),
                self.one(&["SUM", "AVG", "MIN", "MAX", "COUNT"]),
                self.one(&["stationcode", "commune", "stationcode, commune", "capacity % 2"]),
                self.filter()
            ),
            6 => format!(
                "SELECT stationcode FROM readings WHERE {}({} {} (SELECT {} AS x FROM readings WHERE {})) {} {}",
                self.one(&["", "NOT "]),
                self.number(1),
                self.one(&["IN", "NOT IN"]),
                self.number(1),
                self.truth(1),
                self.one(&["AND", "OR"]),
                self.truth(1)
            ),
            _ => format!(
                "SELECT DISTINCT {} AS a FROM readings{} UNION ALL SELECT {} AS a FROM readings{}",
                self.number(2),
                self.filter(),
                self.number(1),
                self.filter()
            ),
        }
    }

    fn filter(&mut self) -> String {
        if self.0.random() { format!(" WHERE {}", self.truth(2)) } else { String::new() }
    }

    fn any(&mut self, depth: u32) -> String {
        match self.up_to(3) {
            0 => self.number(depth),
            1 => self.text(depth),
            2 => format!("(lat * 2 + {})", self.number(depth)),
            _ => self.truth(depth),
        }
    }

    /// What does not come to the same in every row.
    fn keyed(&mut self) -> String {
        match self.up_to(2) {
            0 => format!("(capacity + {})", self.number(1)),
            1 => format!("(stationcode || {})", self.text(1)),
            _ => self.one(&["open", "stationcode", "capacity"]),
        }
    }

    fn aggregate(&mut self) -> String {
        let column = format!("(capacity + {})", self.number(1));
        let filter = if self.up_to(3) == 0 { format!(" FILTER (WHERE {})", self.truth(1)) } else { String::new() };
        match self.up_to(5) {
            0 => format!("COUNT(*){filter}"),
            1 => format!("COUNT({column}){filter}"),
            2 => format!("SUM({column}){filter}"),
            3 => format!("AVG({column}){filter}"),
            4 => format!("MAX(commune){filter}"),
            _ => "COUNT(DISTINCT capacity)".into(),
        }
    }

    fn number(&mut self, depth: u32) -> String {
        if depth == 0 || self.up_to(2) == 0 {
            return self.one(&["capacity", "numbikesavailable", "mechanical", "0", "1", "3"]);
        }
        let depth = depth - 1;
        match self.up_to(8) {
            0 => format!("({} + {})", self.number(depth), self.number(depth)),
            1 => format!("({} - {})", self.number(depth), self.number(depth)),
            2 => format!("{} * 3", self.number(depth)),
            3 => format!("{} % NULLIF({}, 0)", self.number(depth), self.number(depth)),
            4 => format!("ABS({})", self.number(depth)),
            5 => format!("COALESCE({}, {})", self.number(depth), self.number(depth)),
            6 => format!("LENGTH({})", self.text(depth)),
            7 => format!("CASE WHEN {} THEN {} ELSE {} END", self.truth(depth), self.number(depth), self.number(depth)),
            _ => format!("CASE capacity WHEN {} THEN {} END", self.number(0), self.number(depth)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        if depth == 0 || self.up_to(2) == 0 {
            return self.one(&["stationcode", "commune", "'Paris'"]);
        }
        let depth = depth - 1;
        match self.up_to(4) {
            0 => format!("({} || {})", self.text(depth), self.text(depth)),
            1 => format!("UPPER({})", self.text(depth)),
            2 => format!("SUBSTR({}, {}, {})", self.text(depth), 1 + self.up_to(2), self.up_to(4)),
            3 => format!("REPLACE({}, 'a', 'xx')", self.text(depth)),
            _ => format!("CASE WHEN {} THEN {} END", self.truth(depth), self.text(depth)),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        if depth == 0 || self.up_to(5) == 0 {
            return self.one(&[
                "open",
                "capacity > 2",
                "commune = 'Paris'",
                "name IS NULL",
                "duedate >= '2022-04-15 05:40:00'",
            ]);
        }
        let depth = depth - 1;
        let operator = self.one(&["=", "<>", "<", "<=", ">", ">="]);
        match self.up_to(9) {
            0 => format!("({} AND {})", self.truth(depth), self.truth(depth)),
            1 => format!("({} OR {})", self.truth(depth), self.truth(depth)),
            2 => format!("NOT ({})", self.truth(depth)),
            3 => format!("capacity {operator} {}", self.number(depth)),
            4 => format!("stationcode {operator} {}", self.text(depth)),
            5 => {
                format!("capacity {}BETWEEN {} AND {}", self.one(&["", "NOT "]), self.number(depth), self.number(depth))
            }
            6 => format!("capacity {}IN (1, {})", self.one(&["", "NOT "]), self.one(&["2", "NULL"])),
            7 => {
                format!("commune {}LIKE {}", self.one(&["", "NOT "]), self.one(&["'P%'", "'%s-_es%'", "'Paris'", "''"]))
            }
            8 => format!("(capacity + {}) IS NOT NULL", self.number(depth)),
            _ => format!("(capacity IS DISTINCT FROM ({}))", self.number(depth)),
        }
    }
}
