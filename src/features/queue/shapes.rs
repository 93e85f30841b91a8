//! How the hours of a week differ, learned from all stations at once.
//!
//! One station sees few trips in one hour of one kind of day, but there are only so many ways in which a week can go: near
//! offices, near homes, near bars. A station's rates are drawn towards a mixture, with loads of its own, of a few shapes
//! that all stations share (a factorisation of trips by Poisson likelihood, fitted by EM; Lee and Seung, Nature 1999),
//! and the more so the less the stations really differ from their mixtures.

use super::bridge::Tally;

/// Kinds of day times hours.
pub(super) const CELLS: usize = 48;
/// Trips of both directions, by the cell; the returns and the rentals of a cell side by side.
const WIDTH: usize = 2 * CELLS;

/// Returns and rentals per hour, by the cell.
pub(super) type CellRates = [[f64; 2]; CELLS];
/// What was counted, by the cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CellTallies(pub(super) [Tally; CELLS]);

impl Default for CellTallies {
    fn default() -> Self {
        Self([Tally::default(); CELLS])
    }
}

impl CellTallies {
    /// Whether anything was counted.
    pub(super) fn was_seen(&self) -> bool {
        self.0.iter().any(|tally| tally.not_full + tally.not_empty > 0.0)
    }
}

/// The shapes, and how much they are believed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shapes {
    /// Each with mean 1.
    shapes: Vec<[f64; WIDTH]>,
    /// Mean load of each shape over the stations, trips per hour and direction.
    loads: Vec<f64>,
    /// How many trips of the mixture a cell's own trips are mixed with.
    strength: f64,
}

/// The most shapes that are told apart.
const MOST_SHAPES: usize = 4;
/// A shape for each so many stations.
const STATIONS_A_SHAPE: usize = 8;
/// Trips of a level week that a cell of the network's shape is mixed with.
const NETWORK_STRENGTH: f64 = 20.0;
/// Trips of the network's shape that a cell of a shape is mixed with.
const SHAPE_STRENGTH: f64 = 5.0;
/// Trips of the network's load that a station's load of a shape is mixed with.
const LOAD_STRENGTH: f64 = 1.0;
/// Trips of balanced directions that a station's directions are mixed with.
const BALANCE_STRENGTH: f64 = 50.0;
/// Rounds of EM for the loads of one station.
const LOAD_ROUNDS: usize = 15;
/// Rounds of EM for the shapes: from single stations, and from shapes of nearly the same trips.
const SHAPE_ROUNDS: usize = 40;
const REFIT_ROUNDS: usize = 12;
/// Loads go so much farther than a step of EM, which is slow; below 2 it still comes to rest.
const BEYOND: f64 = 1.8;
/// Between these the strength of the mixture is chosen.
const STRENGTHS: (f64, f64) = (2.0, 1e4);

/// Trips, and the hours in which they were possible.
struct Counts {
    trips: [f64; WIDTH],
    hours: [f64; WIDTH],
    /// Trips, by the direction.
    by_direction: [f64; 2],
}

/// A station's mixture: the load of each shape, and the factor of each direction.
#[derive(Clone, Debug)]
struct Mixture {
    loads: Vec<f64>,
    directions: [f64; 2],
}

impl Shapes {
    /// The shapes of what was counted at all stations.
    pub(super) fn fit(stations: &[CellTallies]) -> Self {
        let counts = Counts::of_seen(stations);
        let network = network_shape(&counts);
        let mut shapes = Self { shapes: vec![network], loads: vec![mean_rate(&counts)], strength: STRENGTHS.1 };
        let most = (counts.len() / STATIONS_A_SHAPE).clamp(1, MOST_SHAPES);
        while shapes.shapes.len() < most && shapes.add_seed(&counts, &network) {}
        shapes.refine(&counts, &network, SHAPE_ROUNDS);
        shapes
    }

    /// The shapes of what was counted at the same stations when it was counted again.
    pub(super) fn refit(&self, stations: &[CellTallies]) -> Self {
        let counts = Counts::of_seen(stations);
        let network = network_shape(&counts);
        let mut shapes = self.clone();
        if shapes.shapes.len() == 1 {
            (shapes.shapes, shapes.loads) = (vec![network], vec![mean_rate(&counts)]);
        }
        shapes.refine(&counts, &network, REFIT_ROUNDS);
        shapes
    }

