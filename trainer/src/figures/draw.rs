//! Drawing of the figures as PNG and SVG.

use super::LearnedLayer;
use super::spectrum::low_passed_excerpt;
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

/// The name that the font is registered under. A viewer of the SVG substitutes its own.
const FONT: &str = "sans-serif";
/// Maximum columns of a heat map. With more filters, neighbours share a column, which keeps the SVG
/// small.
const COLUMNS: usize = 128;
/// Shades of a heat map. Adjacent cells of the same shade are drawn as one.
const SHADES: usize = 24;
/// The colours of the lowest and the highest value.
const COLOUR_RANGE: [RGBColor; 2] = [WHITE, RGBColor(8, 29, 88)];
/// Heat maps per row.
const HEAT_MAPS_PER_ROW: usize = 3;
/// Waveforms per layer.
const EXAMPLES: usize = 8;
/// Margin around a waveform, in pixels.
const MARGIN: i32 = 6;

type DrawResult<D> = std::result::Result<(), DrawingAreaErrorKind<<D as DrawingBackend>::ErrorType>>;

/// Writes both figures, each as PNG and as SVG.
pub(super) fn write(folder: &Path, layers: &[LearnedLayer]) -> Result<()> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).map_err(|_| {
        TrainerError::Request("the built-in font of the figures cannot be read; rebuild the trainer".into())
    })?;
    save(folder, "spectra", &SpectraFigure(layers))?;
    save(folder, "waveforms", &WaveformsFigure(layers))
}

/// A figure that can be drawn on any backend.
trait Figure {
    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32);

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> DrawResult<D>;
}

fn save(folder: &Path, name: &str, figure: &impl Figure) -> Result<()> {
    let svg = folder.join(format!("{name}.svg"));
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        map_error(&svg, figure.draw(&root).and_then(|()| root.present()))?;
    }
    files::write(&svg, text.as_bytes())?;

    let png = folder.join(format!("{name}.png"));
    // plotters chooses the format by the extension, so that comes last.
    let partial = folder.join(format!("{name}.partial.png"));
    {
        let root = BitMapBackend::new(&partial, figure.size()).into_drawing_area();
        map_error(&png, figure.draw(&root).and_then(|()| root.present()))?;
    }
    std::fs::rename(&partial, &png).map_err(TrainerError::file(&png))
}

fn map_error<E>(path: &Path, result: std::result::Result<(), DrawingAreaErrorKind<E>>) -> Result<()>
where
    E: std::error::Error + Send + Sync,
{
    result.map_err(|error| TrainerError::content(path, format!("this figure cannot be drawn: {error}")))
}

/// Figure 3: a heat map of spectra for each layer.
struct SpectraFigure<'a>(&'a [LearnedLayer]);

impl Figure for SpectraFigure<'_> {
    fn size(&self) -> (u32, u32) {
        (420 * HEAT_MAPS_PER_ROW as u32, 340 * self.0.len().div_ceil(HEAT_MAPS_PER_ROW).max(1) as u32)
    }

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> DrawResult<D> {
        root.fill(&WHITE)?;
        let values = self.0.iter().flat_map(|layer| &layer.filters).flat_map(|filter| &filter.bands);
        let max = values.copied().fold(f64::MIN_POSITIVE, f64::max);
        let areas = root.split_evenly((self.0.len().div_ceil(HEAT_MAPS_PER_ROW).max(1), HEAT_MAPS_PER_ROW));
        areas.iter().zip(self.0).try_for_each(|(area, layer)| draw_heat_map(area, layer, max))
    }
}

fn draw_heat_map<D: DrawingBackend>(area: &DrawingArea<D, Shift>, layer: &LearnedLayer, max: f64) -> DrawResult<D> {
    let nyquist = f64::from(SAMPLE_RATE) / 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption(title(layer), (FONT, 18))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..layer.filters.len() as f64, 0.0..nyquist)?;
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
    let cells = cells(layer, max, nyquist);
    chart.draw_series(cells.into_iter().map(|(corners, shade)| Rectangle::new(corners, colour(shade).filled())))?;
    Ok(())
}

/// Two opposite corners, in filters and hertz, and a shade of at least 1.
type Cell = ([(f64, f64); 2], usize);

