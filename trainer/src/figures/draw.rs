//! The figures themselves, as PNG and as SVG.

use super::LearnedLayer;
use super::spectrum::shown;
use crate::error::{Result, TrainerError};
use crate::files;
use plotters::coord::Shift;
use plotters::prelude::{
    BLUE, BitMapBackend, ChartBuilder, Color as _, DrawingArea, DrawingAreaErrorKind, DrawingBackend, FontStyle,
    IntoDrawingArea as _, PathElement, RGBColor, Rectangle, SVGBackend, WHITE,
};
use plotters::style::register_font;
use std::path::Path;
use tagvane_engine::SAMPLE_RATE;

/// The name that the letters are registered under; a viewer of the SVG takes its own.
const FONT: &str = "sans-serif";
/// Columns of a heat map: with more filters, neighbours share one, so that an SVG
/// stays small.
const COLUMNS: usize = 128;
/// Shades of a heat map. Neighbours of one shade are drawn as one.
const SHADES: usize = 24;
/// The faintest and the strongest shade.
const INK: [RGBColor; 2] = [WHITE, RGBColor(8, 29, 88)];
/// Heat maps in a row.
const ACROSS: usize = 3;
/// Waveforms of a layer that are shown.
const EXAMPLES: usize = 8;
/// Pixels around a waveform.
const MARGIN: i32 = 6;

type Drawn<D> = std::result::Result<(), DrawingAreaErrorKind<<D as DrawingBackend>::ErrorType>>;

/// Writes both figures, each as PNG and as SVG.
pub(super) fn write(folder: &Path, layers: &[LearnedLayer]) -> Result<()> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).map_err(|_| {
        TrainerError::Request("the letters of the figures cannot be read; build the trainer anew".into())
    })?;
    save(folder, "spectra", &SpectraFigure(layers))?;
    save(folder, "waveforms", &WaveformsFigure(layers))
}

/// A picture that can be drawn in every format.
trait Figure {
    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32);

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> Drawn<D>;
}

fn save(folder: &Path, name: &str, figure: &impl Figure) -> Result<()> {
    let svg = folder.join(format!("{name}.svg"));
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        drawn(&svg, figure.draw(&root).and_then(|()| root.present()))?;
    }
    files::write(&svg, text.as_bytes())?;

    let png = folder.join(format!("{name}.png"));
    // The extension tells the format, so it comes last.
    let partial = folder.join(format!("{name}.partial.png"));
    {
        let root = BitMapBackend::new(&partial, figure.size()).into_drawing_area();
        drawn(&png, figure.draw(&root).and_then(|()| root.present()))?;
    }
    std::fs::rename(&partial, &png).map_err(TrainerError::file(&png))
}

fn drawn<E>(path: &Path, outcome: std::result::Result<(), DrawingAreaErrorKind<E>>) -> Result<()>
where
    E: std::error::Error + Send + Sync,
{
    outcome.map_err(|error| TrainerError::content(path, format!("this figure cannot be drawn: {error}")))
}

/// Figure 3: a heat map for each layer.
struct SpectraFigure<'a>(&'a [LearnedLayer]);

impl Figure for SpectraFigure<'_> {
    fn size(&self) -> (u32, u32) {
        (420 * ACROSS as u32, 340 * self.0.len().div_ceil(ACROSS).max(1) as u32)
    }

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> Drawn<D> {
        root.fill(&WHITE)?;
        let values = self.0.iter().flat_map(|layer| &layer.filters).flat_map(|filter| &filter.bands);
        let strongest = values.copied().fold(f64::MIN_POSITIVE, f64::max);
        let areas = root.split_evenly((self.0.len().div_ceil(ACROSS).max(1), ACROSS));
        areas.iter().zip(self.0).try_for_each(|(area, layer)| heat_map(area, layer, strongest))
    }
}

fn heat_map<D: DrawingBackend>(area: &DrawingArea<D, Shift>, layer: &LearnedLayer, strongest: f64) -> Drawn<D> {
    let highest = f64::from(SAMPLE_RATE) / 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption(title(layer), (FONT, 18))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..layer.filters.len() as f64, 0.0..highest)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|filter: &f64| format!("{filter:.0}"))
        .y_label_formatter(&|hertz: &f64| format!("{hertz:.0}"))
        .x_desc("filter, by the frequency of its peak")
        .y_desc("frequency (Hz)")
        .label_style((FONT, 13))
        .draw()?;
    let cells = cells(layer, strongest, highest);
    chart.draw_series(cells.into_iter().map(|(corners, shade)| Rectangle::new(corners, colour(shade).filled())))?;
    Ok(())
}

/// Two opposite corners, in filters and hertz, and a shade from 1.
type Cell = ([(f64, f64); 2], usize);

