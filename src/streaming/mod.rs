//! Part 2: online statistics per station and zone by event-time window, and the store that keeps them.
