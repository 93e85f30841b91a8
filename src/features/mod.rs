//! Part 4: from the history of stations to a design matrix that knows only the past, and its label.