/// The cells of a heat map, without those of the faintest shade.
fn cells(layer: &LearnedLayer, strongest: f64, highest: f64) -> Vec<Cell> {
    let filters = &layer.filters;
    let columns = filters.len().min(COLUMNS);
    let bands = filters.first().map_or(0, |filter| filter.bands.len());
    let hertz = |band: usize| highest * band as f64 / bands as f64;
    let mut cells = Vec::new();
    for column in 0..columns {
        let (first, end) = (column * filters.len() / columns, (column + 1) * filters.len() / columns);
        let shade = |band: usize| {
            let most = filters[first..end].iter().map(|filter| filter.bands[band]).fold(0.0, f64::max);
            (most / strongest * (SHADES - 1) as f64).round() as usize
        };
        let shades: Vec<usize> = (0..bands).map(shade).collect();
        let mut low = 0;
        for run in shades.chunk_by(|a, b| a == b) {
            let high = low + run.len();
            if run[0] > 0 {
                cells.push(([(first as f64, hertz(low)), (end as f64, hertz(high))], run[0]));
            }
            low = high;
        }
    }
    cells
}

fn colour(shade: usize) -> RGBColor {
    let [faintest, most] = INK;
    let part = shade as f64 / (SHADES - 1) as f64;
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8;
    RGBColor(mix(faintest.0, most.0), mix(faintest.1, most.1), mix(faintest.2, most.2))
}

fn title(layer: &LearnedLayer) -> String {
    match layer.layer {
        1 => "layer 1, strided".into(),
        layer => format!("layer {layer}"),
    }
}

/// Figure 2: a row of waveforms for each layer.
struct WaveformsFigure<'a>(&'a [LearnedLayer]);

impl Figure for WaveformsFigure<'_> {
    fn size(&self) -> (u32, u32) {
        (170 * EXAMPLES as u32, 120 * self.0.len().max(1) as u32)
    }

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> Drawn<D> {
        root.fill(&WHITE)?;
        let rows = root.split_evenly((self.0.len().max(1), 1));
        for (row, layer) in rows.iter().zip(self.0) {
            let places = row.titled(&title(layer), (FONT, 18))?.split_evenly((1, EXAMPLES));
            for (place, index) in places.iter().zip(examples(layer.filters.len())) {
                line(place, &shown(&layer.filters[index].waveform))?;
            }
        }
        Ok(())
    }
}

/// Evenly from the first filter to the last; all where there are few.
fn examples(filters: usize) -> impl Iterator<Item = usize> {
    let count = filters.min(EXAMPLES);
    (0..count).map(move |index| index * (filters - 1) / (count - 1).max(1))
}

fn line<D: DrawingBackend>(area: &DrawingArea<D, Shift>, waveform: &[f64]) -> Drawn<D> {
    let (width, height) = area.dim_in_pixel();
    let (width, middle) = (width as i32 - 2 * MARGIN, height as i32 / 2);
    let last = waveform.len().saturating_sub(1).max(1) as f64;
    let loudest = waveform.iter().fold(f64::MIN_POSITIVE, |loudest, sample| loudest.max(sample.abs()));
    let across = |index: usize| MARGIN + (f64::from(width) * index as f64 / last).round() as i32;
    let up = |sample: f64| middle - (f64::from(middle - MARGIN) * sample / loudest).round() as i32;
    let points: Vec<(i32, i32)> =
        waveform.iter().enumerate().map(|(index, sample)| (across(index), up(*sample))).collect();
    area.draw(&PathElement::new(points, BLUE.stroke_width(1)))
}

#[cfg(test)]
mod tests {
    use super::super::LearnedFilter;
    use super::*;

    #[test]
    fn examples_go_from_the_first_to_the_last() {
        for (filters, wanted) in [
            (0, vec![]),
            (1, vec![0]),
            (3, vec![0, 1, 2]),
            (8, (0..8).collect::<Vec<usize>>()),
            (128, vec![0, 18, 36, 54, 72, 90, 108, 127]),
        ] {
            assert_eq!(examples(filters).collect::<Vec<usize>>(), wanted);
        }
    }

    #[test]
    fn a_heat_map_has_few_cells() {
        let filter = |filter: usize| LearnedFilter {
            filter,
            waveform: Vec::new(),
            before: 0.0,
            after: 1.0,
            peak: 0.0,
            bands: (0..96).map(|band| if band == filter / 4 { 8.0 } else { 0.01 }).collect(),
        };
        let layer = LearnedLayer { layer: 2, filters: (0..256).map(filter).collect() };
        let cells = cells(&layer, 8.0, 9_600.0);
        // One for the peak of every column; the rest is of the faintest shade.
        assert_eq!(cells.len(), COLUMNS);
        assert_eq!(cells[3], ([(6.0, 100.0), (8.0, 200.0)], SHADES - 1));
        assert_eq!((colour(0), colour(SHADES - 1)), (INK[0], INK[1]));
    }
}