/// The cells of a heat map, without those of the lowest shade.
fn cells(layer: &LearnedLayer, max: f64, nyquist: f64) -> Vec<Cell> {
    let filters = &layer.filters;
    let columns = filters.len().min(COLUMNS);
    let bands = filters.first().map_or(0, |filter| filter.bands.len());
    let hertz = |band: usize| nyquist * band as f64 / bands as f64;
    let mut cells = Vec::new();
    for column in 0..columns {
        let (first, end) = (column * filters.len() / columns, (column + 1) * filters.len() / columns);
        let shade = |band: usize| {
            let value = filters[first..end].iter().map(|filter| filter.bands[band]).fold(0.0, f64::max);
            (value / max * (SHADES - 1) as f64).round() as usize
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
    let [low, high] = COLOUR_RANGE;
    let fraction = shade as f64 / (SHADES - 1) as f64;
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * fraction).round() as u8;
    RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
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

    fn draw<D: DrawingBackend>(&self, root: &DrawingArea<D, Shift>) -> DrawResult<D> {
        root.fill(&WHITE)?;
        let rows = root.split_evenly((self.0.len().max(1), 1));
        for (row, layer) in rows.iter().zip(self.0) {
            let areas = row.titled(&title(layer), (FONT, 18))?.split_evenly((1, EXAMPLES));
            for (area, index) in areas.iter().zip(evenly_spaced(layer.filters.len())) {
                draw_waveform(area, &low_passed_excerpt(&layer.filters[index].waveform))?;
            }
        }
        Ok(())
    }
}

/// Up to [`EXAMPLES`] filters, evenly spaced from the first to the last.
fn evenly_spaced(filters: usize) -> impl Iterator<Item = usize> {
    let count = filters.min(EXAMPLES);
    (0..count).map(move |index| index * (filters - 1) / (count - 1).max(1))
}

fn draw_waveform<D: DrawingBackend>(area: &DrawingArea<D, Shift>, waveform: &[f64]) -> DrawResult<D> {
    let (width, height) = area.dim_in_pixel();
    let (width, middle) = (width as i32 - 2 * MARGIN, height as i32 / 2);
    let last = waveform.len().saturating_sub(1).max(1) as f64;
    let peak = waveform.iter().fold(f64::MIN_POSITIVE, |peak, sample| peak.max(sample.abs()));
    let x = |index: usize| MARGIN + (f64::from(width) * index as f64 / last).round() as i32;
    let y = |sample: f64| middle - (f64::from(middle - MARGIN) * sample / peak).round() as i32;
    let points: Vec<(i32, i32)> = waveform.iter().enumerate().map(|(index, sample)| (x(index), y(*sample))).collect();
    area.draw(&PathElement::new(points, BLUE.stroke_width(1)))
}

#[cfg(test)]
mod tests {
    use super::super::LearnedFilter;
    use super::*;

    #[test]
    fn examples_are_evenly_spaced_from_the_first_to_the_last_filter() {
        for (filters, expected) in [
            (0, vec![]),
            (1, vec![0]),
            (3, vec![0, 1, 2]),
            (8, (0..8).collect::<Vec<usize>>()),
            (128, vec![0, 18, 36, 54, 72, 90, 108, 127]),
        ] {
            assert_eq!(evenly_spaced(filters).collect::<Vec<usize>>(), expected);
        }
    }

    #[test]
    fn a_heat_map_merges_filters_into_columns_and_omits_the_lowest_shade() {
        let filter = |filter: usize| LearnedFilter {
            filter,
            waveform: Vec::new(),
            activation_before: 0.0,
            activation_after: 1.0,
            peak_hertz: 0.0,
            bands: (0..96).map(|band| if band == filter / 4 { 8.0 } else { 0.01 }).collect(),
        };
        let layer = LearnedLayer { layer: 2, filters: (0..256).map(filter).collect() };
        let cells = cells(&layer, 8.0, 9_600.0);
        // One cell for the peak of each column; the rest has the lowest shade.
        assert_eq!(cells.len(), COLUMNS);
        assert_eq!(cells[3], ([(6.0, 100.0), (8.0, 200.0)], SHADES - 1));
        assert_eq!((colour(0), colour(SHADES - 1)), (COLOUR_RANGE[0], COLOUR_RANGE[1]));
    }
}