    /// The rates of a station from what was counted there.
    pub(super) fn rates(&self, tallies: &CellTallies) -> CellRates {
        let counts = Counts::new(tallies);
        let prior = self.mixture(&counts).rates(&self.shapes);
        let rate = |place: usize| {
            let prior = prior[place];
            if prior <= 0.0 {
                return 0.0;
            }
            (counts.trips[place] + self.strength) / (counts.hours[place] + self.strength / prior)
        };
        std::array::from_fn(|cell| [rate(2 * cell), rate(2 * cell + 1)])
    }

    /// Takes the shape of the station that is least like its mixture as one more; whether there is such a station.
    fn add_seed(&mut self, counts: &[Counts], network: &[f64; WIDTH]) -> bool {
        let mut worst = (0.0, None);
        for own in counts {
            let prior = self.mixture(own).rates(&self.shapes);
            let deviance: f64 = (0..WIDTH)
                .filter(|&place| prior[place] > 0.0)
                .map(|place| {
                    let expected = prior[place] * own.hours[place];
                    let trips = own.trips[place];
                    let log = if trips > 0.0 && expected > 0.0 { trips * (trips / expected).ln() } else { 0.0 };
                    log - (trips - expected)
                })
                .sum();
            if deviance > worst.0 {
                worst = (deviance, Some(own));
            }
        }
        let Some(own) = worst.1 else { return false };
        let rate = own.rate();
        if rate <= 0.0 {
            return false;
        }
        let mut shape = [0.0; WIDTH];
        for (place, shape) in shape.iter_mut().enumerate() {
            let prior = network[place] * rate;
            if prior > 0.0 {
                *shape = (own.trips[place] + SHAPE_STRENGTH) / (own.hours[place] + SHAPE_STRENGTH / prior);
            }
        }
        normalise(&mut shape);
        self.shapes.push(shape);
        let mean = self.loads.iter().sum::<f64>() / self.shapes.len() as f64;
        self.loads = vec![mean; self.shapes.len()];
        true
    }

    /// Fits shapes and loads in turn, and how much they are believed; one shape alone is the network's.
    fn refine(&mut self, counts: &[Counts], network: &[f64; WIDTH], rounds: usize) {
        let mut mixtures: Vec<_> = counts.iter().map(|own| self.mixture(own)).collect();
        for _ in 0..if self.shapes.len() > 1 { rounds } else { 0 } {
            let rank = self.shapes.len();
            let (mut trips, mut hours) = (vec![[0.0; WIDTH]; rank], vec![[0.0; WIDTH]; rank]);
            for (own, mixture) in counts.iter().zip(&mut mixtures) {
                self.improve(mixture, own);
                let sums = mixture.sums(&self.shapes);
                for (k, load) in mixture.loads.iter().enumerate() {
                    for place in 0..WIDTH {
                        if sums[place] > 0.0 {
                            trips[k][place] += load * self.shapes[k][place] * own.trips[place] / sums[place];
                        }
                        hours[k][place] += load * mixture.directions[place % 2] * own.hours[place];
                    }
                }
            }
            for k in 0..rank {
                for place in 0..WIDTH {
                    let prior = network[place];
                    self.shapes[k][place] = if prior > 0.0 {
                        (trips[k][place] + SHAPE_STRENGTH) / (hours[k][place] + SHAPE_STRENGTH / prior)
                    } else {
                        0.0
                    };
                }
                let scale = normalise(&mut self.shapes[k]);
                for mixture in &mut mixtures {
                    mixture.loads[k] *= scale;
                }
            }
            for k in 0..rank {
                let sum: f64 = mixtures.iter().map(|mixture| mixture.loads[k]).sum();
                self.loads[k] = sum / mixtures.len() as f64;
            }
        }
        self.choose_strength(counts, &mixtures);
    }

    /// The mixture of a station, from the network's mean loads on.
    fn mixture(&self, own: &Counts) -> Mixture {
        let mut mixture = Mixture { loads: self.loads.clone(), directions: [1.0; 2] };
        for _ in 0..LOAD_ROUNDS {
            self.improve(&mut mixture, own);
        }
        mixture
    }

