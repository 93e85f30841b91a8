//! The cells of one line, read where they stand: those of the usual shape, which nearly all are. What is not is left to the one
//! reader of records, so that both say the same of every row.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::ingest::record::{Field, Slot, YEARS};
use crate::station::{State, usual_time};

/// Which column says what.
pub(super) struct Layout<'s> {
    pub(super) slots: &'s [Slot],
    pub(super) delimiter: u8,
    /// The fields that are there, a bit each.
    pub(super) there: u16,
    fetched_at: usize,
    last_reported: usize,
    /// The columns that say something of the station itself.
    site: Vec<usize>,
    /// Where each field of the state is, if it is.
    counts: [Option<usize>; 5],
    flags: [Option<usize>; 3],
}

impl<'s> Layout<'s> {
    /// `None` for a table that does not say when it was fetched, or of very many columns.
    pub(super) fn of(slots: &'s [Slot], delimiter: u8) -> Option<Self> {
        if slots.len() > COLUMNS {
            return None;
        }
        let place = |field| slots.iter().position(|slot| *slot == Slot::Field(field));
        let of_site = |slot: &Slot| match slot {
            Slot::Position => true,
            Slot::Field(field) => {
                matches!(field, Field::StationCode | Field::Name | Field::Lat | Field::Lon | Field::Commune)
            }
            _ => false,
        };
        let bits = |slot: &Slot| match slot {
            Slot::Field(field) => 1 << *field as u16,
            Slot::Position => 1 << Field::Lat as u16 | 1 << Field::Lon as u16,
            _ => 0,
        };
        Some(Self {
            slots,
            delimiter,
            there: slots.iter().map(bits).fold(0, |there, bits| there | bits),
            fetched_at: place(Field::FetchedAt)?,
            last_reported: place(Field::LastReported)?,
            site: (0..slots.len()).filter(|&column| of_site(&slots[column])).collect(),
            counts: [Field::Capacity, Field::DocksAvailable, Field::BikesAvailable, Field::Mechanical, Field::Ebike]
                .map(place),
            flags: [Field::IsInstalled, Field::IsRenting, Field::IsReturning].map(place),
        })
    }

    /// The state in these cells.
    pub(super) fn state(&self, cells: &Cells<'_>) -> Option<State> {
        let count = |place: usize| self.counts[place].map_or(Some(None), |column| count(cells.get(column)));
        let flag = |place: usize| self.flags[place].map_or(Some(None), |column| flag(cells.get(column)));
        Some(State {
            is_installed: flag(0)?,
            is_renting: flag(1)?,
            is_returning: flag(2)?,
            capacity: count(0)?,
            docks_available: count(1)?,
            bikes_available: count(2)?,
            mechanical: count(3)?,
            ebike: count(4)?,
        })
    }

    pub(super) fn fetched_at<'c>(&self, cells: &Cells<'c>) -> &'c [u8] {
        cells.get(self.fetched_at)
    }

    pub(super) fn last_reported<'c>(&self, cells: &Cells<'c>) -> &'c [u8] {
        cells.get(self.last_reported)
    }

    /// Whether the cells say this of the station itself.
    pub(super) fn is_site(&self, cells: &Cells<'_>, text: &[u8]) -> bool {
        let rest = self.site.iter().try_fold(text, |text, &column| {
            text.strip_prefix(cells.get(column)).and_then(|text| text.strip_prefix(&[self.delimiter]))
        });
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// What the cells say of the station itself, one after another.
    pub(super) fn site(&self, cells: &Cells<'_>, text: &mut Vec<u8>) {
        for &column in &self.site {
            text.extend_from_slice(cells.get(column));
            text.push(self.delimiter);
        }
    }
}

/// The most columns of a table that is read here.
const COLUMNS: usize = 64;

/// Where the cells of a line end.
pub(super) struct Ends([usize; COLUMNS]);

impl Default for Ends {
    fn default() -> Self {
        Self([0; COLUMNS])
    }
}

/// The cells of a line without quotes.
pub(super) struct Cells<'l> {
    line: &'l [u8],
    ends: &'l [usize],
    /// How many there are, with those past the most.
    count: usize,
}

impl<'l> Cells<'l> {
    /// Finds them; `ends` is made anew.
    pub(super) fn of(line: &'l [u8], delimiter: u8, Ends(ends): &'l mut Ends) -> Self {
        const LOW: u64 = u64::MAX / 255 * 0x7f;
        let delimiters = u64::MAX / 255 * u64::from(delimiter);
        let (mut start, mut count) = (0, 0);
        let mut ended = |end: usize| {
            if let Some(place) = ends.get_mut(count) {
                *place = end;
            }
            count += 1;
        };
        let mut words = line.chunks_exact(8);
        // Eight bytes at a time: those that are the delimiter become 0x80, all others 0.
        for word in words.by_ref() {
            let other = word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) ^ delimiters;
            let mut found = !(((other & LOW) + LOW) | other | LOW);
            while found != 0 {
                ended(start + found.trailing_zeros() as usize / 8);
                found &= found - 1;
            }
            start += 8;
        }
        for (place, _) in words.remainder().iter().enumerate().filter(|&(_, &byte)| byte == delimiter) {
            ended(start + place);
        }
        ended(line.len());
        Self { line, ends: &ends[..count.min(COLUMNS)], count }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The cell in one of the first columns.
    pub(super) fn get(&self, column: usize) -> &'l [u8] {
        let start = if column == 0 { 0 } else { self.ends[column - 1] + 1 };
        &self.line[start..self.ends[column]]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &'l [u8]> + '_ {
        (0..self.ends.len()).map(|column| self.get(column))
    }
}

