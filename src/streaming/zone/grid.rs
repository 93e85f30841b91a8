//! A grid over the globe, whose cells depend on their size alone: the same place falls in the same cell whatever the data.

use super::length::metres;
use crate::station::EARTH_RADIUS;

/// Metres of one degree of latitude, on the sphere.
const METRES_PER_DEGREE: f64 = EARTH_RADIUS * std::f64::consts::PI / 180.0;

/// The least and the greatest size of a cell, metres.
const SIZES: std::ops::RangeInclusive<f64> = 1.0..=1e6;

/// Rows of equal height from pole to pole, each cut into columns of equal width; both as near to the size as fits in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    rows: u32,
}

/// A cell: its row from the south pole, and its column from the 180th meridian eastwards, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    row: u32,
    column: u32,
}

impl Grid {
    /// Cells of about this size, with its unit: 1 m to 1000 km. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        metres(text.trim()).filter(|metres| SIZES.contains(metres)).map(Self::of)
    }

    fn of(metres: f64) -> Self {
        Self { rows: (180.0 * METRES_PER_DEGREE / metres).round() as u32 }
    }

    /// The name of the cell that a place, by latitude and longitude in degrees, lies in: the cell's centre, rounded so far
    /// that it is readable and no two cells share a name.
    pub(super) fn zone_of(&self, place: (f64, f64)) -> String {
        let (lat, lon) = self.centre(self.cell_of(place));
        let decimals = self.decimals();
        format!("{lat:.decimals$},{lon:.decimals$}")
    }

    fn cell_of(&self, (lat, lon): (f64, f64)) -> Cell {
        // The north pole belongs to the last row, the 180th meridian to the first column.
        let row = (((lat + 90.0) / self.height()).floor() as u32).min(self.rows - 1);
        let column = ((lon + 180.0) / self.width(row)).floor() as u32;
        Cell { row, column: column % self.columns(row) }
    }

    /// Latitude and longitude of a cell's centre.
    fn centre(&self, Cell { row, column }: Cell) -> (f64, f64) {
        (self.middle(row), (f64::from(column) + 0.5) * self.width(row) - 180.0)
    }

    /// The height of a row, degrees.
    fn height(&self) -> f64 {
        180.0 / f64::from(self.rows)
    }

    /// The latitude in the middle of a row.
    fn middle(&self, row: u32) -> f64 {
        (f64::from(row) + 0.5) * self.height() - 90.0
    }

    /// The width of a row's columns, degrees. Never less than the height, but for rounding.
    fn width(&self, row: u32) -> f64 {
        360.0 / f64::from(self.columns(row))
    }

    fn columns(&self, row: u32) -> u32 {
        let around = 2.0 * f64::from(self.rows) * self.middle(row).to_radians().cos();
        (around.round() as u32).max(1)
    }

    /// Enough that a unit of the last one is less than the height of a row, and so the centres of any two cells differ.
    fn decimals(&self) -> usize {
        let needed = (-self.height().log10()).floor() + 1.0;
        (needed.max(0.0) as usize).max(3)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::station::metres_between;

    #[test]
    fn a_cell_is_named_by_its_centre() {
        let grid = Grid::parse("500m").unwrap();
        assert_eq!(grid.rows, 40_030);
        // Rows of 0.0044966 degrees, and in the row of Notre-Dame 52,678 columns of 0.0068340.
        assert_eq!(grid.columns(grid.cell_of((48.8530, 2.3499)).row), 52_678);
        assert_eq!(grid.zone_of((48.8530, 2.3499)), "48.854,2.347");
        assert_eq!(grid.zone_of((48.8520, 2.3450)), "48.854,2.347");
        assert_eq!(Grid::parse("50m").unwrap().zone_of((48.8530, 2.3499)), "48.8531,2.3498");
    }

    #[test]
    fn a_size_is_from_a_metre_to_a_thousand_kilometres() {
        assert_eq!(Grid::parse(" 0.5km "), Grid::parse("500m"));
        for size in ["", "0m", "500", "500ft", "0.9m", "1001km", "-500m"] {
            assert_eq!(Grid::parse(size), None, "{size}");
        }
        assert_eq!(Grid::parse("1m").unwrap().decimals(), 6);
    }

    #[test]
    fn the_ends_of_the_globe_have_a_cell() {
        let grid = Grid::of(1000.0);
        assert_eq!(grid.cell_of((10.0, 180.0)), grid.cell_of((10.0, -180.0)));
        for pole in [-90.0, 90.0] {
            let cell = grid.cell_of((pole, 17.0));
            assert!(cell.row < grid.rows && cell.column < grid.columns(cell.row), "{cell:?}");
        }
    }

    fn size() -> impl Strategy<Value = f64> {
        (0.0..6.0f64).prop_map(|exponent| 10f64.powf(exponent))
    }

    fn place() -> impl Strategy<Value = (f64, f64)> {
        (-90.0..=90.0f64, -180.0..180.0f64)
    }

    proptest! {
        /// Asked of the cell itself and of the eight around it: one alone says that it holds the place.
        #[test]
        fn a_place_is_in_exactly_one_cell(metres in size(), place in place()) {
            let grid = Grid::of(metres);
            let own = grid.cell_of(place);
            prop_assert!(own.row < grid.rows && own.column < grid.columns(own.row));
            // By how far the place lies from the middles, in halves of a cell.
            let within = |cell: Cell| {
                let (lat, lon) = grid.centre(cell);
                let across = (place.1 - lon + 180.0).rem_euclid(360.0) - 180.0;
                (2.0 * (place.0 - lat).abs() / grid.height()).max(2.0 * across.abs() / grid.width(cell.row))
            };
            prop_assert!(within(own) <= 1.0 + 1e-6, "{}", within(own));
            for row in own.row.saturating_sub(1)..=(own.row + 1).min(grid.rows - 1) {
                let columns = grid.columns(row);
                let there = grid.cell_of((grid.middle(row), place.1)).column;
                for column in [there, (there + 1) % columns, (there + columns - 1) % columns] {
                    let other = Cell { row, column };
                    prop_assert!(other == own || within(other) >= 1.0 - 1e-6, "{other:?} holds it too");
                }
            }
        }

        #[test]
        fn a_cells_own_centre_lies_in_it_and_names_it(metres in size(), place in place()) {
            let grid = Grid::of(metres);
            let cell = grid.cell_of(place);
            let centre = grid.centre(cell);
            prop_assert_eq!(grid.cell_of(centre), cell);
            prop_assert_eq!(grid.zone_of(place), grid.zone_of(centre));
        }

        #[test]
        fn cells_side_by_side_have_different_names(metres in size(), place in place()) {
            let grid = Grid::of(metres);
            let name = |cell| grid.zone_of(grid.centre(cell));
            let cell = grid.cell_of(place);
            let columns = grid.columns(cell.row);
            if columns > 1 {
                prop_assert_ne!(name(cell), name(Cell { column: (cell.column + 1) % columns, ..cell }));
            }
            if cell.row + 1 < grid.rows {
                let above = grid.cell_of((grid.middle(cell.row + 1), place.1));
                prop_assert_ne!(name(cell), name(above));
            }
        }

        /// Where the network stands and wherever else people ride, up to a kilometre: within 1 % of the size.
        #[test]
        fn a_cell_has_about_the_given_size(metres in 10.0..1000.0f64, lat in -70.0..70.0f64, lon in -180.0..180.0f64) {
            let grid = Grid::of(metres);
            let cell = grid.cell_of((lat, lon));
            let (middle, centre) = grid.centre(cell);
            let half = grid.height() / 2.0;
            let height = metres_between((middle - half, centre), (middle + half, centre));
            let width = metres_between((middle, centre), (middle, centre + grid.width(cell.row)));
            for side in [height, width] {
                prop_assert!((side / metres - 1.0).abs() < 0.01, "{side} m, not {metres} m");
            }
        }
    }
}