    /// One round of EM for a station's mixture.
    fn improve(&self, mixture: &mut Mixture, own: &Counts) {
        let sums = mixture.sums(&self.shapes);
        let ratios = each(|place| if sums[place] > 0.0 { own.trips[place] / sums[place] } else { 0.0 });
        let weighted = each(|place| mixture.directions[place % 2] * own.hours[place]);
        for ((load, shape), &mean) in mixture.loads.iter_mut().zip(&self.shapes).zip(&self.loads) {
            let trips = *load * product(shape, &ratios);
            let hours = product(shape, &weighted);
            if *load > 0.0 && mean > 0.0 {
                let next = (trips + LOAD_STRENGTH) / (hours + LOAD_STRENGTH / mean);
                *load *= (next / *load).powf(BEYOND);
            }
        }
        let expected = by_direction(&mixture.sums(&self.shapes), &own.hours).map(|sum| sum + BALANCE_STRENGTH);
        let trips = own.by_direction.map(|sum| sum + BALANCE_STRENGTH);
        mixture.directions = [trips[0] / expected[0], trips[1] / expected[1]];
    }

    /// By the moments of what is seen best, the net change of each cell: it is spread more widely than two Poisson numbers
    /// are as far as stations differ from their mixtures.
    fn choose_strength(&mut self, counts: &[Counts], mixtures: &[Mixture]) {
        let (mut excess, mut scale) = (0.0, 0.0);
        for (own, mixture) in counts.iter().zip(mixtures) {
            let prior = mixture.rates(&self.shapes);
            for cell in 0..CELLS {
                let (back, out) = (2 * cell, 2 * cell + 1);
                let expected = [prior[back] * own.hours[back], prior[out] * own.hours[out]];
                let net = own.trips[out] - own.trips[back] - (expected[1] - expected[0]);
                excess += net * net - expected[0] - expected[1];
                scale += expected[0] * expected[0] + expected[1] * expected[1];
            }
        }
        let strength = if excess > 0.0 { scale / excess } else { f64::INFINITY };
        self.strength = strength.clamp(STRENGTHS.0, STRENGTHS.1);
    }
}

impl Counts {
    fn new(tallies: &CellTallies) -> Self {
        let trips = each(|place| {
            let tally = &tallies.0[place / 2];
            if place % 2 == 0 { tally.returns } else { tally.rentals }
        });
        let hours = each(|place| {
            let tally = &tallies.0[place / 2];
            if place % 2 == 0 { tally.not_full } else { tally.not_empty }
        });
        Self { trips, hours, by_direction: by_direction(&trips, &[1.0; WIDTH]) }
    }

    fn of_seen(stations: &[CellTallies]) -> Vec<Self> {
        stations.iter().filter(|own| own.was_seen()).map(Self::new).collect()
    }

    /// Trips per hour and direction; 0 of nothing.
    fn rate(&self) -> f64 {
        rate(&self.trips, &self.hours)
    }
}

impl Mixture {
    /// The sum of the shapes by their loads.
    fn sums(&self, shapes: &[[f64; WIDTH]]) -> [f64; WIDTH] {
        let mut sums = [0.0; WIDTH];
        for (load, shape) in self.loads.iter().zip(shapes) {
            for (sum, value) in sums.iter_mut().zip(shape) {
                *sum += load * value;
            }
        }
        sums
    }

    fn rates(&self, shapes: &[[f64; WIDTH]]) -> [f64; WIDTH] {
        let mut rates = self.sums(shapes);
        for (place, rate) in rates.iter_mut().enumerate() {
            *rate *= self.directions[place % 2];
        }
        rates
    }
}

/// Trips per hour and direction of a station in the mean.
fn mean_rate(counts: &[Counts]) -> f64 {
    counts.iter().map(Counts::rate).sum::<f64>() / counts.len().max(1) as f64
}

/// The rates of all stations together, with mean 1; all 0 if nothing was seen.
fn network_shape(counts: &[Counts]) -> [f64; WIDTH] {
    let (mut trips, mut hours) = ([0.0; WIDTH], [0.0; WIDTH]);
    for own in counts {
        for place in 0..WIDTH {
            trips[place] += own.trips[place];
            hours[place] += own.hours[place];
        }
    }
    let mean = rate(&trips, &hours);
    if mean <= 0.0 {
        return [0.0; WIDTH];
    }
    let mut shape = each(|place| (trips[place] + NETWORK_STRENGTH) / (hours[place] + NETWORK_STRENGTH / mean));
    normalise(&mut shape);
    shape
}

/// Gives a shape the mean 1; the mean it had.
fn normalise(shape: &mut [f64; WIDTH]) -> f64 {
    let mean = shape.iter().sum::<f64>() / WIDTH as f64;
    if mean > 0.0 {
        for value in shape {
            *value /= mean;
        }
    }
    mean
}

/// An array of a value for each place.
fn each(value: impl FnMut(usize) -> f64) -> [f64; WIDTH] {
    std::array::from_fn(value)
}