/// A count or nothing, in digits, also with the `.0` of pandas; `None` for what looks otherwise.
fn count(cell: &[u8]) -> Option<Option<u32>> {
    let digits = cell.strip_suffix(b".0").unwrap_or(cell);
    if digits.is_empty() {
        return cell.is_empty().then_some(None);
    }
    if digits.len() > 9 {
        return None;
    }
    let number = digits.iter().try_fold(0, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u32::from(digit))
    });
    number.map(Some)
}

/// A flag or nothing as recordings and the portal write it.
fn flag(cell: &[u8]) -> Option<Option<bool>> {
    match cell {
        b"" => Some(None),
        b"true" | b"True" | b"OUI" | b"1" => Some(Some(true)),
        b"false" | b"False" | b"NON" | b"0" => Some(Some(false)),
        _ => None,
    }
}

/// Times one after another, which mostly are of one day, or the same.
#[derive(Default)]
pub(super) struct Times {
    text: Vec<u8>,
    time: DateTime<Utc>,
    day: Option<([u8; 10], NaiveDate)>,
}

impl Times {
    /// The time in a cell of the usual shape; `None` for any other, and for years that no feed means.
    pub(super) fn read(&mut self, cell: &[u8]) -> Option<DateTime<Utc>> {
        if cell == self.text && !cell.is_empty() {
            return Some(self.time);
        }
        let time = self.of_the_day(cell).or_else(|| self.any(cell))?;
        self.text.clear();
        self.text.extend_from_slice(cell);
        self.time = time;
        Some(time)
    }

    /// A time in UTC, to the second, of the same day as one before it.
    fn of_the_day(&self, cell: &[u8]) -> Option<DateTime<Utc>> {
        let (date, rest) = cell.split_first_chunk::<10>()?;
        let (_, day) = self.day.filter(|(known, _)| known == date)?;
        let [b'T', h, hh, b':', m, mm, b':', s, ss, b'Z'] = *rest else { return None };
        let number = |tens: u8, ones: u8| {
            let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
            (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
        };
        let (hour, minute, second) = (number(h, hh)?, number(m, mm)?, number(s, ss)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let time = NaiveTime::from_num_seconds_from_midnight_opt(hour * 3600 + minute * 60 + second, 0)?;
        Some(day.and_time(time).and_utc())
    }

    fn any(&mut self, cell: &[u8]) -> Option<DateTime<Utc>> {
        let time = usual_time(cell)?;
        if !YEARS.contains(&time.timestamp()) {
            return None;
        }
        if cell.ends_with(b"Z") {
            self.day = cell.first_chunk().map(|date| (*date, time.date_naive()));
        }
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::record::Cell;
    use proptest::prelude::*;

    /// What cells hold, and nearly.
    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{0,11}(\\.0)?",
            "(true|True|OUI|NON|false|yes|1|0| 1)",
            "20[0-9]{2}-(0[1-9]|1[0-9])-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|\\+02:00|\\.5Z)",
            "2022-05-12T[0-2][0-9]:[0-9][0-9]:[0-9]{2}Z",
            "(1969|9999|0000)-12-31T23:59:59(Z|-09:00)",
            "[ -~]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn cells_are_what_stands_between_the_delimiters(line in "[a-c,;é]{0,90}", delimiter in prop::sample::select(b",;\t".as_slice())) {
            let mut ends = Ends::default();
            let cells = Cells::of(line.as_bytes(), delimiter, &mut ends);
            let expected: Vec<_> = line.as_bytes().split(|&byte| byte == delimiter).collect();
            prop_assert_eq!(cells.iter().collect::<Vec<_>>(), &expected[..expected.len().min(COLUMNS)]);
            prop_assert_eq!(cells.len(), expected.len());
        }

        #[test]
        fn what_is_read_here_is_what_the_one_reader_of_records_reads(cells in prop::collection::vec(cell(), 1..20)) {
            let mut times = Times::default();
            for text in &cells {
                let (bytes, cell) = (text.as_bytes(), Cell::text_of(text));
                if let Some(count) = count(bytes) {
                    prop_assert_eq!(cell.count(), Ok(count), "{}", text);
                }
                if let Some(flag) = flag(bytes) {
                    prop_assert_eq!(cell.flag(), Ok(flag), "{}", text);
                }
                if let Some(time) = times.read(bytes) {
                    prop_assert_eq!(cell.time(), Ok(Some(time)), "{}", text);
                }
            }
        }
    }

    #[test]
    fn the_usual_shapes_are_read_here() {
        assert_eq!(
            [count(b"0"), count(b"62"), count(b"14.0"), count(b"")],
            [Some(Some(0)), Some(Some(62)), Some(Some(14)), Some(None)]
        );
        assert_eq!([count(b".0"), count(b"1.5"), count(b"-1"), count(b"4294967296")], [None; 4]);
        let mut times = Times::default();
        for text in
            ["2022-05-12T10:22:18Z", "2022-05-12T10:22:19Z", "2022-05-13T00:00:00Z", "2022-05-12T12:22:18.250+02:00"]
        {
            assert_eq!(times.read(text.as_bytes()), Some(text.parse().unwrap()), "{text}");
        }
        assert_eq!([times.read(b""), times.read(b"2022-05-13T24:00:00Z")], [None; 2]);
    }
}
