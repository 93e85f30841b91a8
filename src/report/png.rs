//! A scene as PNG, by plotters' bitmap backend: drawn at three times the size and averaged down, which smooths every edge.

use std::fmt;
use std::path::Path;

use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBAColor};

use super::font;
use super::palette::Colour;
use super::scene::{Point, SHEET, Scene, Shape, Text};
use crate::error::{Error, ErrorKind, Result};

/// How many times larger the figure is drawn than it is kept.
const TIMES: u32 = 3;

/// Writes the scene to `path`, whose name must end in `.png`.
pub(super) fn write(scene: &Scene, path: &Path) -> Result<()> {
    let pixels = pixels(scene)?;
    let mut file = BitMapBackend::new(path, SHEET);
    file.blit_bitmap((0, 0), SHEET, &pixels).map_err(failed)?;
    file.present().map_err(failed)
}

/// The pixels of the sheet from its upper left corner, row by row: red, green, blue.
pub(super) fn pixels(scene: &Scene) -> Result<Vec<u8>> {
    let (width, height) = SHEET;
    let mut large = vec![u8::MAX; (width * height * TIMES * TIMES * 3) as usize];
    let mut pen = BitMapBackend::with_buffer(&mut large, (width * TIMES, height * TIMES));
    for shape in &scene.shapes {
        draw(&mut pen, shape)?;
    }
    drop(pen);
    Ok(shrink(&large, width as usize))
}

fn draw(pen: &mut BitMapBackend<'_>, shape: &Shape) -> Result<()> {
    match shape {
        Shape::Area { outline, fill } => {
            pen.fill_polygon(outline.iter().map(|&point| large(point)), &ink(*fill, 1.0)).map_err(failed)
        }
        Shape::Disc { centre, radius, fill } => draw_disc(pen, *centre, *radius, *fill),
        Shape::Line { points, width, colour } => {
            for pair in points.windows(2) {
                draw_stroke(pen, pair[0], pair[1], *width, *colour)?;
            }
            let joints = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
            joints.iter().filter(|_| *width >= 1.5).try_for_each(|&joint| draw_disc(pen, joint, width / 2.0, *colour))
        }
        Shape::Text(Text { start, style, text }) => {
            let times = f64::from(TIMES);
            let mut drawn = Ok(());
            font::rasterize(
                text,
                style.size * times,
                style.weight,
                (start.0 * times, start.1 * times),
                |x, y, cover| {
                    if drawn.is_ok() {
                        drawn = pen.draw_pixel((x, y), ink(style.colour, cover).to_backend_color()).map_err(failed);
                    }
                },
            );
            drawn
        }
    }
}

fn draw_disc(pen: &mut BitMapBackend<'_>, centre: Point, radius: f64, colour: Colour) -> Result<()> {
    let radius = (radius * f64::from(TIMES)).round() as u32;
    pen.draw_circle(large(centre), radius, &ink(colour, 1.0), true).map_err(failed)
}

/// One straight stroke, as a filled rectangle along it.
fn draw_stroke(pen: &mut BitMapBackend<'_>, from: Point, to: Point, width: f64, colour: Colour) -> Result<()> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (length, half) = (dx.hypot(dy), width / 2.0);
    if length == 0.0 {
        return Ok(());
    }
    if dx == 0.0 || dy == 0.0 {
        // Upright and level strokes keep their exact width, so that the grid is even.
        let (beside_x, beside_y) = if dx == 0.0 { (half, 0.0) } else { (0.0, half) };
        let upper_left = large((from.0.min(to.0) - beside_x, from.1.min(to.1) - beside_y));
        let lower_right = large((from.0.max(to.0) + beside_x, from.1.max(to.1) + beside_y));
        return pen.draw_rect(upper_left, lower_right, &ink(colour, 1.0), true).map_err(failed);
    }
    let (x, y) = (-dy / length * half, dx / length * half);
    let corners = [(from.0 + x, from.1 + y), (to.0 + x, to.1 + y), (to.0 - x, to.1 - y), (from.0 - x, from.1 - y)];
    pen.fill_polygon(corners.map(large), &ink(colour, 1.0)).map_err(failed)
}

fn large((x, y): Point) -> (i32, i32) {
    let times = f64::from(TIMES);
    ((x * times).round() as i32, (y * times).round() as i32)
}

fn ink(Colour(red, green, blue): Colour, alpha: f64) -> RGBAColor {
    RGBAColor(red, green, blue, alpha)
}

fn failed(error: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Figure, error)
}

/// The mean of each square of `TIMES` × `TIMES` pixels; `width` is the width of the result.
fn shrink(large: &[u8], width: usize) -> Vec<u8> {
    const TIMES: usize = self::TIMES as usize;
    const PIXELS: u16 = (TIMES * TIMES) as u16;
    const { assert!(TIMES == 3, "a square is three pixels wide below") };
    let mut small = Vec::with_capacity(large.len() / (TIMES * TIMES));
    let mut sums = vec![0u16; width * 3];
    for rows in large.chunks_exact(width * 3 * TIMES * TIMES) {
        sums.fill(0);
        for row in rows.chunks_exact(width * 3 * TIMES) {
            for (sum, square) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * TIMES)) {
                // Written out: as loops, these nine are most of the time that an example takes in the dev profile.
                sum[0] += u16::from(square[0]) + u16::from(square[3]) + u16::from(square[6]);
                sum[1] += u16::from(square[1]) + u16::from(square[4]) + u16::from(square[7]);
                sum[2] += u16::from(square[2]) + u16::from(square[5]) + u16::from(square[8]);
            }
        }
        small.extend(sums.iter().map(|sum| ((sum + PIXELS / 2) / PIXELS) as u8));
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_takes_the_mean_of_each_square() {
        // Two squares of 3 × 3 pixels side by side: one black but for one white pixel, one all white.
        let mut large = vec![0; 6 * 3 * 3];
        for (place, value) in large.iter_mut().enumerate() {
            let (row, column) = (place / 18, place % 18 / 3);
            *value = if column >= 3 || (row, column) == (1, 1) { 255 } else { 0 };
        }
        assert_eq!(shrink(&large, 2), [28, 28, 28, 255, 255, 255]);
    }
}