fn rate(trips: &[f64; WIDTH], hours: &[f64; WIDTH]) -> f64 {
    let hours: f64 = hours.iter().sum();
    if hours > 0.0 { trips.iter().sum::<f64>() / hours } else { 0.0 }
}

/// The sums of the products of each direction.
fn by_direction(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> [f64; 2] {
    let sums = lanes(a, b);
    std::array::from_fn(|direction| sums.iter().skip(direction).step_by(2).sum())
}

fn product(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> f64 {
    lanes(a, b).iter().sum()
}

/// The sums of the products of every eighth place, which a processor takes side by side.
fn lanes(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> [f64; 8] {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A station seen for so many hours in each cell, with just the trips that are to be expected.
    fn station(hours: f64, rate: impl Fn(usize) -> [f64; 2]) -> CellTallies {
        CellTallies(std::array::from_fn(|cell| {
            let [returns, rentals] = rate(cell).map(|rate| rate * hours);
            Tally { returns, rentals, not_full: hours, not_empty: hours }
        }))
    }

    /// Fills in the morning and empties in the evening, or, with `sign` -1, the other way round.
    fn tide(load: f64, sign: f64) -> impl Fn(usize) -> [f64; 2] {
        move |cell| {
            let pull = sign * [0.0, 0.8, 0.0, -0.8][cell % 24 / 6];
            [load * (1.0 + pull), load * (1.0 - pull)]
        }
    }

    fn largest_error(rates: &CellRates, truth: impl Fn(usize) -> [f64; 2]) -> f64 {
        let errors = rates.iter().enumerate().flat_map(|(cell, rates)| {
            let truth = truth(cell);
            [(rates[0] / truth[0] - 1.0).abs(), (rates[1] / truth[1] - 1.0).abs()]
        });
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn two_ways_of_the_day_are_told_apart_and_a_new_station_is_their_mean() {
        let stations: Vec<_> = (0..40).map(|i| station(10.0, tide(2.0, if i % 2 == 0 { 1.0 } else { -1.0 }))).collect();
        let shapes = Shapes::fit(&stations);
        let error = |own: &CellTallies, load, sign| largest_error(&shapes.rates(own), tide(load, sign));
        let known = error(&stations[0], 2.0, 1.0).max(error(&stations[1], 2.0, -1.0));
        assert!(known < 0.15, "{known}");
        // Few hours tell which of the two a station is; its hours are then those of all that are like it.
        let short = station(0.5, tide(4.0, 1.0));
        // The mean of both ways would be wrong by 4 times where hardly anybody comes.
        assert!(error(&short, 4.0, 1.0) < 0.4, "{}", error(&short, 4.0, 1.0));
        let unseen = largest_error(&shapes.rates(&CellTallies::default()), |_| [2.0, 2.0]);
        assert!(unseen < 0.1, "{unseen}");
    }

    #[test]
    fn a_station_like_no_other_is_believed_the_more_the_more_was_seen() {
        let mut stations: Vec<_> = (0..7).map(|_| station(20.0, |_| [2.0, 2.0])).collect();
        let odd = |cell: usize| if cell == 9 { [8.0, 2.0] } else { [2.0, 2.0] };
        stations.push(station(20.0, odd));
        let shapes = Shapes::fit(&stations);
        let [few, many] = [20.0, 20_000.0].map(|hours| shapes.rates(&station(hours, odd))[9][0]);
        assert!(2.0 < few && few < 4.0 && many > 7.0 && many < 8.01, "{few} {many}");
    }

    #[test]
    fn of_few_stations_the_mean_follows_what_is_counted_again() {
        let [first, again] = [1.0, 3.0].map(|rate| vec![station(200.0, |_| [rate; 2]); 5]);
        let shapes = Shapes::fit(&first).refit(&again);
        assert_eq!(shapes, Shapes::fit(&again));
        assert!((shapes.rates(&CellTallies::default())[7][1] - 3.0).abs() < 0.01);
    }

    #[test]
    fn of_nothing_nothing_comes() {
        let shapes = Shapes::fit(&[]);
        assert_eq!(shapes, Shapes::fit(&[CellTallies::default()]));
        assert_eq!(shapes.rates(&CellTallies::default()), [[0.0; 2]; CELLS]);
        // Where nobody ever came.
        let still = station(10.0, |_| [0.0; 2]);
        assert_eq!(Shapes::fit(&[still; 20]).rates(&still), [[0.0; 2]; CELLS]);
    }
}
